"""Why a request gets no answer: codes for programs, sentences for people, never the input itself."""

from __future__ import annotations

import re

STATUS = {
    "malformed": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "insecure": 403,
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
    "not_encoded": 415,
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
FOLDERS = re.compile(r"(?<![\w.:/])/(?!v[12]/)(?:[^/\n:;,()'\"]+/)+")
"""Folders of this machine in a sentence; a path that can be asked for is none."""
LONGEST = 400
"""Characters of a sentence; a reply stays far below 2 kB whatever was sent."""


def without_folders(sentence: str) -> str:
    """A sentence for others than those who run the server: what lies where on it is not theirs to know.

    >>> without_folders("there is no registry at /srv/löblich place/mlflow.db; see /v1/model")
    'there is no registry at mlflow.db; see /v1/model'
    """
    return FOLDERS.sub("", sentence)


class Refused(Exception):
    """A request that is refused. `code` is a key of STATUS; `detail` names the thing and what to do."""

    def __init__(self, code: str, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.retry_after = code, detail[:LONGEST], retry_after
        self.status = STATUS[code]
