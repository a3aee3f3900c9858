"""No bytes that anyone can send make the server fail, hang, or say what it should not."""

from __future__ import annotations

from contextlib import closing

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.app import create_app
from serving.http.authentication import needs
from serving.http.services import Services
from serving.routes import operations
from tests.serving.fuzzer import Fuzzer
from tests.serving.inside import Inside

pytestmark = pytest.mark.proof("fuzz")


def test_no_request_makes_the_server_fail(inside: Inside, full: bool) -> None:
    fuzzer = Fuzzer(inside.app, seed=11)
    cases = 50_000 if full else 700
    failures = fuzzer.run(inside.runner, cases)
    assert not failures, failures[0]
    assert sum(fuzzer.statuses.values()) == cases
    assert fuzzer.statuses[200] > cases / 20, "some requests must get through, else nothing deep was tried"
    assert len(fuzzer.statuses) >= 6, fuzzer.statuses
    assert inside.get("/v2/health/ready").status_code == 200


def test_the_fuzzer_finds_a_planted_failure(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: a handler that trips over NaN, as an error answer that quotes its input does."""

    @needs("anyone")
    async def planted(request: Request) -> Response:
        if b"NaN" in await request.body():
            raise ValueError("out of range float values are not JSON compliant")
        return Response()

    monkeypatch.setattr(operations, "routes", [*operations.routes, Route("/v1/planted", planted, methods=["POST"])])
    app = create_app(services)
    with closing(Inside(app)) as asked:
        fuzzer = Fuzzer(app, seed=11)
        # One route of many has to meet one value of many, so it takes as many cases as that.
        failures = fuzzer.run(asked.runner, 5_000)
    assert failures
    assert all(each.case.path == "/v1/planted" for each in failures)
