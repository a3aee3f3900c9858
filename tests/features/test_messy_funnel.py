"""What a company's data does, all at once: the log knows at each moment what a perfect observer does, and no more."""

from __future__ import annotations

import collections
from dataclasses import replace
from pathlib import Path

import pytest

from data.contract import US_PER_DAY
from data.histories import FAR
from data.log.eventlog import EventLog
from data.simulated import merges, mistakes
from data.simulated.export_rows import LAG_DAYS
from data.simulated.exports import Exports, ingest_exports
from data.simulated.funnel import FILE_TYPES, RETURNS, START
from data.simulated.known import KnownHistories, known_of
from data.simulated.options import MESS, TOUCHED_UP
from data.simulated.rows import SOURCE_OF_TYPE
from data.simulated.simulate import FunnelOptions, draw, simulate
from features.labels import Target
from features.moments import MomentPolicy, label_moments
from tests.oracles.features_naive import Lead
from tests.oracles.known_leads import (
    Seen,
    known_events,
    known_profiles,
    leads_of,
    logged_events,
    logged_profiles,
)
from tests.oracles.moments_naive import looked_at, nothing_left

MESSY = FunnelOptions(leads=1_500, seed=7, days=360, export_days=56, **dict.fromkeys(MESS, True))
TARGET = Target(
    "conversion", ("deal_won",), ("deal_lost",),
    settle_days=14, undone_by=("deal_cancelled",), reopened_by=("deal_reopened",),
)  # fmt: skip
EVERY_WEEK = MomentPolicy(max_age_days=10_000, max_per_lead=10_000)
MOMENTS = [START + day * US_PER_DAY for day in (35, 56, 57, 112, 150, 224, 280, 336, 360, 500)]
"""Among them times of exports, and the first moment after one."""


Labelled = dict[str, list[tuple[int, int]]]
"""Lead -> moments and labels, -1 for unknown."""


@pytest.fixture(scope="module")
def exports() -> Exports:
    return draw(MESSY).exports


@pytest.fixture(scope="module")
def known(exports: Exports) -> KnownHistories:
    return known_of(exports)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> EventLog:
    folder = tmp_path_factory.mktemp("messy")
    made = simulate(folder / "funnel", MESSY)
    assert made.exports is not None
    reports = ingest_exports(made.exports, folder / "log", buckets=4)
    assert sum(report.events.rejected for report in reports) == made.broken
    assert not any(report.leads.rejected + report.identities.rejected for report in reports)
    return EventLog.open(folder / "log")


def test_every_mess_is_there(exports: Exports, known: KnownHistories) -> None:
    names = [FILE_TYPES[code] for code in exports.told.rows.code]
    assert min(names.count(name) for name in RETURNS) > 20
    assert exports.told.retracted.sum() > 20
    assert (known.events.superseded_at < FAR).sum() > 100
    assert len(exports.merges) > 40
    assert known.until < START + (MESSY.days - LAG_DAYS) * US_PER_DAY
    changes = collections.Counter(known.versions.column("lead").to_pylist())
    assert sum(count > 2 for count in changes.values()) > 100


def test_the_log_knows_when_sources_fell_silent(exports: Exports, log: EventLog) -> None:
    """Merges go on after that, and move events of theirs."""
    rows = exports.told.of(~exports.told.again & ~exports.told.retracted)
    newest: dict[str, int] = collections.defaultdict(int)
    for source, at in zip(SOURCE_OF_TYPE[rows.rows.code].tolist(), rows.rows.received_at.tolist(), strict=True):
        newest[source] = max(newest[source], START + at)
    assert log.watermarks.by_source() == newest
    assert {lag.source for lag in log.watermarks.lagging()} == {"crm", "social"}


