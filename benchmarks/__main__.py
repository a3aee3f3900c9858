"""Runs one benchmark: prints its table and writes var/bench/NAME.json."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks.harness import report

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in ("harness", "__init__"))


def main(arguments: list[str]) -> int:
    """`python -m benchmarks NAME [OPTION …]`; a benchmark is a module with `run(arguments) -> rows`."""
    names = [name for name in NAMES if not name.startswith("_")]
    if not arguments or arguments[0] not in names:
        print(f"usage: make bench NAME=…, one of: {', '.join(names)}", file=sys.stderr)  # noqa: T201
        return 2
    name = arguments[0]
    report(name, importlib.import_module(f"benchmarks.{name}").run(arguments[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
