"""Why a request gets no answer: codes for programs, sentences for people, never the input itself."""

from __future__ import annotations

STATUS = {
    "malformed": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "link_ended": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "running": 409,
    "gone": 410,
    "too_slow": 408,
    "too_large": 413,
    "too_many_rows": 413,
    "not_json": 415,
    "invalid": 422,
    "objection": 451,
    "busy": 429,
    "head_too_large": 431,
    "internal": 500,
    "not_ready": 503,
    "store_away": 503,
    "unfinished": 503,
    "store_full": 507,
}
"""The HTTP status of every code."""
LONGEST = 400
"""Characters of a sentence; a reply stays far below 2 kB whatever was sent."""


class Refused(Exception):
    """A request that is refused. `code` is a key of STATUS; `detail` names the thing and what to do."""

    def __init__(self, code: str, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.retry_after = code, detail[:LONGEST], retry_after
        self.status = STATUS[code]
