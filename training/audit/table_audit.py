"""The leakage audit of a plain labelled table: one row per lead, values as they were exported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.contract import DataError
from data.sources.plain_table import column_of, outcomes, read_plain_table
from features.numbers_in_words import number, percent
from training.audit.column_checks import filled_late, known_by_columns, later_states, probed
from training.audit.findings import Finding
from training.audit.probe import knowledge
from training.samples.log_odds import Array

MOST_ROWS = 10_000
"""Rows that probes look at, evenly over time."""
NEWEST = 0.2
STRATA, ID_BINS = 10, 8
SORTED, ORDERED = 0.5, 0.1
"""What the order of ids may know of the outcome: without a clock beside it, and at the same time."""
REPEATED = 0.02


@dataclass(frozen=True)
class Labelled:
    """A table to audit. features: n rows in order of time. y: float64[n], 0/1. ids: names of rows, by column.
    time: int64[n] or None, when a row is from, in any unit."""

    features: pa.Table
    y: Array
    ids: pa.Table
    time: NDArray[np.int64] | None = None

    def thinned(self) -> Labelled:
        """At most MOST_ROWS rows, evenly."""
        step = -(-len(self.y) // MOST_ROWS)
        rows = pa.array(np.arange(0, len(self.y), step))
        time = None if self.time is None else self.time[::step]
        return Labelled(self.features.take(rows), self.y[::step], self.ids.take(rows), time)


def read_labelled(path: Path, target: str, positive: str | None, ids: Sequence[str], time: str | None) -> Labelled:
    """A file as a table to audit, in order of time (else as it stands); rows without an outcome are left out.

    Raises DataError for a file that cannot be read, UsageError for a column that is not there.
    """
    table = read_plain_table(path)
    known = outcomes(table, target, positive)
    for name in (*ids, *([] if time is None else [time])):
        column_of(table, name)
    order = np.flatnonzero(known.is_valid().to_numpy())
    rank = None if time is None else _rank(table.column(time).to_numpy(zero_copy_only=False)[order])
    if rank is not None:
        order, rank = order[np.argsort(rank, kind="stable")], np.sort(rank)
    table, y = table.take(pa.array(order)), known.take(pa.array(order)).to_numpy()
    return Labelled(
        table.drop_columns([*dict.fromkeys([target, *ids, *([time] if time else [])])]),
        y,
        table.select(list(ids)),
        rank,
    )


def audit_table(labelled: Labelled) -> list[Finding]:
    """All findings of a table. Raises DataError when there is nothing to learn from.

    >>> y = np.tile([0.0, 0.0, 1.0], 200)
    >>> table = pa.table({"age": np.arange(600.0), "contract_value": np.where(y > 0, 900.0, np.nan)})
    >>> [(finding.check, finding.name) for finding in audit_table(Labelled(table, y, pa.table({})))]
    [('probe', 'contract_value'), ('filled', 'contract_value')]
    """
    if not 0 < labelled.y.sum() < len(labelled.y):
        raise DataError(
            f"{number(len(labelled.y))} rows with one outcome only: there is nothing that could leak; check it"
        )
    thinned = labelled.thinned()
    known = known_by_columns(thinned.features, thinned.y)
    states = list(later_states(known, "fail"))
    findings = [
        *probed(thinned.features, thinned.y, known, {state.name for state in states}),
        *filled_late(thinned.features, thinned.y),
    ]
    return [*findings, *states, *_ids(thinned), *_repeated_rows(labelled)]


def ordering_ids(ids: Sequence[str], y: Array, time: NDArray[np.int64] | None) -> str | None:
    """Evidence that ids order the outcomes `y` (n), None when they do not; `time` (n) tells order from mere drift."""
    stratum = np.zeros(len(y), np.int64) if time is None else _quantile(_rank(time), STRATA)
    limit = SORTED if time is None else ORDERED
    before = knowledge(stratum, y).share
    for what, code in (("order", _quantile(_place(ids), ID_BINS)), ("beginning", _beginnings(ids))):
        known = knowledge(stratum * ID_BINS + code, y).share - max(before, 0.0)
        if known >= limit:
            moment = "" if time is None else " among leads of the same time"
            return f"the {what} of ids takes away {percent(known)} of the uncertainty about the outcome{moment}"
    return None


def _ids(labelled: Labelled) -> Iterator[Finding]:
    for name in labelled.ids.column_names:
        evidence = ordering_ids(
            labelled.ids.column(name).cast(pa.string()).fill_null("").to_pylist(), labelled.y, labelled.time
        )
        if evidence is not None:
            yield Finding("ids", name, "fail", f"{name!r}: {evidence}")


def _repeated_rows(labelled: Labelled) -> Iterator[Finding]:
    """Rows that stand, but for ids, more than once: what is judged was learnt by heart."""
    import pandas as pd

    rows = labelled.features.append_column("#outcome", pa.array(labelled.y)).to_pandas()
    repeats = rows.duplicated().to_numpy()
    newest = np.arange(len(rows)) >= (1 - NEWEST) * len(rows)
    key = pd.util.hash_pandas_object(rows, index=False).to_numpy()
    across = np.isin(key[newest], key[~newest]).sum()
    if repeats.sum() >= REPEATED * len(rows):
        evidence = (
            f"{number(repeats.sum())} of {number(len(rows))} rows repeat an earlier one but for ids; "
            f"{number(across)} of the newest {number(newest.sum())} stand among the older ones too"
        )
        yield Finding("duplicates", "rows", "warn", evidence)


def _place(ids: Sequence[str]) -> NDArray[np.int64]:
    """Rank of each id: by its number where that tells ids apart, else by the alphabet (00Q5e01 and 00Q5e02 have one
    number, and would stand in the order of the rows, which follows the outcome)."""
    numbers = [int(match.group()) for match in (re.search(r"\d{1,15}", text) for text in ids) if match]
    if len(set(numbers)) == len(set(ids)):
        return _rank(np.array(numbers))
    return _rank(np.array(ids, dtype=np.str_))


def _rank(values: NDArray[np.generic]) -> NDArray[np.int64]:
    return np.asarray(np.unique(values, return_inverse=True)[1], np.int64)


def _quantile(rank: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    order = np.argsort(np.argsort(rank, kind="stable"), kind="stable")
    return np.asarray(order * parts // max(len(rank), 1), np.int64)


def _beginnings(ids: Sequence[str]) -> NDArray[np.int64]:
    """The letters that an id begins with, the most frequent ones apart."""
    begin = np.array([re.match(r"[^\d]{0,8}", text).group() for text in ids], dtype=np.str_)  # type: ignore[union-attr]
    _, code, count = np.unique(begin, return_inverse=True, return_counts=True)
    order = np.argsort(np.argsort(-count, kind="stable"), kind="stable")
    return np.minimum(order[code], ID_BINS - 1)
