"""Who may do what: every route, with no key, a wrong one, and one of each role, is as the committed matrix says."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.app import create_app
from serving.http.authentication import AGAIN_S, AWAY_S, KEPT_S, KeyAuthenticator
from serving.http.openapi import methods_of, operation_of
from serving.http.services import Services
from serving.messages.examples import LEAD
from serving.routes import operations
from serving.server import verifier
from serving.store.access.roles import KEY_ROLES
from serving.store.database.failures import StoreAway
from serving.store.store import Store
from serving.telemetry.server_log import ServerLog
from tests.serving.inside import Inside

MATRIX: dict[str, dict[str, bool]] = json.loads(Path(__file__).with_name("roles.json").read_text(encoding="utf-8"))
NOBODY = ("no key", "wrong key")


@pytest.fixture
def log_stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def locked(services: Services, own_store: Store, log_stream: io.StringIO, clock: list[float]) -> Iterator[Inside]:
    authenticator = KeyAuthenticator(verifier(own_store), lambda: clock[0])
    with closing(
        Inside(create_app(replace(services, authenticator=authenticator, log=ServerLog(log_stream))))
    ) as asked:
        yield asked


@pytest.fixture
def keys(own_store: Store) -> dict[str, str | None]:
    made: dict[str, str | None] = {role: own_store.keys.create(role, "test", 1) for role in KEY_ROLES}
    return {**made, "no key": None, "wrong key": "ls_00000000_nothing"}


def routes(asked: Inside) -> list[tuple[str, str]]:
    """Those of services; tests/serving/pages/test_page_roles.py walks those of people."""
    declared = [route for route in asked.app.routes if isinstance(route, Route) and operation_of(route)]
    return [(method, route.path) for route in declared for method in methods_of(route)]


def test_while_the_store_is_away_keys_that_were_good_go_on_for_an_hour(
    locked: Inside, keys: dict[str, str | None], own_store: Store, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores need no store, and metrics tell that it is away: both would else end with what keys are remembered for."""
    scoring, reading, unseen = (f"Bearer {keys[role]}" for role in ("score", "read", "admin"))

    def asked() -> list[int]:
        metrics = locked.get("/metrics", headers={"Authorization": reading})
        score = locked.post("/v1/score", json=LEAD, headers={"Authorization": scoring})
        return [score.status_code, metrics.status_code, "leadscore_store_up 0.0" in metrics.text]

    def away(*words: object) -> None:
        raise StoreAway("the database does not answer")

    assert asked() == [200, 200, False]
    with monkeypatch.context() as broken:
        for part in (type(own_store.keys), type(own_store)):
            broken.setattr(part, "verify" if part is type(own_store.keys) else "ping", away)
        for clock[0] in (KEPT_S + 1, AWAY_S - 1):
            assert asked() == [200, 200, True]
        assert locked.get("/metrics", headers={"Authorization": unseen}).status_code == 503, "who is that?"
        clock[0] = AWAY_S + AGAIN_S
        assert asked() == [503, 503, False]
    own_store.keys.revoke(str(keys["score"]).split("_")[1], 2)
    assert asked()[:2] == [401, 200], "what was revoked is known as soon as the store is back"


def test_every_route_lets_in_exactly_whom_the_matrix_names(locked: Inside, keys: dict[str, str | None]) -> None:
    allowed: dict[str, dict[str, bool]] = {}
    for method, path in routes(locked):
        for who, key in keys.items():
            headers = {} if key is None else {"Authorization": f"Bearer {key}"}
            status = locked(method, path.format(lead_id="L1", account_id="A1", number="1"), headers=headers).status_code
            assert status < 500
            assert status != 401 or who in NOBODY
            assert status != 403 or who not in NOBODY
            allowed.setdefault(f"{method} {path}", {})[who] = status not in (401, 403)
    assert len(allowed) >= 14
    assert allowed == MATRIX


def test_a_route_that_declares_no_role_is_not_served(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: a handler without @needs."""

    async def planted(request: Request) -> Response:
        return Response("open to everyone")

    monkeypatch.setattr(operations, "routes", [*operations.routes, Route("/planted", planted)])
    with pytest.raises(ValueError, match="/planted declares no role"):
        create_app(services)


def test_a_revoked_key_opens_nothing_after_some_seconds(locked: Inside, own_store: Store, clock: list[float]) -> None:
    headers = {"Authorization": f"Bearer {own_store.keys.create('read', 'test', 1)}"}
    assert locked.get("/v1/model", headers=headers).status_code == 200
    own_store.keys.revoke(own_store.keys.list()[0].prefix, 2)
    clock[0] = KEPT_S + 0.1
    assert locked.get("/v1/model", headers=headers).status_code == 401


def test_keys_never_reach_log_or_answers(locked: Inside, own_store: Store, log_stream: io.StringIO) -> None:
    key = own_store.keys.create("read", "test", 1)
    headers = {"Authorization": f"Bearer {key}"}
    answers: list[Any] = [locked(method, path, headers=headers) for method, path in routes(locked)]
    written = log_stream.getvalue() + "".join(answer.text + str(answer.headers) for answer in answers)
    assert len(answers) >= 14
    assert own_store.keys.list()[0].prefix in written, "the public prefix says who asked"
    assert key.split("_", 2)[2] not in written
