"""How files of the simulated funnel are written: plain CSV, without quotes, and the broken lines among good ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from data.contract import NAME_LIMIT
from data.simulated.profiles import lead_ids

PLAIN = pa_csv.WriteOptions(include_header=False, quoting_style="none")

GARBAGE_SHARE = 0.0005

LineOf = Callable[[str, str], str]
"""Makes a line from an event_id and a lead_id."""
GARBAGE: dict[str, LineOf] = {
    "bad_time": lambda event, lead: f"{event},{lead},page_view,2024-13-45T99:00:00Z,organic,,,web",
    "no_time": lambda event, lead: f"{event},{lead},page_view,,organic,,,web",
    "missing_lead": lambda event, lead: f"{event},,page_view,2024-02-01T10:00:00.000000Z,organic,,,web",
    "bad_receipt": lambda event, lead: f"{event},{lead},purchase,2024-02-01T10:00:00.000000Z,,,never,shop",
    "far_ahead": lambda event, lead: f"{event},{lead},purchase,2999-02-01T10:00:00.000000Z,,,,shop",
    "unknown_zone": lambda event, lead: f"{event},{lead},page_view,2024-02-01T10:00:00 Mars/Olympus,organic,,,web",
    "overlong_type": lambda event, lead: f"{event},{lead},{'x' * (5 * NAME_LIMIT)},2024-02-01T10:00:00Z,,,,web",
    "too_few_fields": lambda event, lead: f"{event},{lead},page_view",
    "too_many_fields": lambda event, lead: f"{event},{lead},page_view,2024-02-01T10:00:00Z,organic,,,web,more,fields",
}
"""Lines that no ingest should accept, each broken in one way."""


def write_csv(path: Path, table: pa.Table, lines: Iterable[str] = ()) -> None:
    """A table, and lines behind it as they are."""
    with path.open("wb") as file:
        file.write((",".join(table.column_names) + "\n").encode())
        pa_csv.write_csv(table, file, PLAIN)
        file.writelines(f"{line}\n".encode() for line in lines)


def garbage_lines(leads: int, good_rows: int, rng: np.random.Generator) -> list[str]:
    """Some broken lines, each kind at least once, in random order; their event ids begin with x."""
    count = max(len(GARBAGE), round(GARBAGE_SHARE * good_rows))
    kinds, ids = list(GARBAGE.values()), lead_ids(leads)
    chosen = rng.integers(leads, size=count)
    return [kinds[index % len(kinds)](f"x{index}", str(ids[chosen[index]])) for index in rng.permutation(count)]
