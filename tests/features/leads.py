"""Leads for the tests of features: drawn so that ties and window edges happen all the time, and as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from data.contract import CONTEXT, US_PER_DAY
from data.histories import FAR, Absences, Histories, Profiles
from data.vocabulary import NAMING, Vocabulary
from features import kinds as of
from features.compiler import LOOKS
from features.kernel import Moments
from features.kinds.definition import Value
from tests.oracles.features_naive import Event, Lead, Version

DAY = US_PER_DAY
START = 19_000 * DAY
TYPES = ("page_view", "email_open", "email_sent", "order")
UNKNOWN = ("carrier_pigeon", "smoke_signal")
VOCABULARY = Vocabulary(TYPES, {"web": ("page_view", "order"), "contact": ("email_sent",), "answer": ("email_open",)})
CHANNELS = ("search", "social", "e-mail")
PROFILE_COLUMNS: dict[str, of.Kind] = {"industry": "category", "employees": "number"}

WINDOWS = (1, 7, 30)
CHOSEN: tuple[of.Definition, ...] = (
    *(kind("any", days) for kind in (of.Count, of.Sum, of.Mean, of.Max, of.ActiveDays) for days in (*WINDOWS, None)),
    *(kind("web", days) for kind in (of.Count, of.Sum, of.Mean, of.Max, of.Sessions) for days in (7, None)),
    *(kind("order", 7) for kind in (of.Count, of.Sum, of.Mean, of.Max, of.ActiveDays, of.Sessions)),
    *(of.Sessions("any", days) for days in (*WINDOWS, None)),
    *(of.DistinctTypes(days) for days in (*WINDOWS, None)),
    *(of.Recency(events) for events in ("any", "web", "email_open")),
    *(of.Decayed(events, days) for events in ("any", "web") for days in (1, 7)),
    *(of.Trend(events, 1, 7) for events in ("any", "page_view")),
    *(of.Cadence(events) for events in ("any", "email_sent")),
    *(kind(what, events) for kind in (of.FirstTouch, of.LastTouch) for what in ("event_type", "channel")
      for events in ("any", "web")),
    *(kind(events, 7) for kind in (of.Count, of.Sum, of.ActiveDays, of.Sessions) for events in NAMING),
    *(of.Recency(events) for events in NAMING),
    of.Decayed("any_campaign", 7),
    *(kind(what, events) for kind in (of.FirstTouch, of.LastTouch) for events, what in NAMING.items()),
    of.LastTouch("campaign", "web"),
    of.IgnoredInRow("any_campaign", "any_asset"),
    of.IgnoredInRow("contact", "answer"),
    of.IgnoredInRow("any", "order"),
    of.Age(),
    of.Profile("industry"),
    of.ProfileNumber("employees"),
)  # fmt: skip
"""Definitions over a group, one type and everything."""
FIELDS = {
    **{"events": "web", "contacts": "contact", "answers": "answer", "of": "channel", "column": "industry"},
    **{"days": 7, "half_life": 7, "short": 1, "long": 7},
}
"""What the fields of a kind are filled with that is not among the chosen ones."""


def sample(kind: type[of.Definition]) -> of.Definition:
    """A definition of a kind."""
    return kind(**{field.name: FIELDS[field.name] for field in fields(kind)})


CATALOGUE = (
    *CHOSEN,
    *(sample(kind) for kind in of.KINDS if kind not in {*LOOKS, *(type(feature) for feature in CHOSEN)}),
)
"""Every kind that looks at one lead: a new one is held against its plain definition without a line here."""


def times(days: int = 40) -> st.SearchStrategy[int]:
    """Instants on and just beside whole days and half hours, so that many are equal or a window apart."""
    nudges = st.sampled_from([0, 0, 0, 1, -1, 30 * 60_000_000, 30 * 60_000_000 + 1, DAY // 2])
    return st.builds(lambda day, nudge: START + day * DAY + nudge, st.integers(0, days), nudges)


DELAYS = st.sampled_from([0, 0, 0, 0, 1, DAY, 2 * DAY, 9 * DAY])
VALUES = st.one_of(st.none(), st.integers(-30, 30).map(lambda n: n / 10_000), st.sampled_from([-5e11, 5e11, 0.1, -0.3]))
EVENTS = st.builds(
    lambda at, delay, kind, channel, value, bot, *context: Event(
        at + delay, at, kind, channel, value, bot, FAR, 0, *context
    ),
    times(),
    DELAYS,
    st.sampled_from([*TYPES, *UNKNOWN]),
    st.one_of(st.none(), st.sampled_from(CHANNELS)),
    VALUES,
    st.sampled_from([False, False, False, True]),
    st.sampled_from([None, None, "spring", "autumn"]),
    st.sampled_from([None, None, None, "white paper"]),
)
REVISED = st.builds(
    lambda event, after: replace(event, superseded_at=FAR if after is None else event.known_at + after),
    EVENTS,
    st.one_of(st.none(), st.none(), st.sampled_from([-DAY, 0, 1, DAY, DAY, 7 * DAY])),
)
PROFILE_VALUES: st.SearchStrategy[dict[str, Value]] = st.fixed_dictionaries(
    {
        "industry": st.sampled_from(["retail", "software", None]),
        "employees": st.one_of(st.none(), st.integers(-5, 5_000).map(float)),
    }
)
VERSIONS = st.lists(
    st.builds(Version, times(), PROFILE_VALUES), max_size=3, unique_by=lambda version: version.valid_from
).map(lambda versions: sorted(versions, key=lambda version: version.valid_from))
LEADS = st.lists(st.tuples(st.lists(EVENTS, max_size=25), VERSIONS), min_size=1, max_size=4).map(
    lambda drawn: [Lead(f"L{i}", in_order(events), versions) for i, (events, versions) in enumerate(drawn)]
)
REVISED_LEADS = st.lists(st.tuples(st.lists(REVISED, max_size=25), VERSIONS), min_size=1, max_size=4).map(
    lambda drawn: [Lead(f"L{i}", in_order(events), versions) for i, (events, versions) in enumerate(drawn)]
)
"""Leads of whose events many prove wrong, some before they are known, some at one time."""
AS_OF = st.lists(times(60), min_size=1, max_size=6)
"""Moments of each lead; repeated ones happen."""


def in_order(events: Sequence[Event]) -> list[Event]:
    """Events in the log's total order (nulls first)."""
    return sorted(
        events,
        key=lambda event: (
            event.known_at,
            event.occurred_at,
            event.event_type,
            event.channel or "",
            event.value is not None,
            event.value or 0.0,
            event.bot,
            event.campaign or "",
            event.asset or "",
        ),
    )


