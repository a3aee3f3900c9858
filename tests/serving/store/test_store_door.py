"""The door of the store and the door of an ingest from files are one: same ids, same values, same refusals."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from data.contract import VALUE_LIMIT
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.sources.mapping import EventsPart, Mapping
from data.times import FIRST
from serving.store.events.event_validation import EventIn, InvalidInput, admit, as_text, from_text

NOW = 1_700_000_000_000_000
names = st.text(st.characters(codec="utf-8", exclude_characters='"\x00'), min_size=0, max_size=12)
values = st.one_of(st.none(), st.floats(-VALUE_LIMIT, VALUE_LIMIT), st.integers(-(10**6), 10**6).map(lambda n: n / 7))
TIMES = ("2023-01-01T00:00:00.123456Z", "0001-01-01T00:00:00Z", "2023-10-29T02:30:00+01:00", "2023-01-01T00:00:00")
anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.integers()),
    st.just("\ud800"), st.just(10**5000),
)  # fmt: skip


def test_ids_and_values_are_those_of_an_ingest(tmp_path: Path) -> None:
    """Rows of all kinds go through both doors: the same are let in, under the same id, with the same value.

    But for a value beyond the limit: in a file it costs the cell, and leaves a copy of the row without a value.
    """
    sent = [
        EventIn(lead, kind, at, channel, value)
        for lead in ("L1", " L2 ", "L\t3", "é€😀", "", "x" * 201, "a'b")
        for kind in ("visit", "a b")
        for at in (
            "2023-01-01T00:00:00.123456Z",
            "0001-01-01T00:00:00Z",
            "2023-10-29T02:30:00+01:00",
            "2023-01-01T00:00:00",
        )
        for channel in (None, "web")
        for value in (None, 0.0, 1.0, 1.23455, 0.00005, 2.5e-5, -1e-9, 123456789012.34567, 4.9999e11, 6e11, 1 / 3)
    ]
    path = tmp_path / "events.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["l", "k", "t", "c", "v"])
        writer.writerows(
            [e.lead_id, e.event_type, e.occurred_at, e.channel, repr(e.value) if e.value is not None else ""]
            for e in sent
        )
    part = EventsPart(lead_id="l", event_type="k", occurred_at="t", channel="c", value="v", earliest="0001-01-01")
    ingest(tmp_path / "log", Mapping(name="m", event_types=("visit",), events=part), [str(path)], buckets=1)
    logged = pq.read_table(EventLog.open(tmp_path / "log").file("events", 0)).to_pylist()
    admitted = []
    for row in sent:
        try:
            admitted.append(admit(row, NOW, FIRST))
        except InvalidInput:
            continue
    stored = {event.event_id: event.value for event in admitted}
    assert {row["event_id"]: row["value"] for row in logged} == stored
    assert 300 < len(stored) < len(sent)


@given(st.builds(EventIn, *[anything] * 8))
@settings(max_examples=300)
def test_nothing_but_refused_ever_comes_out(event: EventIn) -> None:
    try:
        made = admit(event, NOW)
    except InvalidInput as refused:
        assert len(str(refused)) < 200  # noqa: PT017 -- most of what is drawn is refused
    else:
        assert made.known_at >= made.occurred_at
    text = as_text(event)
    assert text.isascii()
    assert len(text) < 30_000
    assert from_text(text) is not None


@given(names, values, st.integers(-62_135_596_800_000_000, NOW))
def test_a_second_time_through_the_door_changes_nothing(lead: str, value: float | None, at: int) -> None:
    try:
        first = admit(EventIn(lead, "visit", at, None, value), NOW, FIRST)
    except InvalidInput:
        return
    again = admit(EventIn(first.lead_id, first.event_type, first.occurred_at, first.channel, first.value), NOW, FIRST)
    assert again == first