@pytest.mark.parametrize("as_of", MOMENTS)
def test_the_log_holds_at_each_moment_what_an_observer_knows(known: KnownHistories, log: EventLog, as_of: int) -> None:
    buckets = [log.bucket(number) for number in range(log.n_buckets)]
    held = sum((logged_events(histories, as_of) for histories in buckets), start=Seen())
    expected = known_events(known, as_of)
    assert len(expected) > 1_000
    assert (held - expected, expected - held) == (Seen(), Seen())
    profiles = {name: row for histories in buckets for name, row in logged_profiles(histories, as_of).items()}
    assert profiles == known_profiles(known, as_of)


@pytest.mark.parametrize("trouble", TOUCHED_UP)
def test_each_mess_alone_is_known_as_well(tmp_path: Path, trouble: str) -> None:
    options = FunnelOptions(leads=150, seed=2, days=130, wholesale=False, export_days=45, **{trouble: True})
    made, known = simulate(tmp_path / "funnel", options), known_of(draw(options).exports)
    assert made.exports is not None
    ingest_exports(made.exports, tmp_path / "log", buckets=1)
    histories = EventLog.open(tmp_path / "log").bucket(0)
    for day in (46, 91, 131):
        as_of = START + day * US_PER_DAY
        assert logged_events(histories, as_of) == known_events(known, as_of)
        assert logged_profiles(histories, as_of) == known_profiles(known, as_of)


def test_what_is_merged_and_corrected_at_once_is_known_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly all leads have a second id and all events mistakes, so that merges and corrections meet in every order."""
    monkeypatch.setattr(merges, "MERGED", 0.9)
    monkeypatch.setattr(merges, "MERGED_DAYS", (20, 60))
    monkeypatch.setattr(mistakes, "CORRECTED_SHARE", 0.9)
    options = replace(MESSY, leads=250, days=250, wholesale=False, export_days=28)
    made = simulate(tmp_path / "funnel", options)
    assert made.exports is not None
    ingest_exports(made.exports, tmp_path / "log", buckets=1)
    known, histories = known_of(draw(options).exports), EventLog.open(tmp_path / "log").bucket(0)
    for day in (57, 100, 150, 250, 300):
        as_of = START + day * US_PER_DAY
        held, expected = logged_events(histories, as_of), known_events(known, as_of)
        assert (held - expected, expected - held) == (Seen(), Seen())


@pytest.mark.parametrize("at_once", [True, False], ids=["by the end", "by the last export"])
def test_labels_are_those_of_an_observer(known: KnownHistories, log: EventLog, at_once: bool) -> None:
    until = known.until + 1
    assert log.complete_until_us(TARGET.turning) + 1 == until
    known_until = until if at_once else log.known_until_us(TARGET.turning) + 1
    assert known_until >= until + (not at_once)
    expected = {lead.lead_id: moments_of(lead, until, known_until) for lead in leads_of(known, TARGET.turning)}
    labels = labelled(log, until, known_until)
    assert labels == {name: moments for name, moments in expected.items() if moments}
    assert sum(label == 1 for moments in labels.values() for _, label in moments) > 200


def moments_of(lead: Lead, until: int, known_until: int) -> list[tuple[int, int]]:
    """Every moment of a lead that there is something to learn from, by plain loops."""
    return [
        (moment.as_of, -1 if moment.label is None else moment.label)
        for moment in looked_at(lead, TARGET, EVERY_WEEK, until, known_until)
        if not nothing_left(lead, TARGET, moment.as_of, until, known_until)
    ]


def labelled(log: EventLog, until: int, known_until: int) -> Labelled:
    """The same, of all leads of a log."""
    labels: Labelled = {}
    for number in range(log.n_buckets):
        histories = log.bucket(number)
        rows, names = label_moments(histories, TARGET, EVERY_WEEK, until, known_until), histories.lead_ids.to_pylist()
        columns = rows.moments.lead.tolist(), rows.moments.as_of.tolist(), rows.labels.label.tolist()
        for lead, as_of, label in zip(*columns, strict=True):
            labels.setdefault(names[lead], []).append((as_of, label))
    return labels
