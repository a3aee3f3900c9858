"""Limits have clear answers, everything is counted, and neither log nor answers tell what they must not."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.app import create_app
from serving.edge.bulkhead import Bulkhead
from serving.http.authentication import KeyAuthenticator
from serving.http.middleware import Exchange
from serving.http.services import Services
from serving.messages.examples import INGEST, LEAD
from serving.messages.limits import Limits
from serving.server import verifier
from serving.store.store import Store
from serving.telemetry.server_log import ServerLog
from tests.serving.conftest import Starts
from tests.serving.inside import Inside

JSON = {"content-type": "application/json"}
EVENT = {"event_type": "page_view", "occurred_at": "2024-05-01T00:00:00Z"}


@pytest.fixture
def tight(services: Services) -> Iterator[Inside]:
    """A server that takes on little."""
    limits = Limits(body=2_000_000, body_s=0.1)
    with closing(Inside(create_app(replace(services, limits=limits)))) as asked:
        yield asked


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which must be whole and short."""
    body = answer.json()
    assert set(body) == {"error", "detail", "request_id"}
    assert body["detail"]
    assert len(answer.content) < 2_000
    assert answer.headers["x-request-id"] == body["request_id"]
    return answer.status_code, body["error"]


async def dripping(pause_s: float) -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.sleep(pause_s)
    yield b"}"


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(tight: Inside) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 100_000

    for body in (b" " * 2_000_001, endless()):
        answer = tight.post("/v1/score", content=body, headers=JSON)
        assert problem(answer) == (413, "too_large")
        assert "2,000,000 bytes" in answer.json()["detail"]
    answer = tight.post("/v1/score", content=b"{}", headers=JSON | {"content-length": "9" * 40})
    assert problem(answer) == (413, "too_large")


def test_a_body_that_is_too_slow_is_refused(tight: Inside) -> None:
    answer = tight.post("/v1/score", content=dripping(5), headers=JSON)
    assert problem(answer) == (408, "too_slow")
    assert tight.post("/v1/score", content=dripping(0), headers=JSON).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/score", {"events": [EVENT] * 20_001}, "length <= 20000"),
        ("/v1/score/batch", {"leads": [{}] * 1_001}, "length <= 1000"),
        ("/v1/events", {"events": [{"lead_id": "L"}] * 5_001}, "length <= 5000"),
        ("/v1/score", {"profile": {f"c{n}": 1 for n in range(201)}}, "length <= 200"),
    ],
)
def test_too_much_at_once_is_refused_with_the_number(inside: Inside, path: str, body: Any, said: str) -> None:
    answer = inside.post(path, json=body)
    assert problem(answer) == (422, "invalid")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/v1/leads", "/v1/leads/L-1/score", "/v1/score/batch", "/leads"])
def test_what_would_wait_too_long_is_refused_at_once_and_nothing_else_is(services: Services, path: str) -> None:
    """One kind of work has a thread that is held and a queue that is full."""
    kinds = {"/v1/leads": "reads", "/v1/leads/L-1/score": "by_id", "/v1/score/batch": "long", "/leads": "pages"}
    leave, kind = threading.Event(), Bulkhead("held", 1, 0)
    setattr(services.work, kinds[path], kind)

    async def crowd() -> list[httpx.Response]:
        held = asyncio.create_task(kind.run(leave.wait))
        await asyncio.sleep(0)
        method = "POST" if path.endswith("batch") else "GET"
        others = [await crowded.client.request(method, path, json={"leads": []} if method == "POST" else None)]
        others += [await crowded.client.get(other) for other in ("/v2/health/live", "/v2/health/ready", "/metrics")]
        leave.set()
        await held
        return others

    with closing(Inside(create_app(services))) as crowded:
        turned_away, *rest = crowded.runner.run(crowd())
        after = crowded.get("/v1/leads")
    assert (turned_away.status_code, turned_away.headers["retry-after"]) == (429, "1")
    assert [answer.status_code for answer in rest] == [200, 200, 200]
    assert after.status_code == 200


