"""Writing made exports: rows as CSV or as JSON lines, times as vendors write them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]
BERLIN = ZoneInfo("Europe/Berlin")


def write_csv(path: Path, rows: Iterable[Row], quoting: Any = csv.QUOTE_MINIMAL) -> None:
    """A file with the keys of the first row as its header."""
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), quoting=quoting)
        writer.writeheader()
        writer.writerows(rows)


def write_lines(path: Path, rows: Iterable[Row]) -> None:
    """A JSON object in each line."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def local(at: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """A time as the clock in Berlin shows it; nothing for none."""
    return at.astimezone(BERLIN).strftime(form) if at else ""


def zulu(at: datetime | None) -> str:
    """A time in UTC, to the millisecond."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z" if at else ""
