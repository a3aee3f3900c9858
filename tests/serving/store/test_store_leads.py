"""Profiles: each version once, conflicts told, personal data kept out, objections noted."""

from __future__ import annotations

from typing import Any

import pytest

from data.contract import AHEAD, DataError
from serving.store.events.event_validation import EventIn, InvalidInput
from serving.store.leads.leads import Conflict, Erased, Version
from serving.store.store import Store

NOW = 1_700_000_000_000_000


def test_versions_are_kept_in_order_and_the_newest_holds(store: Store) -> None:
    assert store.leads.put("L1", NOW - 5, "B", {"industry": "software", "employees": 20}, NOW)
    assert store.leads.put("L1", NOW - 9, "A", {"industry": "retail", "employees": None}, NOW + 1)
    lead = store.leads.get("L1")
    assert lead is not None
    assert lead.account_id == "B"
    assert (lead.created_at, lead.changed_at) == (NOW, NOW + 1)
    assert lead.versions == [
        Version(NOW - 9, "A", {"industry": "retail"}),
        Version(NOW - 5, "B", {"employees": 20.0, "industry": "software"}),
    ]


def test_the_same_version_again_is_no_change_and_another_body_a_conflict(store: Store) -> None:
    store.leads.put("L1", NOW, None, {"industry": "software", "country": None}, NOW)
    before = store.leads.get("L1")
    assert not store.leads.put(" L1 ", NOW, None, {"industry": "software"}, NOW + 5)
    for account, attributes in ((None, {"industry": "retail"}), ("A", {"industry": "software"}), (None, {})):
        with pytest.raises(Conflict, match="another valid_from"):
            store.leads.put("L1", NOW, account, attributes, NOW + 5)
    assert store.leads.get("L1") == before


@pytest.mark.parametrize(
    ("lead_id", "valid_from", "attributes", "reason"),
    [
        ("", NOW, {}, "lead_id is missing"),
        ("L\0", NOW, {}, "control characters"),
        ("\ud800", NOW, {}, "lone surrogate"),
        ("L1", NOW + AHEAD + 1, {}, "lies in the future"),
        ("L1", 2**70, {}, "is no time"),
        ("L1", "2023-01-01", {}, "has no time of day"),
        ("L1", NOW, {"a": float("nan")}, "attribute 'a' is not finite"),
        ("L1", NOW, {"a": 2**70}, "attribute 'a' is beyond"),
        ("L1", NOW, {"a": [1]}, "attribute 'a' is no number"),
        ("L1", NOW, {"a": "x" * 201}, "201 characters"),
        ("L1", NOW, {"": 1}, "the name of an attribute is missing"),
        ("L1", NOW, {f"a{i}": i for i in range(201)}, "201 attributes, 200 are allowed"),
        ("L1", NOW, {"email": "yes"}, "personal data; leave it out, or send has_email"),
        ("L1", NOW, {"Full_Name": "x"}, "personal data"),
        ("L1", NOW, {"mobile_phone": "x"}, "personal data"),
        ("L1", NOW, {"note": "write to anna@example.org"}, "attribute 'note' holds an e-mail address"),
    ],
)
def test_what_breaks_the_contract_is_refused(
    store: Store, lead_id: Any, valid_from: Any, attributes: Any, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        store.leads.put(lead_id, valid_from, None, attributes, NOW)
    assert "anna" not in str(caught.value)
    assert store.leads.get("L1") is None


def test_flags_about_personal_data_are_welcome(store: Store) -> None:
    assert store.leads.put("L1", NOW, None, {"has_phone": "yes", "company_size": "50", "lead_source": "web"}, NOW)


def test_an_unknown_lead_is_none_and_cannot_object(store: Store) -> None:
    assert store.leads.get("L1") is None
    with pytest.raises(DataError, match="no such lead"):
        store.leads.object("L1", True, NOW)


def test_an_objection_is_noted_and_taken_back(store: Store) -> None:
    store.events.add([EventIn("L1", "page_view", NOW)], NOW)
    for objects in (True, False):
        store.leads.object("L1", objects, NOW + 7)
        lead = store.leads.get("L1")
        assert lead is not None
        assert (lead.objection, lead.changed_at) == (objects, NOW + 7)


def test_an_erased_lead_cannot_be_put(store: Store) -> None:
    store.leads.put("L1", NOW, None, {}, NOW)
    store.erasure.forget("L1", "test", NOW)
    with pytest.raises(Erased):
        store.leads.put("L1", NOW, None, {}, NOW)
    assert store.leads.get("L1") is None


@pytest.mark.parametrize("given", [{"lead_id": "x"}, {"Bucket": 3}, {"Plan": "a", "plan": "b"}])
def test_names_that_the_event_log_cannot_hold_are_refused(store: Store, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="has a name that is taken"):
        store.leads.put("L1", NOW, None, given, NOW)
