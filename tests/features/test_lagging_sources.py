"""Sources end at different times: nothing is concluded from the silence of one that has ended."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contract import UsageError
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.log.watermarks import Lag, Observed, Watermarks
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from features.training_set import TrainingSet
from workspace import Workspace, lags

DAY = 86_400_000_000


def observed(source: str, kind: str, last: int) -> Observed:
    return Observed(source, kind, 0, last * DAY)


def test_a_source_ends_with_what_was_last_known_of_it_or_where_it_is_said_to() -> None:
    marks = Watermarks().and_more(
        [observed("crm", "won", 5), observed("crm", "call", 7), observed("web", "view", 9)], {}
    )
    assert marks.by_source() == {"crm": 7 * DAY, "web": 9 * DAY}
    assert marks.by_source(("won",)) == {"crm": 7 * DAY}
    assert marks.lagging() == ()
    marks = marks.and_more([observed("web", "view", 10)], {})
    assert marks.lagging() == (Lag("crm", 7 * DAY),)
    assert marks.and_more([], {"crm": 10 * DAY}).lagging() == ()


@given(st.lists(st.lists(st.tuples(st.sampled_from("ba"), st.sampled_from("yx"), st.integers(0, 9)), max_size=4)))
def test_first_and_last_are_those_of_all_ingests_in_whatever_order(ingests: list[list[tuple[str, str, int]]]) -> None:
    """Each ingest says a source, a type and a time of one event."""
    marks = Watermarks()
    for rows in ingests:
        marks = marks.and_more([Observed(source, kind, at, at) for source, kind, at in rows], {})
    times: dict[tuple[str, str], list[int]] = {}
    for source, kind, at in [row for rows in ingests for row in rows]:
        times.setdefault((source, kind), []).append(at)
    assert marks.observed == tuple(Observed(*key, min(of), max(of)) for key, of in sorted(times.items()))


def test_an_end_that_was_stated_does_not_move_back() -> None:
    marks = Watermarks().and_more([observed("crm", "won", 5)], {"crm": 8 * DAY})
    assert marks.and_more([observed("crm", "won", 6)], {}).by_source() == {"crm": 8 * DAY}
    with pytest.raises(UsageError, match="source 'crm' was complete until a later time already"):
        marks.and_more([], {"crm": 7 * DAY})


def training_set(folder: Path, events: Path, leads: Path) -> tuple[EventLog, TrainingSet]:
    ingest(folder / "log", read_mapping("simulated"), [str(events)], [str(leads)], buckets=2)
    workspace = Workspace.open(folder, Path(__file__).parents[2] / "leadscore.toml")
    return workspace.event_log(), workspace.build()


def test_deals_that_are_not_exported_yet_are_no_lost_leads(tmp_path: Path) -> None:
    """Deals of 100 days beside visits of 160: the same labels as with both of 100 days."""
    simulate(tmp_path, FunnelOptions(leads=400, seed=3, days=160, broken=False, duplicates=False))
    with (tmp_path / "events.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    source, at = header.index("source"), header.index("occurred_at")
    received = header.index("received_at")
    cut = sorted(row[at] for row in rows)[len(rows) * 6 // 10]
    early = [row for row in rows if max(row[at], row[received]) < cut]
    crm = {row[source] for row in rows if row[header.index("event_type")] == "deal_won"}
    parts = {"lagging": [row for row in rows if row in early or row[source] not in crm], "cut": early}
    made = {}
    for name, some in parts.items():
        (tmp_path / name).mkdir()
        with (tmp_path / name / "events.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *some])
        made[name] = training_set(tmp_path / name, tmp_path / name / "events.csv", tmp_path / "leads.csv")
    columns = ["lead_id", "as_of", "label", "mature", "censored"]
    lagging, whole = (made[name][1].read(columns).to_pylist() for name in ("lagging", "cut"))
    end = max(row["as_of"] for row in lagging)
    assert lagging == [row for row in whole if row["as_of"] <= end]
    assert sum(row["label"] == 1 for row in lagging) >= 5
    named = [line.split(",")[0] for line in lags(made["lagging"][0])]
    assert {f"source {name!r} ends on {cut[:10]}" for name in crm} <= set(named)
    assert crm <= {lag.source for lag in made["lagging"][1].recipe.lags}
    assert not crm & {lag.source for lag in made["cut"][1].recipe.lags}
