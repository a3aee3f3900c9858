"""A log that version 0.1 wrote: it is read as it is, appended to, corrected and erased from."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.log.removal import erase_from_log
from data.sources.mapping import read_mapping
from workspace import Workspace

WRITTEN = Path(__file__).parents[1] / "version_0_1" / "log"
EXPORT = ("lead_id", "event_type", "occurred_at", "channel", "value", "received_at", "source", "event_id")


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog.open(Path(shutil.copytree(WRITTEN, tmp_path / "log")))


def exported(log: EventLog, path: Path) -> list[str]:
    """All that the log holds, as the two files of an export."""
    names = ("lead_id", "event_type", "occurred_at", "channel", "value", "known_at", "source", "event_id")
    events, profiles = [], []
    for bucket in range(log.n_buckets):
        run = log.run(bucket)
        owner = run.leads.take(pa.array(np.repeat(np.arange(len(run.leads)), run.event_counts)))
        events.append(run.events.append_column("lead_id", owner).select(list(names)).rename_columns(list(EXPORT)))
        owner = run.leads.take(pa.array(np.repeat(np.arange(len(run.leads)), run.version_counts)))
        profiles.append(run.profiles.append_column("lead_id", owner))
    for name, tables in (("events", events), ("leads", profiles)):
        pq.write_table(pa.concat_tables(tables).unify_dictionaries(), path / f"{name}.parquet")
    return [str(path / "events.parquet"), str(path / "leads.parquet")]


def test_it_opens_as_a_base_without_deltas(log: EventLog) -> None:
    assert (log.number, log.n_events, log.n_leads, len(log.folders)) == (1, 1495, 25, 1)
    assert sum(log.bucket(number).n_events for number in range(2)) == 1495
    assert log.bucket(0).superseded_at is None
    assert any(log.bucket(number).bot.any() for number in range(2))


def test_what_it_holds_is_known_to_the_next_ingest_and_the_log_is_as_one_of_today(
    log: EventLog, tmp_path: Path
) -> None:
    """The same rows ingested anew, and the old log that is told of them once more, have the same digest."""
    events, leads = exported(log, tmp_path)
    plain = read_mapping("simulated").model_copy(update={"words": log.words})
    (states,) = plain.leads
    columns = {"flags": {}, "personal": (), "categories": (*states.categories, *states.flags)}
    mapping = plain.model_copy(update={"leads": (states.model_copy(update=columns),)})
    report = ingest(log.path, mapping, [events], [leads])
    assert (report.events.accepted, report.events.duplicate, report.leads.accepted) == (0, 1495, 0)
    after = EventLog.open(log.path)
    assert (after.n_events, after.n_leads, after.number) == (1495, 25, 2)
    ingest(tmp_path / "new", mapping, [events], [leads], buckets=2)
    fresh = EventLog.open(tmp_path / "new")
    assert (after.manifest.events, after.manifest.profiles) == (fresh.manifest.events, fresh.manifest.profiles)
    assert after.watermarks == fresh.watermarks
    for number in range(2):
        assert after.bucket(number).known_at.tolist() == fresh.bucket(number).known_at.tolist()


def test_a_lead_is_erased_before_any_ingest(log: EventLog) -> None:
    lead = log.bucket(0).lead_ids[0].as_py()
    assert erase_from_log(log.path, lead).rows > 1
    after = EventLog.open(log.path)
    assert after.n_leads == 24
    assert after.digest != log.digest
    assert lead not in [*after.bucket(0).lead_ids.to_pylist(), *after.bucket(1).lead_ids.to_pylist()]


def test_a_training_set_is_built_on_it(log: EventLog, tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path, Path(__file__).parents[2] / "leadscore.toml")
    assert workspace.build().moments > 50


def test_a_source_of_it_is_replaced_as_in_a_log_of_today(log: EventLog, tmp_path: Path) -> None:
    events, _ = exported(log, tmp_path)
    plain = read_mapping("simulated").model_copy(update={"words": log.words})
    sources = set(log.run(0).events.column("source").to_pylist()) | set(log.run(1).events.column("source").to_pylist())
    ingest(log.path, plain, [events], replacing=sources)
    ingest(tmp_path / "new", plain, [events], buckets=2)
    after, fresh = EventLog.open(log.path), EventLog.open(tmp_path / "new")
    assert (after.manifest.events, after.n_events, after.n_leads) == (fresh.manifest.events, 1495, 25)
    assert after.watermarks == fresh.watermarks
