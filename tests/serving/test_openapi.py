"""The server keeps what its OpenAPI document promises, for requests that the document allows and for others."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from data.times import NULL_DATE
from serving.app import create_app
from serving.http.authentication import KeyAuthenticator
from serving.http.services import Services
from serving.messages.times import us
from tests.serving.inside import Inside

LATE = us(datetime(9999, 12, 31, tzinfo=UTC))
pytestmark = pytest.mark.proof("contract")


def test_every_answer_is_as_documented(services: Services, full: bool) -> None:
    # A schema cannot say that a time must have passed, so here it is late enough for every time to have passed.
    late = replace(services, clock=lambda: LATE)
    with closing(Inside(create_app(late))) as inside:
        document = inside.get("/openapi.json").json()
        # Everybody may do everything here, so that requests get past the door; the next test is about the door.
        del document["security"]
        tried = _try_all(inside, document, 160 if full else 3)
    assert tried >= (3_000 if full else 60)


def test_nothing_is_told_without_a_key_that_the_document_asks_for(services: Services) -> None:
    with closing(Inside(create_app(replace(services, authenticator=KeyAuthenticator(lambda key: None))))) as asked:
        assert _try_all(asked, asked.get("/openapi.json").json(), 2) >= 30


def _try_all(asked: Inside, document: dict[str, Any], cases: int) -> int:
    """Sends so many good and as many bad requests to each operation; how many in all."""
    tried: list[str] = []
    results: Any = schemathesis.openapi.from_dict(document).get_all_operations()
    # Who is erased stays erased: what erases comes last.
    operations = sorted((result.ok() for result in results), key=lambda operation: operation.method == "delete")
    for operation in operations:
        declared = document["paths"][operation.path][operation.method]
        has_door = "security" in document and declared.get("security") != []
        can_be_wrong = declared["parameters"] or "requestBody" in declared or has_door
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)[: 2 if can_be_wrong else 1]:
            _try(asked, operation, mode, cases, tried)
    assert len(operations) >= 14
    return len(tried)


def _try(asked: Inside, operation: Any, mode: GenerationMode, cases: int, tried: list[str]) -> None:
    @settings(max_examples=cases, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        tried.append(case.method)
        arguments = case.as_transport_kwargs(base_url="http://inside")
        arguments.pop("cookies", None)
        if mode is GenerationMode.POSITIVE and "idempotency-key" in arguments["headers"]:
            # A key that comes again with another body is refused, as it must be: each good request has its own.
            arguments["headers"]["idempotency-key"] = f"{len(tried)}-{arguments['headers']['idempotency-key']}"[:200]
        if isinstance(arguments.get("data"), bytes | str):
            arguments["content"] = arguments.pop("data")
        answer = asked(**arguments)
        if mode is GenerationMode.POSITIVE and answer.status_code == 422 and NULL_DATE in answer.text:
            return  # which times are dates depends on `earliest` beside them, which a schema cannot say
        case.validate_response(schemathesis.Response.from_httpx(answer, verify=True))

    check()
