"""Bodies that are sent compressed: taken within the limits of what is in them, else refused as what they are."""

from __future__ import annotations

import gzip
import json

import pytest

from serving.messages.examples import LEAD
from serving.messages.limits import Limits
from tests.serving.inside import Inside

BODY = json.dumps(LEAD).encode()
GZIP = {"content-type": "application/json", "content-encoding": "gzip"}


def test_a_compressed_body_is_the_same_question(inside: Inside) -> None:
    plain = inside.post("/v1/score", content=BODY, headers={"content-type": "application/json"})
    packed = inside.post("/v1/score", content=gzip.compress(BODY), headers=GZIP)
    assert (plain.status_code, packed.status_code) == (200, 200)
    assert packed.json()["score"]["probability"] == plain.json()["score"]["probability"]


def test_a_bomb_is_refused_before_it_is_made(inside: Inside) -> None:
    """A thousandth of what is in it arrives; the limit is on what is in it."""
    bomb = gzip.compress(b" " * (100 * Limits().body))
    assert len(bomb) < Limits().body
    answer = inside.post("/v1/score", content=bomb, headers=GZIP)
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


@pytest.mark.parametrize(
    "body",
    [BODY, b"", gzip.compress(BODY)[:-1], gzip.compress(BODY) + b"x", gzip.compress(BODY) * 2, b"\x1f\x8b" + bytes(40)],
)
def test_what_is_no_whole_stream_is_malformed(inside: Inside, body: bytes) -> None:
    answer = inside.post("/v1/score", content=body, headers=GZIP)
    assert (answer.status_code, answer.json()["error"]) == (400, "malformed")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_other_encodings_are_refused_by_what_is_taken(inside: Inside, encoding: str) -> None:
    answer = inside.post("/v1/score", content=BODY, headers=GZIP | {"content-encoding": encoding})
    assert (answer.status_code, answer.json()["error"]) == (415, "not_encoded")
    assert "Content-Encoding: gzip" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready"])
def test_health_answers_who_asks_for_the_head_alone(inside: Inside, path: str) -> None:
    whole, head = inside.get(path), inside("HEAD", path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
