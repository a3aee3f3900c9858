"""The pages of a lead are reached by any id: shown, decided about, objected, erased, and nobody else's."""

from __future__ import annotations

from html import escape

import pytest

from data.hidden_signs import visible
from data.ids import required_id
from serving.pages.rendering.addresses import key_of, lead_address
from serving.store.events.event_validation import EventIn
from serving.store.leads.decisions import REASONS
from serving.store.store import Store
from tests.serving.pages.browser import forms
from tests.serving.pages.conftest import Visits
from tests.written_ids import IDS, NO_IDS

NOW = 1_714_564_800_000_000


def test_every_lead_has_its_pages(visits: Visits, own_store: Store) -> None:
    own_store.events.add([EventIn(lead_id, "page_view", NOW) for lead_id in IDS], NOW)
    admin = visits("admin")
    for place, lead_id in enumerate(IDS):
        name, address = required_id(lead_id), lead_address(lead_id)
        assert escape(visible(name), quote=False) in admin.get(address).text.replace("&#34;", '"').replace("&#39;", "'")
        hidden = forms(admin.get("/objections").text)["/objections"]
        decision = {"lead": key_of(name), "stage": "MQL", "reason": REASONS[0], "days": "7"}
        assert admin.post("/decisions", data=hidden | decision).headers["location"] == f"{lead_address(name)}#decision"
        decided = [name for name in IDS if own_store.decisions.of(required_id(name), "conversion")]
        assert decided == [lead_id]
        assert admin.form("/objections", "/objections", lead_id=lead_id, objects="yes").status_code == 303
        assert admin.get(address).status_code == 404
        assert [name for name in IDS if own_store.leads.shown(required_id(name)) is None] == list(IDS[: place + 1])
        assert admin.form("/objections", "/objections", lead_id=lead_id, objects="no").headers["location"]
        page = f"/erasure?lead={key_of(lead_id)}"
        assert admin.form(page, "/erasure", sure="yes").status_code == 303
        assert [name for name in IDS if own_store.leads.get(required_id(name)) is None] == list(IDS[: place + 1])


@pytest.mark.parametrize("text", NO_IDS[2:])
def test_what_is_no_id_has_no_page(visits: Visits, text: str) -> None:
    admin = visits("admin")
    for address in (f"/leads/{key_of(text)}", f"/erasure?lead={key_of(text)}"):
        # NUL is refused as a parameter, whatever it is to say.
        nul = address.startswith("/erasure") and text == "\0"
        assert admin.get(address).status_code == (422 if nul else 404)