def test_bodies_on_their_way_are_bounded_and_the_slowest_makes_room(services: Services) -> None:
    """Half-sent bodies, more of them than there may be: whoever sends a whole one is answered."""

    async def crowd() -> list[httpx.Response]:
        async def half() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.Event().wait()

        slow = [asyncio.create_task(asked.client.post("/v1/score", content=half(), headers=JSON)) for _ in range(5)]
        answers = [await asked.client.post("/v1/score", json=LEAD) for _ in range(4)]
        answers += await asyncio.gather(*slow[:4])
        slow[4].cancel()
        return answers

    with closing(Inside(create_app(replace(services, limits=Limits(bodies=4))))) as asked:
        answers = asked.runner.run(crowd())
    assert [answer.status_code for answer in answers] == [200] * 4 + [408] * 4


def test_bytes_of_all_bodies_on_their_way_are_bounded(services: Services) -> None:
    async def crowd() -> list[httpx.Response]:
        leave = asyncio.Event()

        async def large() -> AsyncIterator[bytes]:
            yield b" " * 900
            await leave.wait()
            yield b"{}"

        slow = [asyncio.create_task(asked.client.post("/v1/score", content=large(), headers=JSON)) for _ in range(2)]
        while asked.app.state.services.bodies.size < 900:
            await asyncio.sleep(0)
        refused = [await asked.client.post("/v1/score", content=b" " * 1200, headers=JSON)]
        leave.set()
        return refused + list(await asyncio.gather(*slow))

    with closing(Inside(create_app(replace(services, limits=Limits(bodies_bytes=2_000))))) as asked:
        answers = asked.runner.run(crowd())
        assert asked.app.state.services.bodies.size == 0
    assert [answer.status_code for answer in answers] == [429, 200, 200]


def test_without_a_key_or_with_one_of_another_role(services: Services, own_store: Store) -> None:
    key = own_store.keys.create("ingest", "test", 1)
    with closing(Inside(create_app(replace(services, authenticator=KeyAuthenticator(verifier(own_store)))))) as asked:
        nobody = asked.post("/v1/score", json=LEAD)
        other = asked.post("/v1/score", json=LEAD, headers={"Authorization": f"Bearer {key}"})
    assert problem(nobody) == (401, "unauthorized")
    assert nobody.headers["www-authenticate"] == "Bearer"
    assert problem(other) == (403, "forbidden")
    assert other.json()["detail"] == "this key has the role ingest; this needs score"


def test_a_request_id_is_kept_when_it_is_one_and_made_when_not(inside: Inside) -> None:
    assert inside.get("/v2/health/live", headers={"X-Request-Id": "web-1.a_B"}).headers["x-request-id"] == "web-1.a_B"
    for bad in ("with space", "x" * 65, "<b>", "a@example.org"):
        made = inside.get("/v2/health/live", headers={"X-Request-Id": bad}).headers["x-request-id"]
        assert made != bad
        assert len(made) == 16


