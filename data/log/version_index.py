"""Which versions of events and profiles the log knows: sorted runs of hashes, asked in proportion to the questions.

A run is a file of uint64[5, n]: the two halves of the key's hash, the hash of the content, the hash of the lead, and
when it was known (int64 µs UTC in the same bits); columns in order of the first. The key of an event is its source and
id, that of a profile version its lead. Hashes are halves of md5, which is the same in every version of every engine.
No file is read whole: it is mapped, searched in windows of sorted questions, and let go again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit

HIGH, LOW, CONTENT, LEAD, KNOWN = range(5)
WIDTH = 5
WINDOW = 4096
"""Questions that are answered before the pages of a file are let go."""
RANGE = 65_536
"""Records that are merged at once, about: keys are hashes, and spread evenly."""
Records = NDArray[np.uint64]
"""uint64[5, n]."""
Chosen = Callable[[Records], NDArray[np.bool_]]
"""Which records are meant: bool[n]."""


class Hits(NamedTuple):
    """What is known about keys that were asked for. question: int64[h], ascending; record: uint64[5, h]."""

    question: NDArray[np.int64]
    record: Records


def write_run(path: Path, records: Records) -> None:
    """Writes a run of its own; records may come in any order."""
    np.ascontiguousarray(records[:, np.argsort(records[HIGH], kind="stable")]).tofile(path)


def open_run(path: Path) -> Records:
    """A run as it lies on disk, mapped."""
    n = path.stat().st_size // (8 * WIDTH)
    if n == 0:
        return np.empty((WIDTH, 0), np.uint64)
    return np.memmap(path, np.uint64, "r", shape=(WIDTH, n))


def look_up(runs: Sequence[Path], high: NDArray[np.uint64], low: NDArray[np.uint64]) -> Hits:
    """All records of keys (uint64[m] each, ascending by `high`), of the oldest run first."""
    questions, records = [np.empty(0, np.int64)], [np.empty((WIDTH, 0), np.uint64)]
    for path in runs:
        for start in range(0, len(high), WINDOW):
            window = slice(start, start + WINDOW)
            question, record = _search(open_run(path), high[window], low[window])
            questions.append(question + start)
            records.append(record)
    question, record = np.concatenate(questions), np.concatenate(records, axis=1)
    order = np.argsort(question, kind="stable")
    return Hits(question[order], record[:, order])


def is_known(runs: Sequence[Path], high: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """bool[n]: whether any run has a key with this half; runs are mapped, and not read whole."""
    known = np.zeros(len(high), np.bool_)
    for path in runs:
        run = open_run(path)
        if run.shape[1]:
            known |= run[HIGH, np.minimum(np.searchsorted(run[HIGH], high), run.shape[1] - 1)] == high
    return known


def unknown(runs: Sequence[Path], hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Those of some hashes that no file of ascending uint64 holds."""
    for path in runs:
        if len(hashes) and path.stat().st_size:
            known = np.memmap(path, np.uint64, "r")
            place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
            hashes = hashes[known[place] != hashes]
    return hashes


def _search(run: Records, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> tuple[NDArray[np.int64], Records]:
    begin, end = np.searchsorted(run[HIGH], high, "left"), np.searchsorted(run[HIGH], high, "right")
    count = end - begin
    question = np.repeat(np.arange(len(high)), count)
    place = np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(count.sum())
    record = np.array(run[:, place])
    same = record[LOW] == low[question]
    return question[same], record[:, same]


def merge_runs(runs: Sequence[Path], out: Path, is_left_out: Chosen | None = None) -> int:
    """Writes many runs as one, range by range of keys, without those that are left out; returns the digest of these."""
    total = sum(open_run(path).shape[1] for path in runs)
    if is_left_out is not None:
        total -= sum(int(is_left_out(records).sum()) for records in _ranges(runs))
    done, digest = 0, 0
    with out.open("wb") as file:
        file.truncate(8 * WIDTH * total)
        for records in _ranges(runs):
            if is_left_out is not None:
                leaves = is_left_out(records)
                digest = added(digest, digest_of(records[:, leaves]))
                records = records[:, ~leaves]
            for row in range(WIDTH):
                file.seek(8 * (row * total + done))
                np.ascontiguousarray(records[row]).tofile(file)
            done += records.shape[1]
    return digest


def _ranges(runs: Sequence[Path]) -> Iterator[Records]:
    """The records of all runs in order of their keys, in as many ranges of keys as memory asks for."""
    parts = 1 + sum(open_run(path).shape[1] for path in runs) // RANGE
    bounds = np.array([(part << 64) // parts for part in range(parts)], np.uint64)
    edges = [[*np.searchsorted(run[HIGH], bounds).tolist(), run.shape[1]] for run in map(open_run, runs)]
    for part in range(parts):
        slices = [np.empty((WIDTH, 0), np.uint64)]
        for path, edge in zip(runs, edges, strict=True):
            if edge[part] < edge[part + 1]:
                slices.append(np.array(open_run(path)[:, edge[part] : edge[part + 1]]))
        records = np.concatenate(slices, axis=1)
        yield records[:, np.argsort(records[HIGH], kind="stable")]


def has_key_of(run: Path, records: Records) -> NDArray[np.bool_]:
    """bool[n]: which records have a key that a run has."""
    known = np.zeros(records.shape[1], np.bool_)
    known[look_up([run], records[HIGH], records[LOW]).question] = True
    return known


def digest_of(records: Records) -> int:
    """A sum over records, so that it is the same in whatever order and batches they came: 128 bits."""
    first, second = _sums(*(np.ascontiguousarray(row) for row in records))
    return int(first) << 64 | int(second)


def added(digest: int, more: int) -> int:
    """The digest of both."""
    mask = (1 << 64) - 1
    return ((digest >> 64) + (more >> 64) & mask) << 64 | ((digest + more) & mask)


def taken(digest: int, less: int) -> int:
    """The digest without those records."""
    mask = (1 << 64) - 1
    return ((digest >> 64) - (less >> 64) & mask) << 64 | ((digest - less) & mask)


def without(run: Records, lead: np.uint64) -> int:
    """The digest of a lead's records in a run, 0 where it has none."""
    theirs = np.flatnonzero(run[LEAD] == lead)
    return digest_of(np.array(run[:, theirs])) if len(theirs) else 0


@njit()
def _mixed(x):  # type: ignore[no-untyped-def]
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit()
def _sums(high, low, content, lead, known):  # type: ignore[no-untyped-def]
    first, second = np.uint64(0), np.uint64(0)
    for i in range(len(high)):
        x = _mixed(known[i] + _mixed(lead[i] + _mixed(content[i] + _mixed(low[i] + _mixed(high[i])))))
        first += x
        second += _mixed(x + np.uint64(0x9E3779B97F4A7C15))
    return first, second
