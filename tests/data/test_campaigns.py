"""Events may name a campaign and an asset: in the log, beside parts that know of none, and on to store and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.contract import CONTEXT
from data.intake.ingest import ingest
from data.log.eventlog import ALL, EventLog
from data.sources.mapping import Mapping
from data.sources.tables import EventsPart
from serving.store.events.event_validation import EventIn, admit
from serving.store.events.log_export import ingest_store
from serving.store.store import Store

COLUMNS = ("lead_id", "event_type", "occurred_at", "event_id")
DAY = 86_400_000_000


def mapping(*context: str) -> Mapping:
    named = {name: name for name in (*COLUMNS, *context)}
    return Mapping(name="crm", event_types=("page_view", "form_submit"), events=EventsPart(**named))


def take_in(log: Path, folder: Path, rows: list[str], *context: str, as_of: int | None = None) -> EventLog:
    path = folder / "rows.csv"
    path.write_text("\n".join([",".join((*COLUMNS, *context)), *rows]) + "\n")
    ingest(log, mapping(*context), [str(path)], buckets=2, as_of=as_of)
    return EventLog.open(log)


def told(log: EventLog) -> dict[tuple[str, str | None, str | None], bool]:
    """Of all versions of events: id, campaign and asset, and whether it still holds."""
    versions = {}
    for bucket in range(log.n_buckets):
        for row in log.run(bucket, ALL).events.to_pylist():
            versions[row["event_id"], row.get("campaign"), row.get("asset")] = row.get("superseded_at") is None
    return versions


def test_a_log_without_them_takes_them_in_and_keeps_what_it_had(tmp_path: Path) -> None:
    log = tmp_path / "log"
    before = take_in(log, tmp_path, ["L1,page_view,2024-05-01T10:00:00Z,e1", "L2,page_view,2024-05-01T10:00:00Z,e2"])
    old = told(before)
    assert set(old) == {("e1", None, None), ("e2", None, None)}
    after = take_in(log, tmp_path, ["L1,form_submit,2024-05-02T10:00:00Z,e3,spring,guide"], *CONTEXT)
    whole = old | {("e3", "spring", "guide"): True}
    assert told(after) == whole
    again = take_in(log, tmp_path, ["L1,form_submit,2024-05-02T10:00:00Z,e3,spring,guide"], *CONTEXT)
    assert again.digest == after.digest, "the same row again adds nothing"
    later = take_in(log, tmp_path, ["L3,page_view,2024-05-03T10:00:00Z,e4"])
    assert told(later) == whole | {("e4", None, None): True}


def test_another_campaign_is_another_version(tmp_path: Path) -> None:
    log, row = tmp_path / "log", "L1,form_submit,2024-05-02T10:00:00Z,e1"
    take_in(log, tmp_path, [f"{row},spring,guide"], *CONTEXT)
    now = 1_720_000_000_000_000
    assert told(take_in(log, tmp_path, [f"{row},autumn,guide"], *CONTEXT, as_of=now)) == {
        ("e1", "spring", "guide"): False,
        ("e1", "autumn", "guide"): True,
    }


def test_a_campaign_that_is_no_name_costs_the_cell_and_not_the_row(tmp_path: Path) -> None:
    rows = [f"L1,page_view,2024-05-02T10:00:00Z,e1,{'x' * 201},guide", "L1,page_view,2024-05-02T11:00:00Z,e2,,"]
    assert set(told(take_in(tmp_path / "log", tmp_path, rows, *CONTEXT))) == {("e1", None, "guide"), ("e2", None, None)}


def test_the_store_and_a_file_derive_the_same_id(tmp_path: Path) -> None:
    at = 1_714_644_000_000_000
    sent = admit(EventIn("L1", "form_submit", at, campaign="spring", asset="guide"), at + 1)
    path = tmp_path / "rows.csv"
    path.write_text("lead_id,event_type,occurred_at,campaign,asset\nL1,form_submit,2024-05-02T10:00:00Z,spring,guide\n")
    named = {name: name for name in ("lead_id", "event_type", "occurred_at", *CONTEXT)}
    whole = Mapping(name="crm", event_types=("form_submit",), events=EventsPart(**named))
    ingest(tmp_path / "log", whole, [str(path)], buckets=2)
    assert [key for key, *_ in told(EventLog.open(tmp_path / "log"))] == [sent.event_id]
    assert admit(EventIn("L1", "form_submit", at), at + 1).body != sent.body


@pytest.mark.parametrize("way", ["published", "sent"])
def test_they_go_into_the_store_and_from_there_into_a_log(store: Store, tmp_path: Path, way: str) -> None:
    at = 1_714_644_000_000_000
    if way == "sent":
        store.events.add([EventIn("L1", "form_submit", at, event_id="e1", campaign="spring", asset="guide")], at + DAY)
        ingest_store(tmp_path / "sent", store.database)
        assert told(EventLog.open(tmp_path / "sent")) == {("e1", "spring", "guide"): True}
    else:
        log = take_in(tmp_path / "log", tmp_path, ["L1,form_submit,2024-05-02T10:00:00Z,e1,spring,guide"], *CONTEXT)
        store.publication.run(log, at + DAY)
        log = take_in(tmp_path / "log", tmp_path, ["L1,form_submit,2024-05-02T10:00:00Z,e1,autumn,guide"], *CONTEXT)
        assert [event.campaign for event in store.timeline.page("L1", ()).events] == ["spring"]
        store.publication.run(log, 2**51)
    (event,) = store.timeline.page("L1", ()).events
    assert (event.campaign, event.asset) == ("autumn" if way == "published" else "spring", "guide")
