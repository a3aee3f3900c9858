"""A refusal as an answer over HTTP: a problem in JSON, with the headers that its code asks for."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from serving.http.answers import json
from serving.messages.problems import STATUS, without_folders
from serving.messages.schemas import Problem


def refusal(
    request_id: str,
    code: str,
    detail: str,
    retry_after: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for a key of STATUS. detail: what to do, never the input; where files lie
    is left out. retry_after: seconds."""
    response = json(Problem(code, without_folders(detail), request_id), STATUS[code])
    response.headers.update(headers or {})
    if code == "unauthorized":
        response.headers["www-authenticate"] = "Bearer"
    if retry_after is not None:
        response.headers["retry-after"] = str(retry_after)
    return response
