"""Companies: leads by the account that they name, with what may be known of their colleagues; what the kernel reads.

An account that more than MOST leads have named is no company but a default (a mail provider, "unknown"): from then on
nothing is told of it, for the sake of sense and of the time that it takes to look around. So a lead has fewer than MOST
colleagues, in files and in a store alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.histories import FAR, Absences, Histories, Stretches
from data.visibility import is_visible

MOST = 500
"""Leads of a company at most."""


@dataclass(frozen=True)
class Members:
    """Which leads have named which account, in order of time, up to the first that is one too many.

    accounts: string[a]. starts: int64[a + 1], account i owns leads starts[i]:starts[i + 1]. leads: int32. ends:
    int64[a], µs UTC, from when on too many have named it, FAR for never.
    """

    accounts: pa.Array
    starts: NDArray[np.int64]
    leads: NDArray[np.int32]
    ends: NDArray[np.int64]


@dataclass(frozen=True)
class Companies:
    """Leads that name accounts. Events of bots are not among theirs.

    lead_ids: string[n]. starts, known_at, occurred_at, event_type, types, superseded_at: as in Histories, FAR: never.
    version_starts, valid_from: of profile versions. account: int32, each version's place in `accounts`, -1 for none.
    traits: by category column int32, the code of each version's value, -1 for none.
    absences: as in Histories, of all leads.
    """

    lead_ids: pa.Array
    starts: NDArray[np.int64]
    known_at: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    event_type: NDArray[np.int32]
    superseded_at: NDArray[np.int64]
    types: Sequence[str]
    version_starts: NDArray[np.int64]
    valid_from: NDArray[np.int64]
    account: NDArray[np.int32]
    accounts: Sequence[str]
    traits: dict[str, NDArray[np.int32]]
    absences: Absences

    def around(self, histories: Histories) -> Companies:
        """What there is to know of companies beside some histories: here, all."""
        return self

    def places_of(self, histories: Histories) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """int32 each, -1 for none: the account of each profile version of histories, and which lead each of them is."""
        named = histories.profiles.accounts
        if named is None or not len(self.lead_ids):
            return np.full(len(histories.profiles.valid_from), -1, np.int32), np.full(histories.n_leads, -1, np.int32)
        account = _places(named, self.members.accounts)
        wanted = np.unique(account[account >= 0])
        near = np.unique(self.members.leads[Stretches.of(self.members.starts, wanted).rows])
        at = _places(histories.lead_ids, self.lead_ids.take(pa.array(near)))
        return account, np.append(near, -1).astype(np.int32)[at]

    def beside(self, histories: Histories) -> Companies:
        """The part of it that histories need."""
        account, _ = self.places_of(histories)
        wanted = np.unique(account[account >= 0])
        return self.of(np.unique(self.members.leads[Stretches.of(self.members.starts, wanted).rows]))

    def known_before(self, as_of: int) -> Companies:
        """What of it was known before a moment (µs UTC), and nothing else; a first version holds at its creation."""
        first = np.zeros(len(self.valid_from), np.bool_)
        first[self.version_starts[:-1]] = True
        seen = is_visible(self.known_at, as_of)
        visible = is_visible(self.valid_from, as_of) | (first & (self.valid_from == as_of))
        gone = is_visible(self.absences.from_at, as_of)
        columns = {name: getattr(self, name)[seen] for name in ("known_at", "occurred_at", "event_type")}
        superseded = self.superseded_at[seen]
        return replace(
            self,
            **columns,
            starts=_starts_among(seen, self.starts),
            superseded_at=np.where(is_visible(superseded, as_of), superseded, FAR),
            version_starts=_starts_among(visible, self.version_starts),
            valid_from=self.valid_from[visible],
            account=self.account[visible],
            traits={name: codes[visible] for name, codes in self.traits.items()},
            absences=Absences(
                _starts_among(gone, self.absences.starts), self.absences.from_at[gone], self.absences.until[gone]
            ),
        )

    def without(self, lead_ids: Iterable[str]) -> Companies:
        """The same without some leads, as if they had never been there."""
        gone = pa.array([*lead_ids], pa.string())
        known = np.flatnonzero(pc.invert(pc.is_in(self.lead_ids, value_set=gone)).to_numpy(zero_copy_only=False))
        return self if len(known) == len(self.lead_ids) else self.of(known)

    def of(self, leads: NDArray[np.integer]) -> Companies:
        """Some of the leads, by their places."""
        events, versions = Stretches.of(self.starts, leads), Stretches.of(self.version_starts, leads)
        away = Stretches.of(self.absences.starts, leads)
        rows, version_rows = events.rows, versions.rows
        columns = {
            name: getattr(self, name)[rows] for name in ("known_at", "occurred_at", "event_type", "superseded_at")
        }
        return replace(
            self,
            lead_ids=self.lead_ids.take(pa.array(leads)),
            starts=events.starts,
            **columns,
            version_starts=versions.starts,
            valid_from=self.valid_from[version_rows],
            account=self.account[version_rows],
            traits={name: codes[version_rows] for name, codes in self.traits.items()},
            absences=Absences(away.starts, self.absences.from_at[away.rows], self.absences.until[away.rows]),
        )

    def of_accounts(self, accounts: Sequence[str]) -> Companies:
        """The same as if no other accounts had been named."""
        known = np.append(np.isin(np.array(self.accounts, object), np.array(accounts, object)), False)
        return replace(self, account=np.where(known[self.account], self.account, -1).astype(np.int32))

    @cached_property
    def members(self) -> Members:
        """Who has named which account, each lead once, when it first did."""
        lead = np.repeat(np.arange(len(self.lead_ids), dtype=np.int32), np.diff(self.version_starts))
        named = np.flatnonzero(self.account >= 0)
        order = named[np.lexsort((self.valid_from[named], lead[named], self.account[named]))]
        first = np.ones(len(order), np.bool_)
        first[1:] = (np.diff(lead[order]) != 0) | (np.diff(self.account[order]) != 0)
        order = order[first]
        order = order[np.lexsort((lead[order], self.valid_from[order], self.account[order]))]
        counts = np.bincount(self.account[order], minlength=len(self.accounts))
        starts = np.append(0, np.cumsum(counts)).astype(np.int64)
        large = np.flatnonzero(counts > MOST)
        ends = np.full(len(self.accounts), FAR)
        ends[large] = self.valid_from[order[starts[large] + MOST]]
        members = np.arange(len(order)) - np.repeat(starts[:-1], counts) <= MOST
        starts = np.append(0, np.cumsum(np.minimum(counts, MOST + 1))).astype(np.int64)
        return Members(pa.array(self.accounts, pa.string()), starts, lead[order[members]], ends)


class CompanySource(Protocol):
    """Tells what there is to know of companies."""

    def around(self, histories: Histories) -> Companies:
        """Companies that hold all leads which name an account that one of the histories names."""


def companies_of(parts: Iterable[Histories]) -> Companies:
    """The companies of histories whose leads differ; those that name no account are not among them.

    Holds 28 bytes for each event of the others, and 12 for each of their profile versions and category columns.
    """
    accounts, types, values = _Codes(), _Codes(), dict[str, _Codes]()
    slim = [slim for slim in (_slim(part, accounts, types, values) for part in parts) if slim is not None]
    return _joined(slim, accounts, types)


class _Codes(dict[str, int]):
    """Names by the order in which they come."""

    def of(self, names: Iterable[str | None]) -> NDArray[np.int32]:
        """int32: the code of each name, -1 for None."""
        return np.array([-1 if name is None else self.setdefault(name, len(self)) for name in names], np.int32)

    def of_column(self, column: pa.ChunkedArray) -> NDArray[np.int32]:
        """The same for many rows of few names."""
        coded = column.combine_chunks().cast(pa.string()).dictionary_encode()
        codes = np.append(self.of(coded.dictionary.to_pylist()), -1).astype(np.int32)
        return np.asarray(codes[np.from_dlpack(coded.indices.fill_null(-1))], np.int32)


def _slim(histories: Histories, accounts: _Codes, types: _Codes, values: dict[str, _Codes]) -> Companies | None:
    """The leads of histories that name an account, by codes that all parts share."""
    profiles = histories.profiles
    if profiles.accounts is None or profiles.accounts.null_count == len(profiles.accounts):
        return None
    account = accounts.of_column(profiles.accounts)
    owner = np.repeat(np.arange(histories.n_leads), np.diff(profiles.starts))
    leads = np.unique(owner[account >= 0])
    rows = Stretches.of(histories.starts, leads).rows
    rows = rows[~histories.bot[rows]]
    lead = np.repeat(np.arange(histories.n_leads), np.diff(histories.starts))[rows]
    versions = Stretches.of(profiles.starts, leads)
    superseded = histories.superseded_at
    code_of = np.append(types.of(histories.types), -1).astype(np.int32)
    absences = histories.absences or Absences(np.zeros(histories.n_leads + 1, np.int64), *np.zeros((2, 0), np.int64))
    away = Stretches.of(absences.starts, leads)
    return Companies(
        histories.lead_ids.take(pa.array(leads)),
        np.append(0, np.searchsorted(lead, leads, side="right")).astype(np.int64),
        histories.known_at[rows],
        histories.occurred_at[rows],
        code_of[histories.event_type[rows]],
        np.full(len(rows), FAR) if superseded is None else superseded[rows],
        [],
        versions.starts,
        profiles.valid_from[versions.rows],
        account[versions.rows],
        [],
        {
            name: values.setdefault(name, _Codes()).of_column(profiles.columns.column(name))[versions.rows]
            for name in _categories(profiles.columns)
        },
        Absences(away.starts, absences.from_at[away.rows], absences.until[away.rows]),
    )


def _categories(columns: pa.Table) -> Iterator[str]:
    numbers = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean)
    return (field.name for field in columns.schema if not any(is_such(field.type) for is_such in numbers))


def _joined(parts: Sequence[Companies], accounts: _Codes, types: _Codes) -> Companies:
    """All parts one after the other."""
    traits = dict.fromkeys(name for part in parts for name in part.traits)
    none = [np.full(len(part.valid_from), -1, np.int32) for part in parts]
    away = [part.absences for part in parts]
    return Companies(
        lead_ids=pa.concat_arrays([pa.nulls(0, pa.string()), *(part.lead_ids for part in parts)]),
        starts=_starts_of([part.starts for part in parts]),
        known_at=_all(np.int64, [part.known_at for part in parts]),
        occurred_at=_all(np.int64, [part.occurred_at for part in parts]),
        event_type=_all(np.int32, [part.event_type for part in parts]),
        superseded_at=_all(np.int64, [part.superseded_at for part in parts]),
        types=list(types),
        version_starts=_starts_of([part.version_starts for part in parts]),
        valid_from=_all(np.int64, [part.valid_from for part in parts]),
        account=_all(np.int32, [part.account for part in parts]),
        accounts=list(accounts),
        traits={
            name: _all(np.int32, [p.traits.get(name, n) for p, n in zip(parts, none, strict=True)]) for name in traits
        },
        absences=Absences(
            _starts_of([absence.starts for absence in away]),
            _all(np.int64, [absence.from_at for absence in away]),
            _all(np.int64, [absence.until for absence in away]),
        ),
    )


def _all(kind: Any, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *arrays])


def _starts_among(chosen: NDArray[np.bool_], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where rows begin when only some are kept."""
    return np.append(0, np.cumsum(chosen))[starts].astype(np.int64)


def _starts_of(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Where rows begin when parts are put one after the other."""
    counts = [np.diff(starts) for starts in parts]
    return np.append(0, np.cumsum(np.concatenate([np.empty(0, np.int64), *counts]))).astype(np.int64)


def _places(names: pa.Array | pa.ChunkedArray, known: pa.Array) -> NDArray[np.int32]:
    """int32: where names stand among those that are known, -1 for nowhere."""
    places = pc.index_in(names.cast(pa.string()), value_set=known, skip_nulls=True)
    places = places.combine_chunks() if isinstance(places, pa.ChunkedArray) else places
    return np.asarray(np.from_dlpack(places.fill_null(-1)), np.int32)  # `to_numpy` would load pandas


@cache
def no_companies() -> Companies:
    """Nothing is known of any company."""
    return companies_of([])
