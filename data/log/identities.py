"""Other ids of a lead, each for a time: a cookie that became a contact, a lead that was merged into another.

In that time all events of the alias are the lead's, as if they had been received when it began, and the alias itself is
not there. Before it, and after it where it ends, they are the alias's own. A lead may be an alias of another: chains
are followed, at each time by what holds then.

Each part of the log has the periods that it adds or ends, in order of the alias's hash, mapped: only those are read
that are asked for. Whose events are is decided in data/judging/event_versions.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.histories import FAR
from data.log.content import lead_hash

FILE = "identities.arrow"
SCHEMA = pa.schema(
    [("hash", pa.uint64()), ("alias", pa.string()), ("owner", pa.uint64()), ("lead_id", pa.string()),
     ("valid_from", pa.int64()), ("valid_until", pa.int64())]
)  # fmt: skip
"""hash, owner: of alias and lead. valid_until: FAR where it is not over."""
NOBODY = 0
"""The owner, in place of a hash, of what was another lead's that is erased."""


class Period(NamedTuple):
    """An alias is a lead's from `valid_from` to before `valid_until`, µs UTC. owner: the lead's hash, or NOBODY."""

    alias: str
    owner: int
    lead_id: str
    valid_from: int
    valid_until: int

    def overlaps(self, other: Period) -> bool:
        """Whether there is a time in both."""
        return self.valid_from < other.valid_until and other.valid_from < self.valid_until


Periods = dict[int, list[Period]]
"""By the hash of the alias, in order of time."""


class Owners(NamedTuple):
    """Whose events those of aliases are, at each time; the compiled judgement reads it.

    alias: uint64[n], hashes, ascending. starts: int64[n + 1]; since, owner: int64[m], uint64[m]: from when on (µs UTC)
    they are whose, NOBODY for an erased one; before the first time they are the alias's own.
    """

    alias: NDArray[np.uint64]
    starts: NDArray[np.int64]
    since: NDArray[np.int64]
    owner: NDArray[np.uint64]


@dataclass(frozen=True)
class Identities:
    """The periods in parts of the log, mapped; more: further ones, which count in place of equal ones of the parts."""

    tables: Sequence[pa.Table] = ()
    more: Mapping[int, Sequence[Period]] = field(default_factory=dict)

    @staticmethod
    def open(folders: Sequence[Path]) -> Identities:
        """Those of parts of a log, the oldest first."""
        files = [folder / FILE for folder in folders if (folder / FILE).exists()]
        return Identities([table for table in map(_mapped, files) if len(table)])

    @property
    def is_empty(self) -> bool:
        """Whether there is no alias at all."""
        return not self.tables and not self.more

    def of(self, hashes: Iterable[int]) -> Periods:
        """Periods of aliases with these hashes, and of the leads that they lead to."""
        periods: Periods = {}
        asked = set(hashes)
        while asked and not self.is_empty:
            answer = self._stated(np.sort(np.fromiter(asked, np.uint64, len(asked))))
            periods |= answer
            asked = {period.owner for some in answer.values() for period in some} - periods.keys() - {NOBODY}
        return periods

    def _stated(self, hashes: NDArray[np.uint64]) -> Periods:
        by_start: dict[tuple[int, str, int], Period] = {}
        for alias, period in self._rows(hashes):
            by_start[alias, period.lead_id, period.valid_from] = period
        periods: Periods = {}
        for (alias, _, _), period in sorted(by_start.items(), key=lambda item: item[1].valid_from):
            periods.setdefault(alias, []).append(period)
        return periods

    def _rows(self, hashes: NDArray[np.uint64]) -> Iterator[tuple[int, Period]]:
        for table in self.tables:
            known = table.column("hash").chunk(0).to_numpy()
            begin, end = np.searchsorted(known, hashes, "left"), np.searchsorted(known, hashes, "right")
            spans = zip(begin[end > begin], end[end > begin], strict=True)
            places = [place for span in spans for place in range(*span)]
            for row in table.take(pa.array(places, pa.int64())).to_pylist():
                yield row.pop("hash"), Period(**row)
        for alias in set(hashes.tolist()) & self.more.keys():
            yield from ((alias, period) for period in self.more[alias])

    def names(self, hashes: Iterable[int]) -> dict[int, str]:
        """Ids by their hashes: of those of these leads that are aliases, and of all that they lead to."""
        names: dict[int, str] = {}
        for alias, periods in self.of(hashes).items():
            names |= {alias: periods[0].alias} | {period.owner: period.lead_id for period in periods}
        names.pop(NOBODY, None)
        return names

    def merged(self, at: int) -> NDArray[np.uint64]:
        """Hashes of all that are aliases at a time (µs UTC)."""
        hashes = {alias for table in self.tables for alias in table.column("hash").to_pylist()} | self.more.keys()
        periods = ((alias, period) for alias, some in self.of(hashes).items() for period in some)
        return np.array([alias for alias, p in periods if p.valid_from <= at < p.valid_until], np.uint64)

    def owners(self, hashes: NDArray[np.uint64]) -> Owners:
        """Whose the events of leads with these hashes are, for those that are aliases at some time."""
        periods = self.of(hashes.tolist())
        steps = {alias: _steps(alias, periods) for alias in sorted(set(hashes.tolist()) & periods.keys())}
        starts = np.cumsum([0, *map(len, steps.values())])
        flat = [step for some in steps.values() for step in some]
        since, owner = ([step[place] for step in flat] for place in (0, 1))
        return Owners(np.array([*steps], np.uint64), starts, np.array(since, np.int64), np.array(owner, np.uint64))


