"""Keys of staged rows, in order, by ranges of them so that memory stays bounded: staged rows are read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.log.version_index import HIGH, LOW, WIDTH, Records

AT_ONCE, READ_AT_ONCE, RANGES = 250_000, 62_500, 100
"""Rows of a range, about: keys are hashes, which lie evenly. So few are near the processor and use the same memory
again, whose new pages cost more than the sorting; more than so many RANGES cost more again."""
MOST = 1_000_000
"""Rows of a range, as memory asks for."""
DIGITS = np.uint64(32)
"""The lower half of a number: rows that differ in no more are few."""
KNOWN = {"events": "known_at", "leads": "valid_from"}
"""From when on a row of each kind says that it is known."""


@dataclass(frozen=True)
class Keys:
    """Rows by key, and then in the order in which they came.

    rows: as in the version index. part, n: where a row stands; what the export does not have itself is below 0.
    sort: int8, as in verdicts.py.
    """

    rows: Records
    part: NDArray[np.int64]
    n: NDArray[np.int64]
    sort: NDArray[np.int8]


def staged_keys(con: duckdb.DuckDBPyConnection, kind: str, folder: Path) -> Iterator[Keys]:
    """The keys of the view `staged_KIND`, the lowest first. What is read is kept by range in files of a folder."""
    asked = con.sql(f"SELECT high, low, content, lead_hash, {KNOWN[kind]}, part::BIGINT, n, sort FROM staged_{kind}")
    total = con.execute(f"SELECT count(*) FROM staged_{kind}").fetchall()[0][0]
    parts = max(min(-(-total // AT_ONCE), RANGES), -(-total // MOST))
    if parts <= 1:
        yield _in_order(np.ascontiguousarray(_columns(asked.to_arrow_table()).T))
        return
    paths = [folder.with_suffix(f".range-{part}") for part in range(parts)]
    edges = np.array([(2**64 * part) // parts for part in range(1, parts)], np.uint64)
    for batch in asked.to_arrow_reader(READ_AT_ONCE):
        _scatter(_columns(pa.Table.from_batches([batch])), edges, paths)
    for path in paths:
        if path.exists():
            yield _in_order(np.fromfile(path, np.uint64).reshape(-1, WIDTH + 3))
            path.unlink()


def _columns(table: pa.Table) -> Records:
    return np.stack([column.to_numpy().astype(np.int64, copy=False).view(np.uint64) if column.type != pa.uint64()
                     else column.to_numpy() for column in table.columns])  # fmt: skip


def _scatter(columns: Records, edges: NDArray[np.uint64], paths: list[Path]) -> None:
    """Appends rows to the file of their range."""
    place = np.searchsorted(edges, columns[HIGH], side="right").astype(np.uint16)
    by_range = np.ascontiguousarray(columns[:, np.argsort(place, kind="stable")].T)
    ends = np.cumsum([0, *np.bincount(place, minlength=len(paths))])
    for path, (begin, end) in zip(paths, pairwise(ends.tolist()), strict=True):
        with path.open("ab") as file:
            by_range[begin:end].tofile(file)


def _in_order(rows: Records) -> Keys:
    """Most keys stand once: they are sorted by the upper half of one half, and only equal ones by the rest."""
    order = _by_first_digits(rows[:, HIGH])
    columns = np.ascontiguousarray(rows[order].T)
    high, low, part, n = columns[HIGH], columns[LOW], columns[WIDTH].view(np.int64), columns[WIDTH + 1].view(np.int64)
    same = np.flatnonzero(np.diff(high >> DIGITS) == 0)
    if len(same):
        some = np.unique(np.concatenate([same, same + 1]))
        # What a lead was at its creation goes before its row.
        keys = n[some] > 0, np.abs(n[some]), part[some], low[some], high[some]
        columns[:, some] = columns[:, some[np.lexsort(keys)]]
    sort = columns[WIDTH + 2].view(np.int64).astype(np.int8)
    return Keys(columns[:WIDTH], part, n, sort)


def _by_first_digits(high: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The order by the upper half of numbers, which NumPy finds much faster for numbers of 16 bits."""
    upper = (high >> DIGITS).astype(np.uint32)
    order = np.argsort(upper.astype(np.uint16), kind="stable")
    return order[np.argsort((upper >> 16).astype(np.uint16)[order], kind="stable")]