def samples(inside: Inside) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(inside.get("/metrics").text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_what_happens_is_counted(inside: Inside) -> None:
    for _ in range(3):
        answer = inside.post("/v1/score", json=LEAD).json()
    inside.post("/v1/score", content=b"{", headers=JSON)
    inside.post("/v1/events", json=INGEST)
    inside.post("/v1/events", json=INGEST)
    inside.post("/v1/events", json={"events": [{"lead_id": "L", "event_type": "x", "occurred_at": "never"}]})
    metrics = samples(inside)

    def value(metric: str, **labels: str) -> float:
        return metrics[f"leadscore_{metric}", tuple(sorted(labels.items()))]

    assert value("requests_total", route="/v1/score", method="POST", status="200") == 3
    assert value("requests_total", route="/v1/score", method="POST", status="400") == 1
    assert value("request_seconds_count", route="/v1/score") == 4
    assert value("scores_total", stage=answer["score"]["stage"]) == 3
    assert [value("ingested_events_total", result=r) for r in ("accepted", "duplicate", "rejected")] == [3, 3, 1]
    model = answer["model"]
    assert value("model_info", name=model["name"], version=model["version"], digest=model["digest"]) == 1
    assert value("feature_rows_total", of="all") == 3
    assert sum(value for (name, _), value in metrics.items() if name == "leadscore_score_band_total") == 3
    assert value("requests_in_work") == 1


LEAD_ID, E_MAIL = "lead-4711-secret", "jane.doe@example.org"


def traffic(ask: httpx.Client | Inside, keys: list[str]) -> bytes:
    """Requests of all kinds with a lead's id, an e-mail address and keys in every place; the bodies of refusals."""
    ask_ = ask.request if isinstance(ask, httpx.Client) else ask
    events = [EVENT | {"lead_id": LEAD_ID, "event_id": "x-1"}, EVENT | {"lead_id": E_MAIL, "occurred_at": E_MAIL}]
    refusals = []
    for key in keys:
        headers = {"Authorization": f"Bearer {key}", "X-Request-Id": E_MAIL, "Idempotency-Key": E_MAIL}
        for method, path, body in (
            ("POST", "/v1/events", {"events": events}),
            ("PUT", f"/v1/leads/{LEAD_ID}", {"profile": {"industry": E_MAIL}}),
            ("PUT", f"/v1/leads/{LEAD_ID}", {"profile": {E_MAIL: [E_MAIL]}}),
            ("GET", f"/v1/leads/{LEAD_ID}/score?reasons=true", None),
            ("GET", f"/v1/leads/{E_MAIL}/score?as_of={E_MAIL}", None),
            ("GET", f"/v1/leads?stage={E_MAIL}&cursor={E_MAIL}", None),
            ("POST", "/v1/score", {"events": [{"event_type": E_MAIL}], E_MAIL: key}),
            ("POST", f"/{E_MAIL}/{key}", {E_MAIL: key}),
            ("PUT", f"/v1/leads/{LEAD_ID}/objection", {"objects": True}),
            ("DELETE", f"/v1/leads/{LEAD_ID}", None),
        ):
            answer = ask_(method, path, json=body, headers=headers)
            assert answer.status_code < 500
            refusals.append(answer.content if answer.status_code >= 400 else b"")
    return b"".join(refusals)


def told_by(content: bytes, keys: list[str]) -> list[str]:
    """What of all that must not be told is told."""
    return [
        secret
        for secret in (LEAD_ID, E_MAIL, "jane.doe", *(key.split("_", 2)[2] for key in keys))
        if secret.encode() in content
    ]


def test_log_refusals_and_keys_on_disk_tell_nothing(start: Starts, own_store: Store, tmp_path: Path) -> None:
    keys = [own_store.keys.create(role, "test", 1) for role in ("score", "ingest", "read", "admin")]
    server = start("--keys", "--store", f"sqlite:///{tmp_path / 'store.db'}")
    server.ready()
    with httpx.Client(base_url=server.url, timeout=60, verify=False) as client:
        refusals = traffic(client, keys)
    server.stop()
    log = server.log.read_bytes()
    assert sum(line["event"] == "request" for line in server.log_lines()) >= 40
    assert told_by(log, keys) == []
    assert told_by(refusals, keys) == []
    files = [path for path in tmp_path.iterdir() if path.name.startswith("store.db")]
    assert files
    secrets = [key.split("_", 2)[2].encode() for key in keys]
    assert not [file for file in files for secret in secrets if secret in file.read_bytes()]


def test_a_log_that_names_paths_would_be_caught(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: the path of a request instead of its route's template."""
    monkeypatch.setattr(Exchange, "route", property(lambda exchange: exchange.scope["path"]))
    log = io.StringIO()
    with closing(Inside(create_app(replace(services, log=ServerLog(log))))) as asked:
        traffic(asked, ["ls_00000000_nothing"])
    assert told_by(log.getvalue().encode(), []) == [LEAD_ID, E_MAIL, "jane.doe"]
    assert json.loads(log.getvalue().splitlines()[0])["event"] == "request"


def test_no_answer_says_where_files_lie(services: Services, tmp_path: Path) -> None:
    """Neither health, which anyone may ask, nor a refusal: the log has the whole reason."""
    place = tmp_path / "löblich place" / "artifact"
    services.champion.refuse(f"version 7 was refused: {place}/model.json is not what it was; train again")
    with closing(Inside(create_app(services))) as asked:
        answers = [asked.get(path) for path in ("/v2/health/ready", "/v1/model")]
        services.champion.live = None
        answers += [asked.post("/v1/score", json=LEAD), asked.get("/v2/health/ready")]
    assert [answer.status_code for answer in answers] == [200, 200, 503, 503]
    for answer in answers:
        assert "refused: model.json is not what it was" in answer.text
        assert "place" not in answer.text
        assert str(tmp_path.parent.name) not in answer.text
