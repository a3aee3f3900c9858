"""The funnel's page: numbers of the last scoring, in words, with everything that came from outside as text."""

from __future__ import annotations

import time

import pytest

from serving.http.services import Services
from serving.pages.funnel import bars_of
from serving.scoring.served_model import ServedModel
from serving.store.scores.funnel import LeadOrigin
from serving.store.store import Store
from tests.serving.pages.conftest import Visits
from tests.serving.pages.test_leads import HOSTILE, put
from tests.serving.pages.town import settle_in
from tests.serving.workshop import Workshop

NOW = time.time_ns() // 1000


def test_before_the_first_scoring_it_says_what_to_wait_for(visits: Visits) -> None:
    assert "That has not happened yet" in visits("viewer").get("/funnel").text


def test_numbers_of_the_last_scoring(visits: Visits, services: Services, workshop: Workshop, live: ServedModel) -> None:
    settle_in(services.store, workshop.log, live, NOW)
    funnel = services.store.funnels.read("conversion")
    assert funnel is not None
    assert sum(funnel.counts.values()) > 20
    assert funnel.counts["customer"] > 0
    assert {source.kind for source in funnel.sources} == {"channel", "magnet"}
    assert sum(source.bought for source in funnel.sources if source.kind == "magnet") > 0
    page, seite = visits("viewer").get("/funnel").text, visits("viewer", "de").get("/funnel").text
    for said in ("went on this week", "What they came for", "Where they came from", "to"):
        assert said in page
    for said in ("Womit sie kamen", "Wo die Leads jetzt stehen"):
        assert said in seite
    assert any(said in page for said in ("e-book downloads", "white-paper downloads", "newsletter sign-ups"))


def test_bars_are_as_wide_as_there_are_leads() -> None:
    bars = bars_of({"unqualified": 1000, "MQL": 250, "SQL": 0, "customer": 500})
    assert [bar.width for bar in bars] == [400, 100, 8, 200]
    assert bars[-1].flow == ""
    assert [bar.width for bar in bars_of({"unqualified": 0})] == [8]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_sources_are_shown_and_do_nothing(visits: Visits, own_store: Store, hostile: str) -> None:
    for n in range(6):
        put(own_store, f"L{n}")
    own_store.funnels.note("conversion", [LeadOrigin(f"L{n}", hostile, hostile, NOW - 9) for n in range(6)])
    own_store.funnels.make("conversion", ["unqualified", "customer"], NOW, NOW)
    answer = visits("viewer").get("/funnel")
    assert answer.status_code == 200
    assert answer.text.count("<script") == 0
    assert "<img src=x" not in answer.text
    assert not {
        character for character in answer.text if character in "\u202e\u2066\u2069\u200b\u200f\u0085\u009f\ufeff\ufffb"
    }
    assert ("7*7" in hostile) == ("7*7" in answer.text), "nothing is computed"
