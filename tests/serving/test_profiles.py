"""Profiles of many leads in one request: each is judged as it would be alone, and a bad one costs no good one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from serving.app import create_app
from serving.http.services import Services
from serving.store.store import Store, open_store
from tests.serving.inside import Inside

AT, LATER = "2024-05-01T12:00:00Z", "2024-06-01T12:00:00Z"
SENT: list[dict[str, Any]] = [
    {"lead_id": "L1", "profile": {"industry": "software", "employees": 12}, "valid_from": AT, "account_id": "A"},
    {"lead_id": "L1", "profile": {"Industry": " software ", "employees": 12.0}, "valid_from": AT, "account_id": "A"},
    {"lead_id": "L1", "profile": {"industry": "retail"}, "valid_from": AT, "account_id": "A"},
    {"lead_id": "L1", "profile": {"industry": "retail"}, "valid_from": LATER},
    {"lead_id": "L 2", "profile": {"industry": None}},
    {"lead_id": "L3", "profile": {"phone": "1"}, "valid_from": AT},
    {"lead_id": "L3", "profile": {"note": "me@example.org"}, "valid_from": AT},
    {"lead_id": "L3", "profile": {"employees": 1e300}, "valid_from": AT},
    {"lead_id": "L3", "profile": {"industry": ["software"]}, "valid_from": AT},
    {"lead_id": "L3", "profile": {"lead_id": "x"}, "valid_from": AT},
    {"lead_id": "L3", "profile": {"a": "1", "A": "2"}, "valid_from": AT},
    {"lead_id": "L3", "profile": {"a": "tab\there"}, "valid_from": AT},
    {"lead_id": "L3", "profile": {}, "valid_from": "2024-05-01"},
    {"lead_id": "L3", "profile": {}, "valid_from": "2999-05-01T12:00:00Z"},
    {"lead_id": "L3", "profile": {}, "valid_from": AT, "odd": 1},
    {"lead_id": "L3", "profile": {}, "account_id": "x" * 201},
    {"lead_id": "erased", "profile": {}, "valid_from": AT},
    {"lead_id": "L9", "profile": {"industry": "software"}, "valid_from": AT},
]


@pytest.fixture
def asked(services: Services, store: Store) -> Iterator[Inside]:
    with closing(Inside(create_app(replace(services, store=store)))) as inside:
        yield inside


def put(asked: Inside, sent: list[dict[str, Any]]) -> Any:
    answer = asked.put("/v1/leads", json={"leads": sent})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_many_are_judged_as_one_by_one(asked: Inside, services: Services, store: Store, tmp_path: Path) -> None:
    """The single request, on a store of its own, is the second implementation."""
    statuses = []
    with open_store(f"sqlite:///{tmp_path / 'alone.db'}") as alone:
        for one in (store, alone):
            one.erasure.forget("erased", "test", 1)
        with closing(Inside(create_app(replace(services, store=alone)))) as single:
            for sent in SENT:
                body = {name: value for name, value in sent.items() if name != "lead_id"}
                answer = single.put(f"/v1/leads/{quote(sent['lead_id'])}", json=body)
                statuses.append(answer.json()["status"] if answer.status_code == 200 else "rejected")
        many = put(asked, SENT)
        assert [result["status"] for result in many["results"]] == statuses
        assert all(("reason" in result) == (result["status"] == "rejected") for result in many["results"])
        assert (many["received"], many["accepted"], many["duplicate"]) == (len(SENT), 4, 1)
        for lead_id in ("L1", "L9"):
            known = [one.leads.get(lead_id) for one in (store, alone)]
            assert known[0] is not None
            assert known[1] is not None
            assert known[0].versions == known[1].versions
            assert known[0].account_id == known[1].account_id
        assert store.leads.get("L3") is None


def test_a_thousand_go_in_one_request_and_none_more(asked: Inside, store: Store) -> None:
    sent = [{"lead_id": f"L{n}", "profile": {"employees": n}, "valid_from": AT} for n in range(1_001)]
    assert put(asked, sent[:-1])["accepted"] == 1_000
    assert put(asked, sent[:-1])["duplicate"] == 1_000
    assert asked.put("/v1/leads", json={"leads": sent}).status_code == 422
    assert asked.put("/v1/leads", json={"leads": []}).status_code == 422
    assert store.leads.get("L1000") is None


def test_the_same_request_again_has_one_effect(asked: Inside) -> None:
    headers = {"Idempotency-Key": "profiles-1"}
    sent = {"leads": [{"lead_id": "L1", "profile": {"industry": "software"}}]}
    first, second = (asked.put("/v1/leads", json=sent, headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert first.json()["accepted"] == 1
    assert asked.put("/v1/leads", json={"leads": []}, headers=headers).status_code in (409, 422)
