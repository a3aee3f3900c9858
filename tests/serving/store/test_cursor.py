"""Every list is walked by one kind of cursor, which no text can make a database choke on."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import column

from data.contract import UsageError
from serving.store.database.cursor import KeysetOrder
from serving.store.leads.listing import Filters
from serving.store.leads.worklist_query import WantedLeads
from serving.store.store import Store

ORDER = KeysetOrder("probability", [column("probability"), column("lead_id")], [float, str], descending=True)


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_cursor_gives_back_its_keys(p: float, lead_id: str) -> None:
    if "\0" not in lead_id:
        assert ORDER.keys(ORDER.cursor([p, lead_id])) == [p, lead_id]


HOSTILE: list[Any] = [
    *([p, "L"] for p in (2**70, float("nan"), float("inf"), True, None, "0.5", [0.5])),
    *([0.5, lead_id] for lead_id in ("a\0b", "\ud800", 7, None, ["L"])),
    *([], [0.5], [0.5, "L", "M"]),
]


@pytest.mark.parametrize("keys", HOSTILE, ids=repr)
def test_keys_that_a_database_cannot_compare_are_refused_by_every_list(store: Store, keys: list[Any]) -> None:
    def made(name: str) -> str:
        return base64.urlsafe_b64encode(json.dumps([name, *keys]).encode()).decode()

    with pytest.raises(UsageError, match="begin without one"):
        store.listing.page(Filters(order="probability"), made("probability"))
    with pytest.raises(UsageError, match="begin without one"):
        store.worklist.page(WantedLeads("conversion"), made("probability"))
    with pytest.raises(UsageError, match="begin without one"):
        store.timeline.page("L", [], made("known_at"))


@given(st.text(max_size=40) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_other_text_is_refused_with_a_line(cursor: str) -> None:
    with pytest.raises(UsageError, match="begin without one"):
        ORDER.keys(cursor)


def test_a_cursor_fits_no_other_order() -> None:
    other = KeysetOrder("activity", ORDER.columns, ORDER.kinds)
    with pytest.raises(UsageError, match="activity"):
        other.keys(ORDER.cursor([0.5, "L"]))
