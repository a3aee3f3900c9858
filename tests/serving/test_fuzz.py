"""No bytes that anyone can send make the server fail, hang, or say what it should not, on either database."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from sqlalchemy import delete
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.app import create_app
from serving.champion.threshold_overlay import ThresholdOverlay
from serving.http.services import Services
from serving.routes import operations
from serving.scoring.served_model import ServedModel
from serving.store.access.accounts import Accounts
from serving.store.database.schema import attempts
from serving.store.database.store_seal import seal_of
from serving.store.store import Store
from tests.rounds import Rounds
from tests.serving.fuzzer import Fuzzer
from tests.serving.inside import Inside
from tests.serving.pages.browser import PASSWORD
from tests.serving.pages.town import settle_in
from tests.serving.workshop import Workshop

pytestmark = pytest.mark.proof("fuzz")
PER_ROUND = 400


@pytest.fixture
def store(store: Store) -> Store:
    """An empty store whose hashes of passwords are cheap."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return replace(store, accounts=Accounts(store.database, seal_of(store.database), cheap))


@pytest.fixture
def town(store: Store, services: Services, live: ServedModel, workshop: Workshop) -> Iterator[Inside]:
    """A server on each database with leads of the small funnel, so that its lists have pages."""
    settle_in(store, workshop.log, live, time.time_ns() // 1000)
    services.champion.overlay = ThresholdOverlay(store)
    with closing(Inside(create_app(replace(services, store=store)))) as asked:
        yield asked


def sessions(store: Store) -> Callable[[], tuple[str, str]]:
    """Gives an admin's session that is good now, however often it was signed out; passwords are not the question."""
    store.accounts.add("admin", PASSWORD, "admin", 1)
    token = ""

    def session() -> tuple[str, str]:
        nonlocal token
        now = time.time_ns() // 1000
        if store.accounts.visitor(token, now) is None:
            with store.database.write() as connection:
                connection.execute(delete(attempts))
            token = store.accounts.sign_in("admin", PASSWORD, "here", now) or ""
        return token, store.accounts.form_token(token)

    return session


def test_no_request_makes_the_server_fail(town: Inside, store: Store, rounds: Callable[..., Rounds]) -> None:
    """In full 50,000 requests on each database."""
    visits, proof = sessions(store), rounds(cheap=1, full=50_000 // PER_ROUND)
    for number in proof:
        fuzzer = Fuzzer(town.app, 11 + number, visits)
        failures = fuzzer.run(town.runner, PER_ROUND)
        assert not failures, failures[0]
        assert sum(fuzzer.statuses.values()) == PER_ROUND
        assert fuzzer.statuses[200] > PER_ROUND / 20, "some requests must get through, else nothing deep was tried"
        assert len(fuzzer.statuses) >= 6, fuzzer.statuses
        assert fuzzer.grammar.seen, "there must be cursors of lists to forge"
        proof.seen.update({str(status): count for status, count in fuzzer.statuses.items()})
    assert town.get("/v2/health/ready").status_code == 200


def failures_of(route: Route) -> list[str]:
    """What the fuzzer finds of a planted route among some of ours."""
    with closing(Inside(Starlette(routes=[route, *operations.routes[-2:]]))) as asked:
        failures = Fuzzer(asked.app, seed=11).run(asked.runner, 600)
        return [failure.what for failure in failures if failure.case.path == route.path]


def test_the_fuzzer_finds_a_planted_failure() -> None:
    """The planted fault: a handler that trips over NaN, as an error answer that quotes its input does."""

    async def planted(request: Request) -> Response:
        if b"NaN" in await request.body():
            raise ValueError("out of range float values are not JSON compliant")
        return Response()

    assert any("not JSON compliant" in what for what in failures_of(Route("/v1/planted", planted, methods=["POST"])))


def test_the_fuzzer_finds_planted_parsing() -> None:
    """The planted faults: a number, and a cursor, that are taken as they were sent."""

    async def number(request: Request) -> Response:
        return Response(str(int(request.query_params.get("until", "1"))))

    async def cursor(request: Request) -> Response:
        return Response(base64.urlsafe_b64decode(request.query_params.get("after", "")))

    assert any("ValueError" in what for what in failures_of(Route("/leads.csv", number)))
    assert any("Incorrect padding" in what for what in failures_of(Route("/leads", cursor)))
