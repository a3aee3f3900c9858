"""What `leadscore ingest --check` shows: an export as it would be taken in, and every doubt about it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console import Screen, plain
from data.contract import DataError
from data.csv_safety import inert

if TYPE_CHECKING:
    from data.intake.check import Checked
    from data.intake.examination import Examination, SampleRow

SHOWN = 20
"""Rejected rows, and event types, that are shown."""

LONGEST = 24
"""Characters of a value in a sample; an id that is made of the row is longer."""


def show(screen: Screen, checked: Checked, rejected_path: Path, most_rejected: float) -> None:
    """Prints it, and writes all rejected rows as CSV. Raises DataError past the share of rows that may be rejected."""
    from features.numbers_in_words import number

    seen = checked.examination
    rows = [[t.kind, t.source, number(t.received), number(t.rejected), t.time_zone] for t in seen.tables]
    screen.table("tables", ["kind", "source", "rows", "rejected", "time zone"], rows)
    _show_rejected(screen, checked, rejected_path)
    types = [[t.event_type, number(t.events), "yes" if t.is_known else "no", t.nearest or ""] for t in seen.types]
    screen.table("event types", ["type", "events", "known", "nearest"], types[:SHOWN])
    spans = [[s.source, *map(_time, (s.first, s.last, s.silent_from, s.silent_until))] for s in seen.spans]
    screen.table("sources", ["source", "from", "until", "longest silence", "to"], spans)
    screen.table("leads", ["with events", "with a profile", "with both"], [[number(n) for n in seen.shared]])
    for kind, sample in seen.samples.items():
        _show_sample(screen, kind, sample)
    tell_doubts(screen, checked.cells, checked.left_out, checked.idle, seen.doubts)
    tell_taken_out(screen, checked.taken_out, "to be taken out")
    screen.result(asdict(checked) | {"share_rejected": seen.share_rejected})
    _require_few(seen, most_rejected, rejected_path)


def tell_doubts(
    screen: Screen,
    cells: Mapping[str, int],
    left_out: Mapping[str, int],
    idle: Sequence[str],
    doubts: Sequence[str],
) -> None:
    """What an ingest says beside its counts."""
    from features.numbers_in_words import number

    if cells:
        screen.table("cells that count as missing", ["why", "cells"], [[why, number(n)] for why, n in cells.items()])
    for kind, n in left_out.items():
        screen.tell(f"{number(n)} rows of {kind} are left out, as the mapping says")
    if idle:
        screen.tell(f"no file {', '.join(idle)}: the tables that read it are left out; give it by --file NAME=PATH")
    for doubt in doubts:
        screen.tell(f"doubt: {doubt}")


def tell_taken_out(screen: Screen, events: Mapping[str, int], verb: str) -> None:
    """Which events go out for those that come in."""
    from features.numbers_in_words import counted

    for source, n in events.items():
        gone = counted(n, {"one": "{count} earlier event", "other": "{count} earlier events"})
        screen.tell(f"{verb}: {gone} of source {source!r}; profiles and aliases, which have no source, stay")


def _show_rejected(screen: Screen, checked: Checked, path: Path) -> None:
    if not checked.rejected:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [["source", "row", "reason"], *([inert(cell) for cell in row] for row in checked.rejected)]
        )
    rows = [[source, str(row), reason] for source, row, reason in checked.rejected[:SHOWN]]
    screen.table(f"rejected, all of them in {path}", ["source", "row", "why"], rows)


def _show_sample(screen: Screen, kind: str, sample: Sequence[SampleRow]) -> None:
    """Rows in columns that say something, so that they fit a narrow terminal."""
    if sample:
        names = [name for name in sample[0] if any(row[name] not in (None, "", False) for row in sample)]
        if all(row.get("known_at") == row.get("occurred_at") for row in sample):
            names = [name for name in names if name != "known_at"]
        screen.table(f"{kind} as they will be stored", names, [[_shown(row[name]) for name in names] for row in sample])


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else plain(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _time(us: int | None) -> str:
    return "" if us is None else datetime.fromtimestamp(us // 1_000_000, UTC).strftime("%Y-%m-%d")


def _require_few(seen: Examination, most: float, path: Path) -> None:
    if seen.share_rejected > most:
        raise DataError(
            f"{seen.share_rejected:.2%} of the rows are refused, more than --most-rejected {most:.2%}; "
            f"see {path}, and correct the mapping or the export"
        )
