"""What a key sends counts as its own, by every way in which it can send: one that brings ids for names is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import httpx
import pytest

from serving.app import create_app
from serving.http.authentication import KeyAuthenticator
from serving.http.services import Services
from serving.server import verifier
from serving.store.events.vocabularies import MOST
from serving.store.store import Store
from tests.serving.inside import Inside

AT = "2024-05-01T12:00:00Z"


class Sender:
    """Whoever holds a key."""

    def __init__(self, inside: Inside, key: str) -> None:
        self.inside, self.headers = inside, {"authorization": f"Bearer {key}"}

    def __call__(self, method: str, path: str, body: Any) -> httpx.Response:
        return self.inside(method, path, json=body, headers=self.headers)

    def event(self, kind: str, name: str) -> dict[str, Any]:
        """What becomes of an event that brings a name."""
        sent = {"lead_id": "L1", "event_type": "page_view", "occurred_at": AT, "event_id": name, kind: name}
        result: dict[str, Any] = self("POST", "/v1/events", {"events": [sent]}).json()["results"][0]
        return result


@pytest.fixture
def asked(services: Services, own_store: Store) -> Iterator[Inside]:
    with closing(Inside(create_app(replace(services, authenticator=KeyAuthenticator(verifier(own_store)))))) as inside:
        yield inside


@pytest.fixture
def full(asked: Inside, own_store: Store) -> Sender:
    """A key that has brought as many sources and attributes as it may."""
    sender = Sender(asked, own_store.keys.create("ingest", "of one that sends ids", 1))
    sent = [
        {"lead_id": "L1", "event_type": "page_view", "occurred_at": AT, "event_id": f"{n}", "source": f"s{n}"}
        for n in range(MOST["source"])
    ]
    assert sender("POST", "/v1/events", {"events": sent}).json()["accepted"] == len(sent)
    names = [f"a{n}" for n in range(MOST["attribute"])]
    profiles = [
        {"lead_id": f"L{start}", "profile": dict.fromkeys(names[start : start + 100], 1.0), "valid_from": AT}
        for start in range(0, len(names), 100)
    ]
    assert sender("PUT", "/v1/leads", {"leads": profiles}).status_code == 200
    return sender


def test_events_are_its_own(full: Sender) -> None:
    refused = full.event("source", "one-more")
    assert (refused["status"], "source 'one-more'" in refused["reason"]) == ("rejected", True)
    assert full.event("source", "s7")["status"] == "accepted", "a name that it has"


def test_so_are_events_that_are_replayed(full: Sender, own_store: Store, asked: Inside) -> None:
    refused = full.event("source", "one-more")
    again = full("POST", f"/v1/events/rejected/{refused['rejected_id']}/replay", {})
    assert (again.status_code, again.json()["status"]) == (200, "rejected")
    other = Sender(asked, own_store.keys.create("ingest", "of another one", 1))
    again = other("POST", f"/v1/events/rejected/{refused['rejected_id']}/replay", {})
    assert again.json()["status"] == "accepted", "who takes it upon a key of its own"


def test_so_are_profiles_of_many_leads(full: Sender) -> None:
    sent = [{"lead_id": "L1", "profile": {"zzz": 1.0}}, {"lead_id": "L1", "profile": {"a7": 2.0}}]
    refused, fine = full("PUT", "/v1/leads", {"leads": sent}).json()["results"]
    assert (refused["status"], "attribute 'zzz'" in refused["reason"]) == ("rejected", True)
    assert fine["status"] == "accepted"


def test_so_is_the_profile_of_one_lead(full: Sender) -> None:
    refused = full("PUT", "/v1/leads/L1", {"profile": {"zzz": 1.0}})
    assert (refused.status_code, "attribute 'zzz'" in refused.json()["detail"]) == (422, True)
    assert full("PUT", "/v1/leads/L1", {"profile": {"a7": 2.0}}).status_code == 200
