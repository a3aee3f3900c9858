"""Where sources lie: names, globs and endings of files, URLs of databases."""

from __future__ import annotations

import glob
from pathlib import Path

from data.contract import DataError, UsageError
from data.sources.utf8 import member_name, packing_of

DELIMITED, JSON_LINES, JSON, PARQUET = ("csv", "tsv", "txt"), ("jsonl", "ndjson"), ("json",), ("parquet",)
SPREADSHEETS = ("xlsx", "xlsm", "xlsb", "xls", "ods")
KNOWN = (*DELIMITED, *JSON_LINES, *JSON, *PARQUET, *SPREADSHEETS)


def is_database(location: str) -> bool:
    """Whether it is a URL."""
    return "://" in location


def short_name(location: str) -> str:
    """How reports name a source: a file by its name, a database by its kind, since a URL may hold a password.

    >>> short_name("exports/events.csv"), short_name("postgresql://me:secret@db/crm")
    ('events.csv', 'postgresql query')
    """
    return location.split("://")[0] + " query" if is_database(location) else Path(location).name


def locations_of(pattern: str) -> list[str]:
    """A file as it is named, else all that match, in the order of their names. Raises DataError where none does."""
    if is_database(pattern) or not glob.has_magic(pattern) or Path(pattern).exists():
        return [pattern]
    names = sorted(name for name in glob.glob(pattern, recursive=True) if Path(name).is_file())
    if not names:
        raise DataError(f"{pattern} is no file, and none matches it; check the path")
    return names


def kind_of(path: Path) -> str:
    """The ending that says how a file is written, without that of its compression. Raises UsageError."""
    is_packed = path.suffix.lower() in (".gz", ".zip")
    inner = path.with_suffix("") if is_packed else path
    if is_packed and packing_of(path) == "zip":
        inner = Path(member_name(path))
    kind = inner.suffix.lower().removeprefix(".")
    if kind in KNOWN and not (is_packed and kind in (*PARQUET, *SPREADSHEETS)):
        return kind
    raise UsageError(
        f"{path}: the ending {kind!r} is none of csv, tsv, txt, json, jsonl, ndjson (these also as .gz or .zip), "
        f"parquet, {', '.join(SPREADSHEETS)}; rename it"
    )


def require_bytes(path: Path) -> None:
    """Raises DataError for what is no file, empty or closed to us."""
    try:
        if not path.is_file():
            raise DataError(f"{path} is no file that can be read; check the path")
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty (0 bytes); export it again")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); check path and permissions") from None
