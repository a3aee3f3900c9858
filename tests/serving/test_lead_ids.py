"""A lead is reached by its id in every place, whatever the id looks like, and nobody else is."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Match

from clients.leadscore_client import Client, Event
from data.ids import required_id
from serving.app import create_app
from serving.http.lead_paths import DOTS, in_path, lead_routes, lead_url
from serving.http.services import Services
from serving.routes.leads import get_lead
from serving.store.store import Store
from tests.serving.conftest import Starts
from tests.serving.inside import Inside
from tests.written_ids import IDS, NO_IDS, is_accepted

AT = "2024-05-01T12:00:00Z"


AWKWARD = st.text(st.sampled_from("./\\%+&=?#;:@'\"<> ~aü\u2028\u0301😀"), min_size=1, max_size=12)
SIGNS = (AWKWARD | st.sampled_from(IDS) | st.text(min_size=1, max_size=30)).map(str.strip).filter(is_accepted)


@pytest.fixture
def asked(services: Services, store: Store) -> Iterator[Inside]:
    """A server on each of the two databases."""
    with closing(Inside(create_app(replace(services, store=store)))) as inside:
        yield inside


def send(asked: Inside, lead_id: str, channel: str | None = None) -> str:
    """One event that is accepted and one that is rejected; what became of the first."""
    good = {"lead_id": lead_id, "event_type": "page_view", "occurred_at": AT, "channel": channel}
    bad = {"lead_id": lead_id, "event_type": "page_view", "occurred_at": "1 of 204", "channel": channel}
    first, second = asked.post("/v1/events", json={"events": [good, bad]}).json()["results"]
    assert second["status"] == "rejected"
    return str(first["status"])


def of(lead_id: str) -> str:
    return f"/v1/leads/{in_path(lead_id)}"


def test_a_lead_is_reached_by_the_id_that_was_sent_and_alone(asked: Inside, store: Store) -> None:
    for lead_id in IDS:
        assert send(asked, lead_id, "1") == "accepted"
        assert asked.put(of(lead_id), json={"valid_from": AT, "account_id": "1"}).status_code == 200
    names = [required_id(lead_id) for lead_id in IDS]
    assert [lead["lead_id"] for lead in asked.get("/v1/leads").json()["leads"]] == sorted(names)
    for place, lead_id in enumerate(IDS):
        for others in IDS[place + 1 :]:
            assert asked.get(of(others)).json()["events"] == 1
        assert asked.get(of(lead_id)).json()["lead_id"] == names[place]
        assert asked.get(f"{of(lead_id)}/score").json()["score"]["events_counted"] == 1
        assert asked.put(f"{of(lead_id)}/objection", json={"objects": True}).status_code == 200
        assert asked.get(f"{of(lead_id)}/score").status_code == 451
        assert [lead for lead in names[place:] if (known := store.leads.get(lead)) and known.objection] == [
            names[place]
        ]
        removed = asked("DELETE", of(lead_id)).json()["removed"]
        assert (removed["events"], removed["profiles"], removed["rejected"], removed["leads"]) == (1, 1, 1, 1)
        assert asked.get(of(lead_id)).status_code == 404
        assert asked.put(of(lead_id), json={}).status_code == 410
        left = sorted(event.event.lead_id for event in store.rejected.list())
        assert left == sorted(IDS[place + 1 :])


def test_an_event_of_nobody_goes_with_the_lead_that_it_mentions(asked: Inside, store: Store) -> None:
    events = [
        {"lead_id": name, "event_type": kind, "occurred_at": AT, "channel": channel}
        for name, kind, channel in (
            ("", "visit", "1"),
            ("", "visit", "204"),
            ("x" * 201, "visit", "of 1"),
            ("2", "", "1"),
        )
    ]
    asked.post("/v1/events", json={"events": events})
    assert asked("DELETE", of("1")).json()["removed"]["rejected"] == 2
    assert sorted(event.event.channel or "" for event in store.rejected.list()) == ["1", "204"]


@pytest.mark.parametrize("text", NO_IDS[1:])
def test_what_is_no_id_is_refused_everywhere(inside: Inside, text: str) -> None:
    (result,) = inside.post(
        "/v1/events", json={"events": [{"lead_id": text, "event_type": "visit", "occurred_at": AT}]}
    ).json()["results"]
    assert result["reason"].startswith("lead_id ")
    for method, path in (("GET", ""), ("GET", "/score"), ("DELETE", "")):
        answer = inside(method, f"{of(text)}{path}")
        assert (answer.status_code, answer.json()["detail"]) == (422, result["reason"])


def test_a_path_is_not_decoded_twice_and_a_bare_slash_parts_it(inside: Inside) -> None:
    send(inside, "a/score")
    send(inside, "a")
    send(inside, "%41")
    assert inside.get("/v1/leads/a%2Fscore").json()["lead_id"] == "a/score"
    assert "score" in inside.get("/v1/leads/a/score").json()
    assert inside.get("/v1/leads/%2541").json()["lead_id"] == "%41"
    assert inside.get("/v1/leads/%41").status_code == 404
    assert inside.get("/v1/leads/a/b").status_code == 404
    assert inside.get("/v1/%6Ceads/a").status_code == 404
    assert inside.get("/v1/leads/%FF").status_code == 422


@given(SIGNS, st.sampled_from(["/score", ""]))
def test_the_address_of_a_lead_names_it_and_nobody_else(lead_id: str, rest: str) -> None:
    """Through what proxies do to a path: resolve dots, decode it, join slashes."""
    url = lead_url("/v1", lead_id, rest)
    path, _, query = url.partition("?")
    assert posixpath.normpath(path) == path
    assert path.count("/") == unquote(path).count("/")
    assert "\\" not in unquote(path)
    scope = {"type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode(),
             "query_string": query.encode(), "headers": []}  # fmt: skip
    matches = [route.matches(scope) for route in lead_routes(f"/v1/leads/{{lead_id}}{rest}", get_lead)]
    [(_, matched)] = [(match, matched) for match, matched in matches if match is Match.FULL]
    assert matched["path_params"]["lead_id"] == lead_id
    assert matched.get("query_string", b"") == b""
    canonical = {
        "path": f"/v1/leads/{lead_id}{rest}",
        "raw_path": f"/v1/leads/{quote(lead_id, safe='')}{rest}".encode(),
    }
    assert {name: matched.get(name, scope[name]) for name in canonical} == canonical


def test_every_route_reaches_every_lead_by_the_query(asked: Inside, store: Store) -> None:
    key = {"idempotency-key": "the-same"}
    for lead_id in IDS:
        named = {"lead_id": lead_id}
        assert send(asked, lead_id) == "accepted"
        body = {"valid_from": AT, "account_id": "1"}
        name = required_id(lead_id)
        for times in range(2):  # a key is a lead's own, however the lead is addressed
            by_path = asked.put(of(name), json=body, headers=key) if name not in DOTS else None
            by_query = asked.put("/v1/lead", params={"lead_id": name}, json=body, headers=key)
            assert by_path is None or by_path.json() == by_query.json()
            assert by_query.json() == {"status": "accepted"}, (lead_id, times)
        assert asked.get("/v1/lead", params=named).json()["lead_id"] == required_id(lead_id)
        scored = asked.get("/v1/lead/score", params={"reasons": "true", **named}).json()
        assert scored["score"]["events_counted"] == 1
        assert asked.put("/v1/lead/objection", params=named, json={"objects": True}).json() == {"objects": True}
        assert asked.get("/v1/lead/score", params=named).status_code == 451
        assert asked("DELETE", "/v1/lead", params=named).json()["removed"]["leads"] == 1
        assert asked.get("/v1/lead", params=named).status_code == 404
    assert asked.get("/v1/leads").json()["leads"] == []


@pytest.mark.parametrize("query", ["", "?lead_id=", "?lead_id=a&lead_id=b", "?lead=a", "?lead_id=%FF", "?lead_id=%00"])
def test_a_query_that_names_no_lead_is_refused(asked: Inside, query: str) -> None:
    send(asked, "a")
    for method, path in (("GET", ""), ("GET", "/score"), ("DELETE", ""), ("PUT", "")):
        answer = asked(method, f"/v1/lead{path}{query}", **({"json": {}} if method == "PUT" else {}))
        assert (answer.status_code, answer.json()["error"]) == (422, "invalid")
    assert asked("PATCH", "/v1/lead?lead_id=a").headers["allow"] == "DELETE, GET, HEAD, PUT"
    assert asked.get("/v1/lead/score?lead_id=a&as=1").status_code == 422


def test_the_client_reaches_every_lead_of_a_real_server(start: Starts) -> None:
    server = start()
    server.ready()
    day = datetime(2024, 5, 1, tzinfo=UTC)
    with Client(server.url) as client:
        for lead_id in IDS:
            assert client.send([Event(lead_id, "page_view", day)]).accepted == 1
            client.put(lead_id, {}, day)
        for lead_id in IDS:
            assert client.score(lead_id).answer["score"]["events_counted"] == 1
            removed = client.forget(lead_id)["removed"]
            assert (removed["events"], removed["profiles"], removed["leads"]) == (1, 1, 1)