def histories_of(leads: Sequence[Lead]) -> Histories:
    """The arrays that the event log would give for these leads."""
    events = [event for lead in leads for event in lead.events]
    versions = [version for lead in leads for version in lead.versions]
    types = sorted({event.event_type for event in events})
    channels = sorted({event.channel for event in events if event.channel is not None})
    columns = {name: [version.values.get(name) for version in versions] for name in PROFILE_COLUMNS}
    return Histories(
        lead_ids=pa.array([lead.lead_id for lead in leads], pa.string()),
        starts=_starts([len(lead.events) for lead in leads]),
        known_at=np.array([event.known_at for event in events], np.int64),
        occurred_at=np.array([event.occurred_at for event in events], np.int64),
        event_type=np.array([types.index(event.event_type) for event in events], np.int32),
        channel=np.array([-1 if e.channel is None else channels.index(e.channel) for e in events], np.int32),
        value=np.array([np.nan if event.value is None else event.value for event in events], np.float64),
        bot=np.array([event.bot for event in events], np.bool_),
        profiles=Profiles(
            _starts([len(lead.versions) for lead in leads]),
            np.array([version.valid_from for version in versions], np.int64),
            pa.table({"industry": pa.array(columns["industry"], pa.string()),
                      "employees": pa.array(columns["employees"], pa.float64())}),
            pa.chunked_array([pa.array([version.account for version in versions], pa.string())]),
        ),
        types=types,
        channels=channels,
        superseded_at=_superseded(events),
        absences=_absences(leads),
        **_context(events),
        deal=np.array([e.deal for e in events], np.uint64) if any(e.deal for e in events) else None,
    )  # fmt: skip


def _context(events: Sequence[Event]) -> dict[str, Any]:
    """Codes and names of campaigns and assets; None where no event names any."""
    arrays: dict[str, Any] = {}
    for name in CONTEXT:
        context = [getattr(event, name) for event in events]
        names = sorted({value for value in context if value is not None})
        codes = np.array([-1 if value is None else names.index(value) for value in context], np.int32)
        arrays |= {name: codes if names else None, f"{name}s": names}
    return arrays


def _superseded(events: Sequence[Event]) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    """None, as in a log without corrections, where no event is known to be wrong."""
    times = [event.superseded_at for event in events]
    return np.array(times, np.int64) if any(at < FAR for at in times) else None


def _absences(leads: Sequence[Lead]) -> Absences | None:
    """None where nobody is away."""
    spans = [(*span, span in lead.merged) for lead in leads for span in sorted(lead.absences)]
    if not spans:
        return None
    from_at, until, merged = zip(*spans, strict=True)
    starts = _starts([len(lead.absences) for lead in leads])
    return Absences(starts, np.array(from_at, np.int64), np.array(until, np.int64), np.array(merged, np.bool_))


def moments_of(leads: Sequence[Lead], as_of: Sequence[int]) -> Moments:
    """Every lead at each of these instants."""
    lead = np.repeat(np.arange(len(leads), dtype=np.int32), len(as_of))
    return Moments(lead, np.tile(np.array(sorted(as_of), np.int64), len(leads)))


def _starts(counts: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
