"""A written time means the same in every place that takes one: files, events, scores, addresses, profiles, commands."""

from __future__ import annotations

import csv
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import select

from commands.options import parse_time
from data.contract import US_PER_DAY, UsageError
from data.intake.ingest import ingest
from data.sources.mapping import EventsPart, Mapping
from data.times import EPOCHS, time_from_text
from serving.http.services import Services
from serving.store.database.schema import events, profiles
from serving.store.events.event_validation import EventIn
from tests.data.exports import logged
from tests.serving.inside import Inside
from tests.written_times import NOON, TEXTS

MEANT = dict(TEXTS)


def test_the_texts_are_many_and_of_both_kinds() -> None:
    refused = sum(us is None for us in MEANT.values())
    assert len(MEANT) == len(TEXTS) >= 60
    assert 20 < refused < len(TEXTS) - 20


def test_in_a_file(tmp_path: Path) -> None:
    with (tmp_path / "events.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["lead", "type", "at"])
        writer.writerows([f"L{i}", "visit", text] for i, text in enumerate(MEANT))
    part = EventsPart(lead_id="lead", event_type="type", occurred_at="at", earliest="0001-01-01")
    mapping = Mapping(name="m", event_types=("visit",), events=part)
    ingest(tmp_path / "log", mapping, [str(tmp_path / "events.csv")], buckets=1)
    read = {row["lead_id"]: row["occurred_at"] for row in logged(tmp_path / "log")}
    assert {text: read.get(f"L{i}") for i, text in enumerate(MEANT)} == MEANT


def test_in_an_event(inside: Inside, services: Services) -> None:
    sent = [
        {"lead_id": "L", "event_type": "visit", "event_id": f"E{i}", "occurred_at": text}
        for i, text in enumerate(MEANT)
    ]
    results = inside.post("/v1/events", json={"events": sent, "earliest": "0001-01-01T00:00:00Z"}).json()["results"]
    with services.store.database.read() as connection:
        stored = dict(connection.execute(select(events.c.event_id, events.c.occurred_at)).all())
    assert {text: stored.get(f"E{i}") for i, text in enumerate(MEANT)} == MEANT
    for text, result in zip(MEANT, results, strict=True):
        assert ("occurred_at" in result.get("reason", "")) == (MEANT[text] is None)


def test_in_a_body_to_be_scored(inside: Inside) -> None:
    read = {}
    for text in MEANT:
        event = {"event_type": "page_view", "occurred_at": text, "received_at": text}
        answer = inside.post("/v1/score", json={"events": [event], "as_of": text, "known_since": text})
        assert answer.status_code in (200, 422)
        read[text] = time_from_text(answer.json()["score"]["as_of"]) if answer.status_code == 200 else None
        alone = [{"events": [{"event_type": "page_view", "occurred_at": text}]}, {"known_since": text}, {"as_of": text}]
        codes = [inside.post("/v1/score", json=body).status_code for body in alone]
        assert codes == [200 if MEANT[text] is not None else 422] * 3, text
    assert read == MEANT


def test_in_an_address(inside: Inside) -> None:
    inside.put("/v1/leads/L", json={"valid_from": "0001-01-01T00:00:00Z", "earliest": "0001-01-01T00:00:00Z"})
    read = {}
    for text in MEANT:
        answer = inside.get(f"/v1/leads/L/score?as_of={quote(text)}")
        assert answer.status_code in (200, 422)
        read[text] = time_from_text(answer.json()["score"]["as_of"]) if answer.status_code == 200 else None
        listed = inside.get(f"/v1/leads?changed_since={quote(text)}").status_code
        assert listed == (200 if MEANT[text] is not None else 422)
    assert read == MEANT


def test_in_a_profile(inside: Inside, services: Services) -> None:
    for i, text in enumerate(MEANT):
        answer = inside.put(f"/v1/leads/L{i}", json={"valid_from": text, "earliest": "0001-01-01T00:00:00Z"})
        assert answer.status_code == (200 if MEANT[text] is not None else 422), (text, answer.text)
    with services.store.database.read() as connection:
        stored = dict(connection.execute(select(profiles.c.lead_id, profiles.c.valid_from)).all())
    assert {text: stored.get(f"L{i}") for i, text in enumerate(MEANT)} == MEANT


def test_on_the_command_line() -> None:
    """A date alone is the beginning of its day there, and only there."""
    assert _as_of("2024-02-29") == NOON - US_PER_DAY // 2
    assert all(_as_of(text) == us for text, us in TEXTS if text != "2024-02-29")


def _as_of(text: str) -> int | None:
    try:
        return parse_time(text)
    except UsageError:
        return None


@pytest.mark.parametrize(
    "number", [0, 1, -1, 1_761_991_200, 1_761_991_200_000, 1_761_991_200_000_000_000, 1.7e15, True]
)
def test_a_number_that_could_be_of_another_unit_is_no_time(inside: Inside, services: Services, number: float) -> None:
    event = {"lead_id": "L", "event_type": "visit", "occurred_at": number}
    (result,) = inside.post("/v1/events", json={"events": [event]}).json()["results"]
    assert result["status"] == "rejected"
    assert "write" in result["reason"]
    again = inside.post(f"/v1/events/rejected/{result['rejected_id']}/replay", json={})
    assert again.json()["status"] == "rejected"
    assert services.store.leads.get("L") is None


def test_a_number_without_a_unit_that_was_kept_is_not_read_as_another_time(inside: Inside, services: Services) -> None:
    """Rejected for another reason by an older version, when milliseconds were taken for microseconds."""
    event = EventIn("L", "visit", 1_761_991_200_000, value=float("nan"))
    (result,) = services.store.events.add([event], services.clock())
    for body in ({}, {"event": {"lead_id": "L", "event_type": "visit", "occurred_at": 1_761_991_200_000}}):
        again = inside.post(f"/v1/events/rejected/{result.rejected_id}/replay", json=body)
        assert "is a number without a unit" in again.json()["reason"]


@pytest.mark.parametrize(("unit", "in_one"), EPOCHS.items())
def test_a_number_whose_unit_is_declared_is_a_time(inside: Inside, services: Services, unit: str, in_one: int) -> None:
    event = {"lead_id": "L", "event_type": "visit", "occurred_at": NOON // in_one, "event_id": "E"}
    assert inside.post("/v1/events", json={"events": [event], "time_format": unit}).json()["accepted"] == 1
    with services.store.database.read() as connection:
        assert connection.scalar(select(events.c.occurred_at)) == NOON
    assert inside.post("/v1/events", json={"events": [event]}).json()["rejected"] == 1
    assert inside.post("/v1/events", json={"events": [event], "time_format": "days"}).status_code == 422


NULL_DATES = ("0001-01-01T00:00:00Z", "1899-12-30T00:00:00Z", "1900-01-01T00:00:00Z", "1970-01-01T00:00:00Z")


@pytest.mark.parametrize("text", NULL_DATES)
def test_a_null_date_is_kept_out_at_every_door_unless_it_is_declared(
    inside: Inside, services: Services, text: str, tmp_path: Path
) -> None:
    event = {"lead_id": "L", "event_type": "visit", "occurred_at": text}
    (result,) = inside.post("/v1/events", json={"events": [event]}).json()["results"]
    profile = inside.put("/v1/leads/L", json={"valid_from": text})
    many = inside.put("/v1/leads", json={"leads": [{"lead_id": "L", "valid_from": text}]}).json()["results"][0]
    for reason in (result["reason"], profile.json()["detail"], many["reason"]):
        assert "is a null date; if it is meant, set earliest" in reason
    assert services.store.leads.get("L") is None
    again = {"earliest": text}
    replayed = inside.post(f"/v1/events/rejected/{result['rejected_id']}/replay", json=again)
    assert replayed.json()["status"] == "accepted"
    assert inside.put("/v1/leads/L", json={"valid_from": text, **again}).status_code == 200
    (tmp_path / "events.csv").write_text(f"lead,type,at\nL,visit,{text}\nL,visit,2024-05-01T00:00:00Z\n")
    part = EventsPart(lead_id="lead", event_type="type", occurred_at="at")
    report = ingest(tmp_path / "log", Mapping(name="m", event_types=("visit",), events=part),
                    [str(tmp_path / "events.csv")], buckets=1)  # fmt: skip
    assert report.reasons == {"occurred_at … is a null date; if it is meant, set earliest": 1}
