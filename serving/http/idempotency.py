"""Requests that may be sent again: the same Idempotency-Key and body get the same answer and have one effect."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serving.http.authentication import caller_of
from serving.http.lead_paths import address_of
from serving.http.openapi import header
from serving.http.services import Services
from serving.messages.problems import Refused
from serving.store.access.replies import Answer, Mismatch, Running

HEADER = "idempotency-key"
ABOUT = header("Idempotency-Key", "repeat a request safely: same key and body, same answer, one effect; kept for a day")
REFUSALS = ("running", "conflict", "invalid", "store_away", "store_full")
FIT = re.compile(r"[!-~]{1,200}")


async def answer_once(request: Request, body: bytes, work: Callable[[], Any]) -> Response:
    """Answers with what `work` returns, a struct; with a key only the first time, after that with what was kept.

    `work` blocks and runs in a thread. Raises Refused: `running` while the same request is being worked on, `invalid`
    for a key that came with another body.
    """
    key = request.headers.get(HEADER)
    if key is not None and not FIT.fullmatch(key):
        raise Refused("invalid", "Idempotency-Key: 1 to 200 visible ASCII characters")
    services: Services = request.app.state.services
    if key is None:
        content = await services.work.writes.run(lambda: msgspec.json.encode(work()))
    else:
        whole = " ".join((caller_of(request).who, request.method, address_of(request.scope), key))
        content = await services.work.writes.run(_remembered, services, whole, body, work)
    return Response(content, media_type="application/json")


def _remembered(services: Services, key: str, body: bytes, work: Callable[[], Any]) -> bytes:
    earlier = services.store.answers.recall(key, body, services.clock())
    match earlier:
        case Running():
            raise Refused("running", "the same request is being worked on; ask again in a moment", 1)
        case Mismatch():
            raise Refused("invalid", "this Idempotency-Key was used with another body; take a new one")
        case Answer():
            return earlier.body.encode()
    try:
        content = msgspec.json.encode(work())
    except BaseException:
        services.store.answers.release(earlier)
        raise
    services.store.answers.remember(earlier, Answer(200, content.decode()))
    return content
