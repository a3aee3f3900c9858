"""Funnel, thresholds and trust in a real browser: what axe finds, and a threshold's change that shows in the list."""

from __future__ import annotations

import time
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from serving.scoring.served_model import ServedModel
from tests.serving.pages.browser import PASSWORD
from tests.serving.pages.conftest import Town
from tests.serving.pages.test_browser import LEVELS, PLACES, TOO_WIDE, watched
from tests.serving.pages.town import rescore

PICTURED = ("/funnel", "/trust", "/thresholds?stage=SQL&by=week&value=2&capacity=1")
OUTSIDE = TOO_WIDE.replace('".hidden, thead"', '".hidden, thead, .scroll"')
"""A wide table may be moved within its own frame."""


def signed_in(page: Page, address: str) -> Page:
    page.goto(f"{address}/sign-in")
    page.fill("#name", "anna")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url(f"{address}/today")
    return page


@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place["viewport"]["width"]))
def test_pages_fit_and_axe_finds_nothing(chromium: Browser, town: Town, place: dict[str, Any]) -> None:
    complaints: list[str] = []
    context = chromium.new_context(**place)
    page = signed_in(watched(context.new_page(), town.address, complaints), town.address)
    violations = []
    for path in (*PICTURED, "/print"):
        page.goto(f"{town.address}{path}")
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert page.evaluate(OUTSIDE) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.locator("svg.picture").count() >= 1 or path not in PICTURED, path
        violations += Axe().run(page, options=LEVELS).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"][:200]) for violation in violations] == []
    assert complaints == []
    context.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_threshold_is_tried_published_and_shows_in_the_list(
    chromium: Browser, town: Town, live: ServedModel, scripts: bool
) -> None:
    context = chromium.new_context(java_script_enabled=scripts, locale="en")
    complaints: list[str] = []
    page = signed_in(watched(context.new_page(), town.address, complaints), town.address)
    wanted = "12.5" if scripts else "11"
    page.goto(f"{town.address}/thresholds?stage=SQL&by=week")
    page.fill("#value", wanted)
    if scripts:
        page.wait_for_selector(f"#outcome h3:has-text('at most {wanted}')")
        assert page.input_value("#slider") == wanted, "the slider follows the box"
    else:
        page.click(".ask[data-kind=number] button")
    page.select_option("#reason", "capacity")
    page.click(".publish button")
    assert "published=1" in page.url
    assert "waits for the next scoring" in page.content()
    rescore(town.store, live, time.time_ns() // 1000)
    page.goto(f"{town.address}/leads?stage=SQL")
    assert page.locator("tbody tr .stage.sql").count() > 0
    assert f"no more than {wanted} new ones a week" in _until_in_force(page, town.address, wanted)
    assert complaints == []
    context.close()


def _until_in_force(page: Page, address: str, wanted: str) -> str:
    """What the page says once the server has looked again."""
    for _ in range(60):
        page.goto(f"{address}/thresholds")
        if f"no more than {wanted} new ones a week" in page.content():
            break
        page.wait_for_timeout(250)
    return page.content()
