"""Writes a made export in a vendor's shape: python -m tests.crm hubspot FOLDER [--leads 1500] [--until 2026-06-01]."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tests.crm.lives import lives


def vendors() -> list[str]:
    """Those that have a module here."""
    own = {"__main__", "exports", "files", "lives", "visits"}
    paths = Path(__file__).parent.glob("[a-z]*.py")
    return sorted(path.stem for path in paths if path.stem not in own and not path.stem.startswith("test_"))


def write(vendor: str, folder: Path, leads: int, until: datetime, seed: int = 1) -> None:
    """Makes the folder and the files in it."""
    folder.mkdir(parents=True, exist_ok=True)
    importlib.import_module(f"tests.crm.{vendor}").write(folder, lives(leads, until, seed))


def main(
    vendor: str,
    folder: Path,
    leads: int = 1500,
    seed: int = 1,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="default: today")] = None,
) -> None:
    """Write a made export."""
    if vendor not in vendors():
        raise typer.BadParameter(f"{vendor!r} is none of {', '.join(vendors())}")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    write(vendor, folder, leads, until.replace(tzinfo=UTC) if until else today, seed)


if __name__ == "__main__":
    typer.run(main)
