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
from data.log.watermarks import Lag, Observed, Unobserved, Watermarks
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from features.training_set import TrainingSet
from tests.data.exports import into, write_csv
from workspace import Workspace

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


def seen(first: int, last: int, source: str = "web", kind: str = "view") -> Observed:
    return Observed(source, kind, first * DAY, last * DAY)


CRM = seen(0, 100, "crm", "call")


@pytest.mark.parametrize(
    ("rows", "silences", "patience", "since"),
    [
        ([seen(0, 85)], {"web": DAY}, {}, 99),
        ([seen(0, 86)], {"web": DAY}, {}, None),
        ([seen(0, 40)], {"web": 30 * DAY}, {}, None),
        ([seen(0, 39)], {"web": 30 * DAY}, {}, 99),
        ([seen(0, 90)], {"web": DAY}, {"web": 3 * DAY}, 93),
        ([seen(0, 90)], {}, {"web": 3 * DAY}, 93),
        ([seen(0, 40)], {}, {}, None),
        ([seen(0, 40), seen(0, 95, "app")], {"web": DAY, "app": DAY}, {}, None),
        ([seen(0, 40), seen(0, 50, "app")], {"web": DAY, "app": DAY}, {}, 64),
    ],
    ids=["silent for a fortnight", "silent for less", "always rare", "rare, and gone for twice as long", "as stated",
         "stated in an old log", "an old log", "another source goes on", "both ended"],
)  # fmt: skip
def test_a_type_is_unobserved_when_its_sources_have_been_silent_for_much_longer_than_before(
    rows: list[Observed], silences: dict[str, int], patience: dict[str, int], since: int | None
) -> None:
    marks = Watermarks().and_more([CRM, *rows], {}, {"crm": DAY, **silences}, patience)
    assert marks.unobserved() == (() if since is None else (Unobserved("view", since * DAY),))


def test_silences_are_told_within_exports_and_between_them(tmp_path: Path) -> None:
    def line(day: int, hour: int, number: int) -> str:
        return f"l1,page_view,2024-01-{day:02d}T{hour:02d}:00:00Z,,web,,crm,{number}"

    days = [line(20, 6, 1), line(20, 12, 2), line(24, 12, 3)]
    into(tmp_path / "log", write_csv(tmp_path / "a.csv", days))
    assert EventLog.open(tmp_path / "log").watermarks.silences == {"crm": 4 * DAY}
    into(tmp_path / "log", write_csv(tmp_path / "b.csv", [line(14, 12, 4)]))
    assert EventLog.open(tmp_path / "log").watermarks.silences == {"crm": 5 * DAY + 18 * 3_600_000_000}


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
    named = [line.split(",")[0] for line in made["lagging"][0].watermarks.lags_in_words()]
    assert {f"source {name!r} ends on {cut[:10]}" for name in crm} <= set(named)
    assert crm <= {lag.source for lag in made["lagging"][1].recipe.lags}
    assert not crm & {lag.source for lag in made["cut"][1].recipe.lags}


def test_what_leads_do_on_a_web_site_that_is_not_exported_any_more_is_missing(tmp_path: Path) -> None:
    simulate(tmp_path, FunnelOptions(leads=300, seed=3, days=160, broken=False, duplicates=False))
    with (tmp_path / "events.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    source, at, kind = (header.index(name) for name in ("source", "occurred_at", "event_type"))
    web = {row[source] for row in rows if row[kind] == "page_view"}
    cut = sorted(row[at] for row in rows)[len(rows) // 2]
    with (tmp_path / "some.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *(row for row in rows if row[source] not in web or row[at] < cut)])
    log, made = training_set(tmp_path, tmp_path / "some.csv", tmp_path / "leads.csv")
    since = {row.event_type: row.since for row in log.watermarks.unobserved()}
    assert "page_view" in since
    assert "deal_won" not in since
    late = made.read(["as_of", "count_page_view_30d", "count_any_30d"]).to_pandas()
    is_late = late["as_of"].astype("int64") > since["page_view"]
    assert is_late.any()
    assert late["count_page_view_30d"].isna().equals(is_late)
    assert not late["count_any_30d"].isna().any()
