"""When leads are not there: merged into another one, or gone from a full export; each part of the log has what it adds.

A table of (lead: uint64 hash of its id, at: int64 µs UTC, away: bool), in the order in which it became known.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.histories import FAR, Absences
from data.log.content import lead_hashes
from data.log.version_index import digest_of

FILE = "absences.parquet"
SCHEMA = pa.schema([("lead", pa.uint64()), ("at", pa.int64()), ("away", pa.bool_())])


def read_absences(folders: Sequence[Path]) -> pa.Table:
    """What all parts say; a part of version 0.1 says nothing."""
    tables = [pq.read_table(folder / FILE) for folder in folders if (folder / FILE).exists()]
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def absences_of(table: pa.Table, leads: pa.Array) -> Absences | None:
    """The times in which leads are away, None where all always are there."""
    if not len(table):
        return None
    hashes = lead_hashes(leads)
    order = np.argsort(hashes)
    asked = table.column("lead").to_numpy()
    place = np.minimum(np.searchsorted(hashes, asked, sorter=order), max(len(order) - 1, 0))
    mine = np.flatnonzero(hashes[order[place]] == asked) if len(order) else np.empty(0, np.int64)
    if not len(mine):
        return None
    lead, at = order[place[mine]], table.column("at").to_numpy()[mine]
    return _intervals(lead, at, table.column("away").to_numpy(zero_copy_only=False)[mine], len(leads))


def _intervals(lead: NDArray[np.int64], at: NDArray[np.int64], away: NDArray[np.bool_], n_leads: int) -> Absences:
    """From each time at which a lead goes to the next at which it is back."""
    order = np.lexsort([at, lead])
    lead, at, away = lead[order], at[order], away[order]
    repeats = np.concatenate([[False], (lead[1:] == lead[:-1]) & (away[1:] == away[:-1])])
    lead, at, away = lead[~repeats], at[~repeats], away[~repeats]
    begins = np.flatnonzero(away)
    following = np.minimum(begins + 1, len(lead) - 1)
    returns = (following > begins) & (lead[following] == lead[begins])
    until = np.where(returns, at[following], FAR)
    starts = np.searchsorted(lead[begins], np.arange(n_leads + 1))
    return Absences(starts.astype(np.int64), at[begins], until)


def gone_aliases(aliases: pa.Table) -> pa.Table:
    """Aliases are not there any more from the time on at which they are another lead."""
    n = len(aliases)
    columns = [lead_hashes(aliases.column("alias")), aliases.column("valid_from"), np.ones(n, np.bool_)]
    return pa.table(
        [pa.array(column) if isinstance(column, np.ndarray) else column for column in columns], schema=SCHEMA
    )


def absences_digest(table: pa.Table) -> int:
    """A sum over rows, see `version_index.digest_of`."""
    lead, at, away = (table.column(name).to_numpy() for name in SCHEMA.names)
    nothing = np.zeros(len(table), np.uint64)
    return digest_of(np.stack([lead, away.astype(np.uint64), nothing, nothing, at.view(np.uint64)]))


def changed(before: pa.Table, known: NDArray[np.uint64], present: NDArray[np.uint64], full_at: int | None) -> pa.Table:
    """What a state as exported says of who is there; nothing, where it need not be complete.

    known: hashes of the leads that such exports have told of; present: of those in this one. full_at: the time (µs UTC)
    of an export that has all leads; then known ones that are not present are away from that time on.
    """
    if full_at is None:
        return SCHEMA.empty_table()
    gone, at = _away(before), full_at
    missing = np.setdiff1d(np.setdiff1d(known, present), gone)
    back = np.intersect1d(present, gone)
    return pa.table(
        [np.concatenate([missing, back]), np.full(len(missing) + len(back), at, np.int64),
         np.repeat([True, False], [len(missing), len(back)])],
        schema=SCHEMA,
    )  # fmt: skip


def _away(table: pa.Table) -> NDArray[np.uint64]:
    """Leads that are away by the last word about them."""
    last = dict(zip(table.column("lead").to_pylist(), table.column("away").to_pylist(), strict=True))
    return np.array([lead for lead, is_away in last.items() if is_away], np.uint64)


def without_lead(folder: Path, lead: np.uint64, draft: Path) -> int:
    """Writes the file of a part without a lead, if it has that; returns what the digest loses."""
    table = read_absences([folder])
    theirs = table.column("lead").to_numpy() == lead
    if theirs.any():
        pq.write_table(table.filter(pa.array(~theirs)), draft / FILE)
    return absences_digest(table.filter(pa.array(theirs)))
