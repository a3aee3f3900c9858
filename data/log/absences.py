"""When leads are not there: merged into another one, or gone from a full export; each part of the log has what it adds.

A table of (lead: uint64 hash of its id, at: int64 µs UTC, away: bool, merged: bool), of one bucket after the other and
in these in the order in which it became known. Merges and deletions are told apart: what ends the one does not end the
other. A bucket is a slice of it that is mapped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.histories import FAR, Absences
from data.log.content import lead_hash, lead_hashes
from data.log.identities import Period
from data.log.version_index import digest_of

FILE = "absences.arrow"
SCHEMA = pa.schema([("lead", pa.uint64()), ("at", pa.int64()), ("away", pa.bool_()), ("merged", pa.bool_())])
BOUNDS = b"bounds"


def read_absences(folders: Sequence[Path], bucket: int | None = None) -> pa.Table:
    """What all parts say, of a bucket or of all; a part of version 0.1 says nothing."""
    tables = [_mapped(folder / FILE, bucket) for folder in folders if (folder / FILE).exists()]
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def _mapped(path: Path, bucket: int | None) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
    begin, end = (0, len(table)) if bucket is None else json.loads(table.schema.metadata[BOUNDS])[bucket : bucket + 2]
    return table.slice(begin, end - begin).replace_schema_metadata(None)


def write_absences(path: Path, folders: Sequence[Path], more: pa.Table, n_buckets: int) -> None:
    """Writes what parts say, and more of it, as what one part says."""
    table = pa.concat_tables([read_absences(folders), more])
    bucket = table.column("lead").to_numpy() % np.uint64(n_buckets)
    order = np.argsort(bucket, kind="stable")
    bounds = np.searchsorted(bucket[order], np.arange(n_buckets + 1)).tolist()
    schema = SCHEMA.with_metadata({BOUNDS: json.dumps(bounds).encode()})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_table(table.take(pa.array(order)).combine_chunks().replace_schema_metadata(schema.metadata))


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
    at, away, merged = (table.column(name).to_numpy(zero_copy_only=False)[mine] for name in SCHEMA.names[1:])
    return _intervals(order[place[mine]], at, away, merged, len(leads))


def _intervals(
    lead: NDArray[np.int64], at: NDArray[np.int64], away: NDArray[np.bool_], merged: NDArray[np.bool_], n_leads: int
) -> Absences:
    """From each time at which a lead goes to the next at which it is back, merged and deleted each on its own."""
    # At one time an alias goes to its next lead after it left the last; of exports the one that came last decides.
    order = np.lexsort([away & merged, at, merged, lead])
    lead, at, away, merged = lead[order], at[order], away[order], merged[order]
    same = (lead[1:] == lead[:-1]) & (merged[1:] == merged[:-1])
    fresh = np.concatenate([[True], ~(same & (away[1:] == away[:-1]))])
    lead, at, away, merged = lead[fresh], at[fresh], away[fresh], merged[fresh]
    begins = np.flatnonzero(away)
    following = np.minimum(begins + 1, len(lead) - 1)
    returns = (following > begins) & (lead[following] == lead[begins]) & (merged[following] == merged[begins])
    until = np.where(returns, at[following], FAR)
    by_time = np.lexsort([at[begins], lead[begins]])
    begins, until = begins[by_time], until[by_time]
    starts = np.searchsorted(lead[begins], np.arange(n_leads + 1))
    return Absences(starts.astype(np.int64), at[begins], until, merged[begins])


def absences_of_aliases(periods: Sequence[Period]) -> pa.Table:
    """Aliases are not there while they are another lead."""
    begins = [(lead_hash(period.alias), period.valid_from, True, True) for period in periods]
    ends = [
        (lead_hash(period.alias), period.valid_until, False, True) for period in periods if period.valid_until < FAR
    ]
    columns = list(zip(*begins, *ends, strict=True)) or [()] * len(SCHEMA)
    return pa.table([pa.array(column, kind.type) for column, kind in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def absences_digest(table: pa.Table) -> int:
    """A sum over rows, see `version_index.digest_of`."""
    lead, at, away, merged = (table.column(name).to_numpy() for name in SCHEMA.names)
    nothing = np.zeros(len(table), np.uint64)
    return digest_of(np.stack([lead, away.astype(np.uint64), merged.astype(np.uint64), nothing, at.view(np.uint64)]))


def changed(before: pa.Table, known: NDArray[np.uint64], present: NDArray[np.uint64], at: int) -> pa.Table:
    """What a full export at a time (µs UTC) says of who is there.

    known: hashes of the leads that such exports have told of, present: of those in this one. Known ones that are not
    present are away from then on.
    """
    gone = _gone(before)
    missing = np.setdiff1d(np.setdiff1d(known, present), gone)
    back = np.intersect1d(present, gone)
    n = len(missing) + len(back)
    away, merged = np.repeat([True, False], [len(missing), len(back)]), np.zeros(n, np.bool_)
    return pa.table([np.concatenate([missing, back]), np.full(n, at, np.int64), away, merged], schema=SCHEMA)


def _gone(table: pa.Table) -> NDArray[np.uint64]:
    """Leads that are deleted by the last word about them."""
    table = table.filter(pc.invert(table.column("merged")))
    last = dict(zip(table.column("lead").to_pylist(), table.column("away").to_pylist(), strict=True))
    return np.array([lead for lead, is_away in last.items() if is_away], np.uint64)


def without_lead(folder: Path, lead: np.uint64, draft: Path, n_buckets: int) -> int:
    """Writes the file of a part without a lead, if it has that; returns what the digest loses."""
    table = read_absences([folder])
    theirs = table.column("lead").to_numpy() == lead
    if theirs.any():
        write_absences(draft / FILE, [], table.filter(pa.array(~theirs)), n_buckets)
    return absences_digest(table.filter(pa.array(theirs)))