def _steps(alias: int, periods: Periods) -> list[tuple[int, int]]:
    """When the owner of an alias changes, and to whom."""
    reached, times = {alias}, set[int]()
    waiting = [alias]
    while waiting:
        for period in periods.get(waiting.pop(), ()):
            times |= {period.valid_from, period.valid_until}
            if period.owner not in reached:
                reached.add(period.owner)
                waiting.append(period.owner)
    steps = [(-FAR, alias)]
    for at in sorted(times - {FAR}):
        owner = owner_at(alias, at, periods)
        if owner != steps[-1][1]:
            steps.append((at, owner))
    return steps[1:]


def owner_at(alias: int, at: int, periods: Periods) -> int:
    """Whose events those of an alias are at a time (µs UTC), by hashes; its own where it is none then."""
    owner, moved = alias, True
    while moved:
        moved = False
        for period in periods.get(owner, ()):
            if period.valid_from <= at < period.valid_until:
                owner, moved = period.owner, True
                break
    return owner


def leads_back(lead: int, alias: int, span: Period, periods: Periods) -> bool:
    """Whether a lead is, at some time of `span`, the alias itself, directly or by way of others."""
    waiting = [(lead, span.valid_from, span.valid_until)]
    while waiting:
        owner, begin, end = waiting.pop()
        if owner == alias:
            return True
        for period in periods.get(owner, ()):
            first, last = max(begin, period.valid_from), min(end, period.valid_until)
            if first < last:
                waiting.append((period.owner, first, last))
    return False


def _mapped(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def _all(folders: Sequence[Path]) -> dict[tuple[str, str, int], Period]:
    """All periods of parts, as they are by the newest of them."""
    rows = {}
    for table in Identities.open(folders).tables:
        for row in table.drop_columns(["hash"]).to_pylist():
            rows[row["alias"], row["lead_id"], row["valid_from"]] = Period(**row)
    return rows


def write_identities(path: Path, folders: Sequence[Path], more: Sequence[Period]) -> None:
    """Writes the periods of parts, and more of them, as those of one part."""
    rows = _all(folders) | {(period.alias, period.lead_id, period.valid_from): period for period in more}
    hashed = sorted((int(lead_hash(period.alias)), *period) for period in rows.values())
    columns = [*zip(*hashed, strict=True)] or [()] * len(SCHEMA)
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, SCHEMA, strict=True)]
    _write(path, pa.table(arrays, schema=SCHEMA))


def _write(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
        writer.write_table(table.combine_chunks())


def ids_of(folders: Sequence[Path], lead_id: str) -> list[str]:
    """A lead and all ids that are its aliases and stay so; looks at all aliases of a log."""
    aliases: dict[str, list[str]] = {}
    for period in _all(folders).values():
        if period.valid_until == FAR:
            aliases.setdefault(period.lead_id, []).append(period.alias)
    theirs = [lead_id]
    for lead in theirs:
        theirs += aliases.get(lead, ())
    return theirs


def without_lead(folder: Path, lead_id: str, draft: Path) -> None:
    """Writes the file of a part without a lead, if it has it: what was the lead's for a time is then nobody's."""
    if not (folder / FILE).exists():
        return
    table = _mapped(folder / FILE)
    own, other = (pc.equal(table.column(name), lead_id) for name in ("alias", "lead_id"))
    if not pc.any(pc.or_(own, other)).as_py():
        return
    for name, nobody in (("lead_id", ""), ("owner", NOBODY)):
        column = pc.if_else(other, pa.scalar(nobody, SCHEMA.field(name).type), table.column(name))
        table = table.set_column(SCHEMA.get_field_index(name), name, column)
    _write(draft / FILE, table.filter(pc.invert(own)))
