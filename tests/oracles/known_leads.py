"""What exports of a simulated funnel let one know, as leads for plain loops and as what holds at a moment.

Written from docs/mappings.md and docs/outcomes.md; looks at what was drawn, never at a log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from data.histories import FAR, Histories
from data.simulated.funnel import FILE_TYPES
from data.simulated.known import KnownHistories
from data.simulated.rows import CHANNELS
from tests.oracles.features_naive import Event, Lead, Version

Seen = Counter[tuple[Any, ...]]
"""Events that hold at a moment: lead, type, when it occurred, channel, value in ten-thousandths."""


def leads_of(known: KnownHistories, types: Sequence[str]) -> Iterator[Lead]:
    """Leads with their events of some types, and the others joined into one, which says since when a lead is known."""
    events, wanted = known.events, np.isin(known.events.code, [FILE_TYPES.index(name) for name in types])
    first = _first(events.lead, events.known_at, len(known.names))
    created = _first(
        known.versions.column("lead").to_numpy(), known.versions.column("valid_from").to_numpy(), len(first)
    )
    histories: dict[int, list[Event]] = {}
    columns = (events.lead, events.known_at, events.occurred_at, events.code, events.superseded_at)
    for lead, at, occurred, code, until in zip(*(column[wanted].tolist() for column in columns), strict=True):
        histories.setdefault(lead, []).append(Event(at, occurred, FILE_TYPES[code], superseded_at=until))
    for lead, name in enumerate(known.names.tolist()):
        begin = [Event(int(first[lead]), int(first[lead]), "anything")] if first[lead] < FAR else []
        profile = [Version(int(created[lead]), {})] if created[lead] < FAR else []
        gone = [(int(known.away_from[lead]), FAR)] if known.away_from[lead] < FAR else []
        yield Lead(name, begin + histories.get(lead, []), profile, gone, gone)


def _first(lead: np.ndarray[Any, Any], at: np.ndarray[Any, Any], n: int) -> np.ndarray[Any, Any]:
    first = np.full(n, FAR)
    np.minimum.at(first, lead, at)
    return first


def known_events(known: KnownHistories, as_of: int) -> Seen:
    """Events of leads that are there at a moment, by what is known."""
    events = known.events.of(known.events.valid(as_of) & (as_of <= known.away_from[known.events.lead]))
    channels = np.array([*CHANNELS])[events.channel].tolist()
    types = np.array(FILE_TYPES)[events.code].tolist()
    names = known.names[events.lead].tolist()
    return Counter(zip(names, types, events.occurred_at.tolist(), channels, _amounts(events.value), strict=True))


def logged_events(histories: Histories, as_of: int) -> Seen:
    """The same, by the histories of a log."""
    until = np.full(histories.n_events, FAR) if histories.superseded_at is None else histories.superseded_at
    lead = np.repeat(np.arange(histories.n_leads), np.diff(histories.starts))
    valid = (histories.known_at < as_of) & (as_of <= until) & ~_away(histories, as_of)[lead]
    names = np.array(histories.lead_ids.to_pylist())[lead[valid]].tolist()
    types = [histories.types[code] for code in histories.event_type[valid].tolist()]
    channels = [histories.channels[code] if code >= 0 else "" for code in histories.channel[valid].tolist()]
    return Counter(zip(names, types, histories.occurred_at[valid].tolist(), channels,
                       _amounts(histories.value[valid]), strict=True))  # fmt: skip


def _away(histories: Histories, as_of: int) -> np.ndarray[Any, Any]:
    away, absences = np.zeros(histories.n_leads, np.bool_), histories.absences
    if absences is not None:
        lead = np.repeat(np.arange(histories.n_leads), np.diff(absences.starts))
        away[lead[(absences.from_at < as_of) & (as_of <= absences.until)]] = True
    return away


def _amounts(value: np.ndarray[Any, Any]) -> list[int | None]:
    """Amounts as whole ten-thousandths, so that they compare."""
    return [None if np.isnan(amount) else round(amount * 10_000) for amount in value.tolist()]


def known_profiles(known: KnownHistories, as_of: int) -> dict[str, dict[str, Any]]:
    """The newest profile version of each lead that is there at a moment, by what is known."""
    newest = {}
    versions = sorted(known.versions.to_pylist(), key=lambda version: version["valid_from"])
    for version in versions:
        lead, valid_from = version["lead"], version["valid_from"]
        if valid_from < as_of <= known.away_from[lead]:
            newest[str(known.names[lead])] = {k: v for k, v in version.items() if k not in ("lead", "valid_from")}
    return newest


def logged_profiles(histories: Histories, as_of: int) -> dict[str, dict[str, Any]]:
    """The same, by the histories of a log."""
    profiles, away = histories.profiles, _away(histories, as_of)
    rows, names = profiles.columns.to_pylist(), histories.lead_ids.to_pylist()
    lead = np.repeat(np.arange(histories.n_leads), np.diff(profiles.starts)).tolist()
    newest = {}
    for place, valid_from, row in zip(lead, profiles.valid_from.tolist(), rows, strict=True):
        if valid_from < as_of and not away[place]:
            newest[names[place]] = row
    return newest
