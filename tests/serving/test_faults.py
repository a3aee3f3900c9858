"""The disk is full, the database is away, the clock is wrong: clear answers, nothing lost, and it goes on by itself."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.contract import US_PER_DAY
from serving.app import create_app
from serving.http.services import Services, now_us
from serving.messages.examples import LEAD
from tests.postgres import Postgres
from tests.serving.conftest import Starts
from tests.serving.inside import Inside
from tests.serving.senders import event, results, send
from tests.serving.server_process import ServerProcess

SOON_S = 5


def status(server: ServerProcess, path: str) -> int:
    return httpx.get(f"{server.url}{path}", timeout=30, verify=False).status_code


def is_status(server: ServerProcess, path: str, wanted: int) -> bool:
    return status(server, path) == wanted


def soon(server: ServerProcess, path: str, wanted: int) -> None:
    """Waits for a status, five seconds at most."""
    began = time.monotonic()
    server.until(partial(is_status, server, path, wanted))
    assert time.monotonic() - began < SOON_S


@pytest.mark.proof("disk-full")
def test_a_full_disk_is_told_and_hinders_no_reader(start: Starts, small_disk: Path) -> None:
    server = start("--store", f"sqlite:///{small_disk / 'store.db'}")
    server.ready()
    acknowledged: list[str] = []
    while send(server.url, [event(n) for n in fresh(acknowledged)]).status_code == 200:
        acknowledged += fresh(acknowledged)
    for _ in range(3):
        answer = send(server.url, [event(n) for n in fresh(acknowledged)])
        assert (answer.status_code, answer.json()["error"]) == (507, "store_full")
        assert "the disk below the store is full" in answer.json()["detail"]
        assert answer.headers["retry-after"]
        scored = httpx.get(f"{server.url}/v1/leads/L-1/score").json()
        assert scored["score"]["events_counted"] == len(acknowledged) >= 500
        assert httpx.post(f"{server.url}/v1/score", json=LEAD).status_code == 200
        assert status(server, "/v2/health/live") == 200
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    assert send(server.url, [event("room")]).json()["accepted"] == 1
    assert results(server.url, acknowledged) == {"duplicate": len(acknowledged)}


def fresh(acknowledged: list[str]) -> list[str]:
    return [str(len(acknowledged) + n) for n in range(100)]


@pytest.mark.proof("database-away")
def test_a_database_that_is_away_is_told_soon_and_comes_back_by_itself(
    start: Starts, postgres: Postgres, full: bool
) -> None:
    server = start("--store", postgres.database(f"away_{time.time_ns()}"))
    server.ready()
    before = [str(n) for n in range(50)]
    assert send(server.url, [event(n) for n in before]).json()["accepted"] == 50
    postgres.stop(signal.SIGQUIT)
    try:
        soon(server, "/v2/health/ready", 503)
        until = time.monotonic() + (30 if full else 0.5)
        while time.monotonic() < until:
            answer = send(server.url, [event("away")])
            assert (answer.status_code, answer.json()["error"]) == (503, "store_away")
            assert answer.headers["retry-after"]
            assert status(server, "/v1/leads/L-1/score") == 503
            assert status(server, "/v2/health/live") == 200
            assert httpx.post(f"{server.url}/v1/score", json=LEAD).status_code == 200
    finally:
        postgres.start()
    soon(server, "/v2/health/ready", 200)
    assert results(server.url, before) == {"duplicate": 50}
    assert send(server.url, [event("away")]).json()["accepted"] == 1


At = Callable[[int], Inside]


@pytest.fixture
def at(services: Services) -> Iterator[At]:
    """A server on the same store whose clock is wrong by so many days."""
    made: list[Inside] = []

    def server(days: int) -> Inside:
        made.append(Inside(create_app(replace(services, clock=lambda: now_us() + days * US_PER_DAY))))
        return made[-1]

    yield server
    for opened in made:
        opened.close()


def counted(server: Inside, lead: str) -> int:
    answer = server.get(f"/v1/leads/{lead}/score")
    assert answer.status_code == 200, answer.text
    return int(answer.json()["score"]["events_counted"])


def sent_now(lead: str) -> dict[str, Any]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 2))
    return {"lead_id": lead, "event_type": "page_view", "occurred_at": now, "event_id": f"now-{lead}"}


@pytest.mark.proof("clock")
def test_a_clock_that_is_set_back_counts_nothing_from_its_future(at: At) -> None:
    right, back = at(0), at(-2)
    assert right.post("/v1/events", json={"events": [sent_now("L-1")]}).json()["accepted"] == 1
    assert (counted(right, "L-1"), counted(back, "L-1")) == (1, 0)
    answer = back.post("/v1/events", json={"events": [sent_now("L-2")]}).json()
    assert "in the future" in answer["results"][0]["reason"]
    number = answer["results"][0]["rejected_id"]
    [rejection] = [row for row in back.get("/v1/events/rejected").json()["rejected"] if row["id"] == number]
    assert rejection["event"]["event_id"] == "now-L-2"
    assert right.post(f"/v1/events/rejected/{number}/replay", json={}).json()["status"] == "accepted"
    assert counted(right, "L-2") == 1


@pytest.mark.proof("clock")
def test_a_clock_that_runs_ahead_accepts_and_the_right_one_waits(at: At) -> None:
    right, ahead = at(0), at(2)
    assert ahead.post("/v1/events", json={"events": [sent_now("L-1")]}).json()["accepted"] == 1
    # It was taken in by a clock two days ahead, so for the right clock it is not known yet.
    assert (counted(ahead, "L-1"), counted(right, "L-1")) == (1, 0)
    again = right.post("/v1/events", json={"events": [sent_now("L-1") | {"received_at": sent_now("")["occurred_at"]}]})
    assert again.status_code == 200
    score = ahead.post("/v1/score", json={"events": LEAD["events"]}).json()["score"]
    assert score["as_of"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


ANY_DATE = {"earliest": "0001-01-01T00:00:00Z"}
"""Said by who means such dates; else they are null dates."""


@pytest.mark.proof("clock")
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_the_first_and_the_last_year_break_nothing(at: At, moment: str) -> None:
    server = at(0)
    sent = {"event_type": "page_view", "occurred_at": moment, "received_at": moment}
    asked = [
        server.post("/v1/score", json=LEAD | {"as_of": moment}),
        server.post("/v1/score", json=LEAD | {"known_since": moment}),
        server.post("/v1/score", json=LEAD | {"events": [sent]}),
        server.post("/v1/events", json={"events": [sent | {"lead_id": "L-1"}], **ANY_DATE}),
        server.put("/v1/leads/L-1", json={"profile": {}, "valid_from": moment, **ANY_DATE}),
        server.get("/v1/leads/L-1/score", params={"as_of": moment}),
        server.get("/v1/leads", params={"changed_since": moment}),
        server.get("/v1/leads/L-1"),
    ]
    assert {answer.status_code for answer in asked} <= {200, 404, 422}, [answer.text for answer in asked]
    outside = moment.endswith(("+14:00", "-12:00"))
    assert asked[0].status_code == asked[5].status_code == (422 if outside else 200)
    if not outside:
        assert asked[0].json()["score"]["events_counted"] == 0
        assert asked[2].json()["score"]["events_counted"] == 1


@pytest.mark.proof("clock")
def test_both_nights_of_the_clock_change(at: At) -> None:
    """Local times with their offset are the moments that they name, also in the hour that comes twice or never."""
    local = ("2024-03-31T01:59:59+01:00", "2024-03-31T03:00:00+02:00", "2024-10-27T02:30:00+02:00",
             "2024-10-27T02:30:00+01:00")  # fmt: skip
    utc = ("2024-03-31T00:59:59Z", "2024-03-31T01:00:00Z", "2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z")
    scores = []
    for times in (local, utc):
        events = [{"event_type": "pricing_view", "occurred_at": written} for written in times]
        asked = {"events": events, "known_since": times[0], "as_of": "2024-10-28T00:00:00Z"}
        scores.append(at(0).post("/v1/score?features=true", json=asked).json()["score"])
    assert scores[0] == scores[1]
    assert scores[0]["events_counted"] == 4


@pytest.mark.proof("clock")
def test_the_time_zone_of_the_process_changes_no_score(start: Starts, full: bool) -> None:
    scores = []
    for zone in ("UTC", "Asia/Kathmandu", *(("Europe/Berlin",) if full else ())):
        server = start(environment={"TZ": zone})
        server.ready()
        with closing(httpx.Client(base_url=server.url, timeout=60, verify=False)) as client:
            client.post("/v1/events", json={"events": [event("zone")]}).raise_for_status()
            posted = client.post("/v1/score?features=true&reasons=true", json=LEAD).json()["score"]
            stored = client.get("/v1/leads/L-1/score?features=true&as_of=2024-05-07T00:00:00Z").json()["score"]
        scores.append((posted, stored))
        server.stop()
    assert all(score == scores[0] for score in scores)
    assert scores[0][1]["events_counted"] == 1
