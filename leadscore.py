"""`leadscore` and `python -m leadscore`: the way into the command line, which stands in `commands/`.

In the installed package this file is `leadscore/__init__.py` and `leadscore/__main__.py` (see setup.py).
"""


def main() -> None:
    """Runs the command that the program's arguments name, and exits."""
    # Imported late: every import of an installed module passes through here, and few want the command line.
    from commands.app import main

    main()


if __name__ == "__main__":
    main()
