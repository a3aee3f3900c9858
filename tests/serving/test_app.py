"""The application is FastAPI's: what its users know of middleware, methods and routes holds here too."""

from __future__ import annotations

import copy
from contextlib import closing
from dataclasses import replace

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.app import create_app
from serving.http.services import Services
from serving.routes.operations import arrivals_of
from serving.scoring.served_model import ServedModel
from tests.serving.inside import Inside
from training.recipe.plan import Promise
from training.thresholds.spread import week_to_come


class StampMiddleware:
    """Puts a header on every answer."""

    def __init__(self, app: ASGIApp, stamp: bytes) -> None:
        self.app, self.stamp = app, stamp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-stamp", self.stamp)]
            await send(message)

        await self.app(scope, receive, stamped)


def test_middleware_that_is_added_has_an_effect(services: Services) -> None:
    app = create_app(services)
    app.add_middleware(StampMiddleware, stamp=b"here")
    with closing(Inside(app)) as inside:
        for path, status in (("/v1/model", 200), ("/nowhere", 404)):
            answer = inside.get(path)
            assert (answer.status_code, answer.headers["x-stamp"]) == (status, "here")
            assert answer.headers["x-request-id"]


def test_a_route_in_fastapis_own_way_works(services: Services) -> None:
    app = create_app(services)

    @app.get("/double")
    def double(number: int) -> dict[str, int]:
        return {"double": 2 * number}

    with closing(Inside(app)) as inside:
        assert inside.get("/double", params={"number": 21}).json() == {"double": 42}
        refused = inside.get("/double", params={"number": "never echoed"})
        assert (refused.status_code, "never echoed" in refused.text) == (422, False)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/score", "POST"),
        ("/v1/leads/L1", "DELETE, GET, HEAD, PUT"),
        ("/leads/a/b", "GET, HEAD"),
        ("/v2/health/live", "GET, HEAD"),
    ],
)
def test_another_method_is_told_which_there_are(inside: Inside, path: str, allowed: str) -> None:
    answer = inside("PATCH", path)
    assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


def test_head_answers_as_get_does(inside: Inside) -> None:
    head, get = inside("HEAD", "/v1/model"), inside.get("/v1/model")
    assert head.status_code == get.status_code == 200
    assert head.headers["content-length"] == get.headers["content-length"]
    assert "head" not in inside.get("/openapi.json").json()["paths"]["/v1/model"]


def test_a_slash_too_many_is_no_redirect(inside: Inside) -> None:
    assert inside.get("/v1/model/").status_code == 404


def test_the_model_tells_what_past_weeks_would_have_brought_as_page_and_report_do(live: ServedModel) -> None:
    made = live.grounds.threshold(Promise("SQL", per_week=6).threshold)
    assert made.probability is not None
    planned = copy.copy(live)
    planned.effective_thresholds = replace(live.effective_thresholds, thresholds=(made,))
    [arrival] = arrivals_of(planned)
    replay = live.grounds.replay
    weeks = replay.first_entries(made.probability).leads
    assert arrival.entries.mean == made.leads_per_week == week_to_come(weeks).mean
    entered = replay.known.first_entries(made.probability).leads.sum()
    assert (arrival.stage, arrival.weeks, arrival.entered) == ("SQL", len(weeks), entered)
