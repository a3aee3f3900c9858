"""What services have sent is what is learned from: the store and the event log give the same features, bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from data.contract import DataError
from data.histories import Histories
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import Mapping, read_mapping
from data.times import FIRST
from features.catalogue import default_catalogue
from features.compiler import compile_plan
from features.kernel import Moments, compute
from features.plan import Plan
from serving.store.events.event_validation import EventIn
from serving.store.events.log_export import ingest_store
from serving.store.store import Store

NOW = 1_900_000_000_000_000


@pytest.fixture(scope="module")
def mapping() -> Mapping:
    return read_mapping("simulated")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory, mapping: Mapping) -> EventLog:
    """A simulated funnel with all its troubles, ingested from its files."""
    folder = tmp_path_factory.mktemp("funnel")
    simulate(folder, FunnelOptions(leads=80, seed=3, days=150))
    ingest(folder / "log", mapping, [str(folder / "events.csv")], [str(folder / "leads.csv")], buckets=4)
    return EventLog.open(folder / "log")


@pytest.fixture(scope="module")
def plan(log: EventLog) -> Plan:
    return compile_plan(
        default_catalogue(log.vocabulary, log.profile_columns, ("deal_won", "deal_lost")), log.vocabulary
    )


@dataclass(frozen=True)
class Life:
    """What a service would send of a lead (its events, its profile versions), and what the log knows of it."""

    lead_id: str
    events: list[EventIn]
    versions: list[tuple[int, str | None, dict[str, str | float | None]]]
    logged: Histories


@pytest.fixture(scope="module")
def lives(log: EventLog) -> list[Life]:
    collected = []
    for bucket in range(log.n_buckets):
        tables = (pq.read_table(log.file(kind, bucket)).to_pylist() for kind in ("leads", "events", "profiles"))
        leads, events, profiles = tables
        for place, lead in enumerate(leads):
            theirs = [
                EventIn(
                    lead["lead_id"], e["event_type"], e["occurred_at"].isoformat(), e["channel"], e["value"],
                    e["known_at"].isoformat(), e["source"], e["event_id"],
                )
                for e in events if e["lead"] == place
            ]  # fmt: skip
            versions = [
                (int(v["valid_from"].timestamp() * 1_000_000), v["account_id"], {c: v[c] for c in log.profile_columns})
                for v in profiles if v["lead"] == place
            ]  # fmt: skip
            collected.append(Life(lead["lead_id"], theirs, versions, log.bucket(bucket).of(np.array([place]))))
    return collected


def row(plan: Plan, histories: Histories, moment: Moments) -> str:
    """All features, to the last bit; NaN equals NaN."""
    return repr(compute(plan, histories, moment).to_pylist())


@pytest.fixture
def filled(store: Store, lives: list[Life]) -> Store:
    """A store to which all that is in the log was sent, the newest first."""
    everything = [event for life in lives for event in life.events][::-1]
    assert {result.status for result in store.events.add(everything, NOW)} == {"accepted"}
    for life in lives:
        for at, account_id, attributes in life.versions[::-1]:
            store.leads.put(life.lead_id, at, account_id, attributes, NOW)
    return store


def test_features_of_a_stored_lead_are_those_of_the_log(
    filled: Store, log: EventLog, lives: list[Life], plan: Plan
) -> None:
    """All leads at four or five moments each, moments of events among them."""
    bots = log.bots
    pairs = bots_seen = 0
    for life in lives:
        logged, last = life.logged, life.logged.n_events - 1
        times = logged.known_at[np.linspace(0, last, 3).astype(int)] if last >= 0 else np.empty(0, np.int64)
        for as_of in [*times.tolist(), *(times[-1:] + 1).tolist(), log.observed_until_us + 1]:
            stored = filled.histories.of([life.lead_id], as_of, log.profile_columns, bots)
            moment = Moments(np.zeros(1, np.int32), np.array([as_of]))
            assert row(plan, stored, moment) == row(plan, logged, moment)
            pairs += 1
        assert stored.bot.tolist() == logged.bot.tolist()
        bots_seen += int(stored.bot.sum())
    assert pairs > 250
    assert bots_seen > 10


def test_many_leads_at_once_are_the_same_leads_one_by_one(
    filled: Store, log: EventLog, lives: list[Life], plan: Plan
) -> None:
    bots = log.bots
    lead_ids = sorted([*(life.lead_id for life in lives[:50]), "nobody"])
    as_of = log.observed_until_us + 1
    together = filled.histories.of(lead_ids, as_of, log.profile_columns, bots)
    moments = Moments(np.arange(len(lead_ids), dtype=np.int32), np.full(len(lead_ids), as_of))
    rows = compute(plan, together, moments).to_pylist()
    for lead_id, expected in zip(lead_ids, rows, strict=True):
        alone = filled.histories.of([lead_id], as_of, log.profile_columns, bots)
        assert row(plan, alone, Moments(np.zeros(1, np.int32), np.array([as_of]))) == repr([expected])


def test_the_log_made_from_the_store_holds_the_same(
    filled: Store, log: EventLog, lives: list[Life], mapping: Mapping, plan: Plan, tmp_path: Path
) -> None:
    report = ingest_store(tmp_path / "log", filled.database, mapping, clock=lambda: NOW / 1_000_000)
    assert report.events.rejected == report.leads.rejected == 0
    assert report.events.accepted > 1000
    made = EventLog.open(tmp_path / "log")
    assert made.profile_columns == log.profile_columns
    moment = Moments(np.zeros(1, np.int32), np.array([log.observed_until_us + 1]))
    for life in lives[::4]:
        theirs, ours = made.find(life.lead_id), life.logged
        assert np.array_equal(theirs.known_at, ours.known_at)
        assert row(plan, theirs, moment) == row(plan, ours, moment)
    again = ingest_store(tmp_path / "log", filled.database, clock=lambda: NOW / 1_000_000)
    assert again.events.accepted == again.leads.accepted == 0
    assert EventLog.open(tmp_path / "log").digest == made.digest


def test_without_a_mapping_the_types_that_were_sent_are_the_vocabulary(store: Store, tmp_path: Path) -> None:
    store.events.add([EventIn("L1", kind, NOW - 9) for kind in ("visit", "call")], NOW)
    store.leads.put("L1", NOW - 9, "A", {"Plan": "gold", "size": 3, "mixed": 1}, NOW)
    store.leads.put("L2", "0001-01-01T00:00:00Z", None, {"mixed": "x"}, NOW, FIRST)
    ingest_store(tmp_path / "log", store.database, clock=lambda: NOW / 1_000_000)
    made = EventLog.open(tmp_path / "log")
    assert made.vocabulary.types == ("call", "visit")
    assert made.profile_columns == {"mixed": "category", "plan": "category", "size": "number"}
    assert made.find("L1").profiles.columns.to_pylist() == [{"mixed": "1.0", "size": 3.0, "plan": "gold"}]
    assert made.find("L2").profiles.valid_from.tolist() == [-62_135_596_800_000_000]
    stored = store.histories.of(["L1"], NOW, {"Plan": "category", "SIZE": "number", "mixed": "number"}, [])
    assert stored.profiles.columns.to_pylist() == [{"Plan": "gold", "SIZE": 3.0, "mixed": 1.0}]


def test_an_empty_store_is_told(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the store holds no events and no profiles yet"):
        ingest_store(tmp_path / "log", store.database)
    assert not (tmp_path / "log").exists()


def test_ties_are_in_the_logs_order_whatever_the_order_of_sending(store: Store) -> None:
    events = [
        EventIn("L1", kind, NOW - 9, channel, value, NOW - 5, source, event_id)
        for kind in ("b", "a", "é", "Z") for channel in (None, "web") for value in (None, -1.0, 2.0)
        for source in ("s", "S") for event_id in (f"{kind}{channel}{value}-1", f"{kind}{channel}{value}-10")
    ]  # fmt: skip
    store.events.add(events[::-1], NOW)
    history = store.histories.of(["L1"], NOW, {}, [])
    order = [
        (history.types[kind], None if channel < 0 else history.channels[channel], None if value != value else value)
        for kind, channel, value in zip(history.event_type, history.channel, history.value, strict=True)
    ]
    expected = sorted(
        ((event.event_type, event.channel, event.value) for event in events),
        key=lambda fields: (
            fields[0].encode(),
            fields[1] is not None,
            fields[1] or "",
            fields[2] is not None,
            fields[2] or 0,
        ),
    )
    assert order == expected
