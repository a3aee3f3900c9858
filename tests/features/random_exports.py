"""Random exports: what is corrected, taken back, moved, merged, told as a state, in any order and in any batches.

`take_in` brings them into a log from CSV files; `naive_leads` is what the documentation makes of them, by plain loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from data.histories import FAR
from data.intake.ingest import ingest
from data.log.compaction import compact
from data.log.content import lead_hash
from data.sources.mapping import EventsPart, IdentitiesPart, LeadsPart, Mapping
from features.labels import Target
from tests.oracles.door_naive import Door
from tests.oracles.features_naive import Event, Lead, Version
from tests.oracles.identities_naive import People

DAY = 86_400_000_000
START = 19_000 * DAY
TYPES = ("page_view", "deal_won", "deal_lost", "deal_cancelled", "deal_reopened")
MAPPING = Mapping(
    name="random",
    event_types=TYPES,
    events=EventsPart(
        lead_id="lead", event_type="type", occurred_at="at", received_at="received", value="value", event_id="id",
        retracted="retracted", deal_id="deal",
    ),
    leads=LeadsPart(lead_id="lead", snapshot=True, categories=("stage",), missing="deleted"),
    identities=IdentitiesPart(alias="alias", lead_id="lead", valid_from="since", valid_until="until"),
)  # fmt: skip
NAMES = ("l1", "l2", "l3", "l4")
TARGET = Target(
    "conversion", ("deal_won",), ("deal_lost",), undone_by=("deal_cancelled",), reopened_by=("deal_reopened",),
    horizon_days=10, settle_days=2,
)  # fmt: skip


def day(number: float) -> str:
    """A day of the test as it is written."""
    return str(np.datetime64(START + round(number * DAY), "us")) + "Z"


@dataclass(frozen=True)
class Batch:
    """An export: rows of events, the state of leads, aliases, and when it was made.

    aliases: alias, lead, and days from which and until which, 99 for one that lasts.
    """

    rows: Sequence[dict[str, str]]
    states: dict[str, str]
    aliases: Sequence[tuple[str, str, int, int]]
    made_on: int
    weaves: bool


def rows_of_events(received: st.SearchStrategy[str]) -> st.SearchStrategy[list[dict[str, str]]]:
    """Rows of events that became known at these days, or when they happened."""
    row = {
        "lead": st.sampled_from(["l1", "l1", "l2", "l2", "l3", "l4"]),
        "type": st.sampled_from(TYPES),
        "at": st.integers(0, 30).map(day),
        "received": received,
        "value": st.sampled_from(["", "1", "2"]),
        "id": st.sampled_from([*"123456"]),
        "retracted": st.sampled_from(["", "", "", "true"]),
        "channel": st.just(""),
        "origin": st.just(""),
        "deal": st.sampled_from(["", "", "x", "y"]),
    }
    return st.lists(st.fixed_dictionaries(row), min_size=1, max_size=8)


def aliases_from(first: int, last: int, until: Sequence[int]) -> st.SearchStrategy[list[tuple[str, str, int, int]]]:
    """Aliases that begin from day `first` to day `last`, and end on one of these days, 99 for never."""
    names = st.sampled_from(NAMES)
    return st.lists(st.tuples(names, names, st.integers(first, last), st.sampled_from(until)), max_size=3)


STATES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["new", "old"]), max_size=3)
RECEIVED = st.one_of(st.just(""), st.just(""), st.integers(10, 50).map(day))
NO_ALIASES: st.SearchStrategy[list[tuple[str, str, int, int]]] = st.just([])
ALIASES = st.one_of(NO_ALIASES, aliases_from(3, 50, (99, 99, 20, 35, 60)))
BATCHES = st.lists(
    st.builds(Batch, rows_of_events(RECEIVED), STATES, ALIASES, st.integers(51, 80), st.booleans()),
    min_size=1, max_size=4,
)  # fmt: skip
LATER_FROM = 55
LATER = st.builds(
    Batch, rows_of_events(st.integers(LATER_FROM, 85).map(day)), STATES, aliases_from(LATER_FROM, 80, (99, 90)),
    st.integers(LATER_FROM, 90), st.booleans(),
)  # fmt: skip
"""An export of which nothing was known before the day `LATER_FROM`."""


def take_in(folder: Path, number: int, batch: Batch) -> None:
    """Ingests an export, and weaves the log where the batch says so."""
    names = ("lead", "type", "at", "received", "value", "id", "retracted", "deal")
    events, leads = folder / f"{number}.csv", folder / f"{number}-leads.csv"
    events.write_text("\n".join([",".join(names), *(",".join(row[name] for name in names) for row in batch.rows)]))
    leads.write_text("\n".join(["lead,stage", *(f"{lead},{stage}" for lead, stage in batch.states.items())]))
    aliases = folder / f"{number}-aliases.csv"
    rows = (
        f"{alias},{lead},{day(since)},{'' if until == 99 else day(until)}"
        for alias, lead, since, until in batch.aliases
    )
    aliases.write_text("\n".join(["alias,lead,since,until", *rows]))
    made_on = START + batch.made_on * DAY
    ingest(
        folder / "log", MAPPING, [str(events)], [str(leads)] if batch.states else [],
        [str(aliases)] if batch.aliases else [],
        as_of=made_on, clock=lambda: (START + 100 * DAY) / 1e6, buckets=2,
    )  # fmt: skip
    if batch.weaves:
        compact(folder / "log")


def naive_leads(batches: Sequence[Batch]) -> dict[str, Lead]:
    """What the documentation makes of the batches."""
    door, states, people = Door(0, "UTC", is_dated=True), dict[str, list[Version]](), People()
    for number, batch in enumerate(batches):
        door.batch, door.now_us = number, START + batch.made_on * DAY
        for place, row in enumerate(batch.rows):
            door.take("", place, row)
        for alias, lead, since, until in sorted(batch.aliases, key=lambda row: row[2]):
            people.take(alias, lead, START + since * DAY, FAR if until == 99 else START + until * DAY)
        if batch.states:
            people.export_all(batch.states, states, door.now_us)
        for lead, stage in batch.states.items():
            versions = states.setdefault(lead, [])
            before = [version for version in versions if version.valid_from < door.now_us]
            if any(version.valid_from == door.now_us for version in versions):
                continue
            if not before or max(before, key=lambda version: version.valid_from).values["stage"] != stage:
                versions.append(Version(door.now_us, {"stage": stage}))
    events = naive_events(door, people)
    return {
        lead: Lead(
            lead,
            sorted(events.get(lead, []), key=lambda e: (e.known_at, e.occurred_at, e.event_type, e.value or -1)),
            sorted(states.get(lead, []), key=lambda version: version.valid_from),
            [*people.deletions.get(lead, []), *people.merged(lead)],
            people.merged(lead),
        )
        for lead in sorted({*events, *states})
    }


def naive_events(door: Door, people: People) -> dict[str, list[Event]]:
    """What was said of events, in the histories of those who have them."""
    events = dict[str, list[Event]]()
    for lead, kind, occurred, known, end, channel, value, deal, _ in door.events:
        number = int(lead_hash(str(deal))) if deal else 0
        for owner, since, until in people.held(str(lead), known, FAR if end is None else end):  # type: ignore[arg-type]
            event = Event(since, occurred, str(kind), channel, value, False, until, number)  # type: ignore[arg-type]
            events.setdefault(owner, []).append(event)
    return events
