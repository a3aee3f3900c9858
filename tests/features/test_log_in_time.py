"""From exports to features and labels: corrections, retractions, moves, merges, states, in random batches.

Beside plain loops, with aliases that end and follow each other, and full exports in which leads are missing.

The log is written from CSV files and read again, in deltas or woven; the loops are written from the documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data.histories import FAR, Histories
from data.intake.ingest import ingest
from data.log.compaction import compact
from data.log.content import lead_hash
from data.log.eventlog import EventLog
from data.sources.mapping import EventsPart, IdentitiesPart, LeadsPart, Mapping
from data.vocabulary import Vocabulary
from features.compiler import compile_plan
from features.kernel import Moments, compute
from features.kinds import ActiveDays, Count, LastTouch, Profile, Recency, Sum
from features.labels import Target
from features.moments import MomentPolicy, label_moments
from tests.oracles.door_naive import Door
from tests.oracles.features_naive import Event, Lead, Version, View
from tests.oracles.identities_naive import People
from tests.oracles.moments_naive import looked_at, nothing_left

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
POLICY = MomentPolicy("ages", ages_days=(1, 3, 8, 20, 40, 70))
CATALOGUE = (
    Count("any", None), Count("page_view", 7), Sum("any", None), Recency("any"), ActiveDays("any", None),
    LastTouch("event_type", "any"), Profile("stage"),
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


ROWS = st.fixed_dictionaries(
    {
        "lead": st.sampled_from(["l1", "l1", "l2", "l2", "l3", "l4"]),
        "type": st.sampled_from(TYPES),
        "at": st.integers(0, 30).map(day),
        "received": st.one_of(st.just(""), st.just(""), st.integers(10, 50).map(day)),
        "value": st.sampled_from(["", "1", "2"]),
        "id": st.sampled_from([*"123456"]),
        "retracted": st.sampled_from(["", "", "", "true"]),
        "channel": st.just(""),
        "origin": st.just(""),
        "deal": st.sampled_from(["", "", "x", "y"]),
    }
)
STATES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["new", "old"]), max_size=3)
UNTIL = st.sampled_from([99, 99, 20, 35, 60])
ALIASES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(3, 50), UNTIL), max_size=3
)  # fmt: skip
BATCHES = st.lists(
    st.builds(
        Batch, st.lists(ROWS, min_size=1, max_size=8), STATES, st.one_of(st.just([]), ALIASES), st.integers(51, 80),
        st.booleans(),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


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


def rows_of(histories: Histories, place: int) -> list[tuple[object, ...]]:
    """Known, occurred, type, value, end and deal of a lead's events, but for those that never held."""
    ends = histories.superseded_at
    rows = range(histories.starts[place], histories.starts[place + 1])
    rows = [row for row in rows if ends is None or histories.known_at[row] < ends[row]]  # type: ignore[assignment]
    return [
        (
            int(histories.known_at[row]), int(histories.occurred_at[row]), histories.types[histories.event_type[row]],
            None if np.isnan(histories.value[row]) else float(histories.value[row]),
            FAR if ends is None else int(ends[row]), 0 if histories.deal is None else int(histories.deal[row]),
        )
        for row in rows
    ]  # fmt: skip


def is_same(value: object, expected: object) -> bool:
    """Numbers to a millionth, NaN equal to NaN, all else exactly."""
    return bool(value == (pytest.approx(expected, rel=1e-6, nan_ok=True) if isinstance(expected, float) else expected))


def check_lead(histories: Histories, place: int, lead: Lead) -> None:
    """Rows, labels and features of one lead."""
    assert sorted(rows_of(histories, place), key=repr) == sorted(
        ((e.known_at, e.occurred_at, e.event_type, e.value, e.superseded_at, e.deal) for e in lead.events), key=repr
    )
    until, alone = START + 95 * DAY, histories.of(np.array([place]))
    made = label_moments(alone, TARGET, POLICY, until)
    looked = [row for row in looked_at(lead, TARGET, POLICY, until) if not nothing_left(lead, TARGET, row.as_of, until)]
    labels = [None if label < 0 else int(label) for label in made.labels.label]
    assert list(zip(made.moments.as_of.tolist(), labels, strict=True)) == [(row.as_of, row.label) for row in looked]
    as_of = [START + number * DAY for number in (5, 15, 33, 52, 66, 90)]
    moments = Moments(np.zeros(len(as_of), np.int32), np.array(as_of, np.int64))
    vocabulary = Vocabulary(TYPES, {})
    table = compute(compile_plan(CATALOGUE, vocabulary), alone, moments)
    for at, row in zip(as_of, table.to_pylist(), strict=True):
        valid = [event for event in lead.events if event.known_at < at and not event.superseded_at < at]
        view = View(Lead(lead.lead_id, valid, lead.versions), at, vocabulary)
        for feature in CATALOGUE:
            assert is_same(row[feature.name], feature.by_definition(view)), feature.name


@pytest.mark.proof("histories")
def test_what_exports_say_at_any_time_is_what_plain_loops_make_of_them(
    full: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    seen = {"superseded": 0, "leads": 0, "parts": 0, "away": 0}

    @settings(
        max_examples=500 if full else 12,
        derandomize=not full,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(BATCHES)
    def check(batches: list[Batch]) -> None:
        folder = tmp_path_factory.mktemp("histories")
        naive = naive_leads(batches)
        leads = dict(naive)
        for number, batch in enumerate(batches):
            take_in(folder, number, batch)
        log = EventLog.open(folder / "log")
        seen["parts"] = max(seen["parts"], len(log.folders))
        for bucket in range(log.n_buckets):
            histories = log.bucket(bucket)
            for place, lead_id in enumerate(histories.lead_ids.to_pylist()):
                check_lead(histories, place, leads.pop(lead_id, Lead(lead_id, [], [])))
                seen["leads"] += 1
                seen["away"] += len(naive.get(lead_id, Lead(lead_id, [], [])).absences)
                seen["superseded"] += sum(row[-2] != FAR for row in rows_of(histories, place))
        assert not leads

    check()
    assert seen["superseded"] >= 5, seen
    assert seen["leads"] >= 5, seen
    assert seen["away"] >= 5, seen
