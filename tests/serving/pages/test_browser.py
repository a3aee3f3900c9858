"""Pages in a real browser: with and without scripts, light and dark, by keyboard, on a phone, and what axe finds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from serving.scoring.served_model import ServedModel
from serving.store.store import open_store
from tests.serving.pages.browser import PASSWORD
from tests.serving.pages.town import settle_in
from tests.serving.server_process import running
from tests.serving.workshop import Workshop

LEVELS = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
TOO_WIDE = """[...document.querySelectorAll("main *, header *")]
    .filter(each => each.getBoundingClientRect().right > innerWidth + 1 && !each.closest(".hidden, thead"))
    .map(each => each.outerHTML.slice(0, 120))"""
"""Whatever reaches beyond the right edge of the window."""
PLACES: tuple[dict[str, Any], ...] = (
    {"viewport": {"width": 320, "height": 640}, "color_scheme": "dark", "locale": "de", "java_script_enabled": True},
    {"viewport": {"width": 1400, "height": 900}, "color_scheme": "light", "locale": "en", "java_script_enabled": True},
    {"viewport": {"width": 3840, "height": 2160}, "color_scheme": "dark", "locale": "en", "java_script_enabled": True},
)


@pytest.fixture(scope="module")
def address(workshop: Workshop, live: ServedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with leads and an account."""
    folder = tmp_path_factory.mktemp("page")
    now = time.time_ns() // 1000
    with open_store(f"sqlite:///{folder / 'var' / 'store.db'}") as store:
        settle_in(store, workshop.log, live, now)
        store.accounts.add("anna", PASSWORD, "viewer", now)
        store.accounts.add("eve", PASSWORD, "admin", now)
    with running(workshop, folder) as start:
        server = start()
        server.ready()
        yield server.url


def watched(page: Page, address: str, complaints: list[str]) -> Page:
    """Notes errors of the console and requests to other hosts."""
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: None if sent.url.startswith(address) else complaints.append(sent.url))
    return page


def sign_in(page: Page, address: str, name: str = "anna") -> None:
    """By keyboard alone."""
    page.goto(f"{address}/leads")
    page.locator("#name").focus()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/leads")


@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place["viewport"]["width"]))
def test_pages_fit_and_axe_finds_nothing(chromium: Browser, address: str, place: dict[str, Any]) -> None:
    complaints: list[str] = []
    context = chromium.new_context(**place)
    page = watched(context.new_page(), address, complaints)
    violations = []
    page.goto(f"{address}/sign-in")
    violations += Axe().run(page, options=LEVELS).response["violations"]
    sign_in(page, address)
    assert page.locator("tbody tr").count() > 20
    assert page.evaluate(TOO_WIDE) == []
    violations += Axe().run(page, options=LEVELS).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"][:200]) for violation in violations] == []
    assert complaints == []
    context.close()


@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place["viewport"]["width"]))
def test_pages_about_one_lead_fit_and_axe_finds_nothing(chromium: Browser, address: str, place: dict[str, Any]) -> None:
    complaints: list[str] = []
    context = chromium.new_context(**place)
    page = watched(context.new_page(), address, complaints)
    sign_in(page, address, "eve")
    lead = page.locator("tbody th a").first.get_attribute("href")
    for path in ("/today?section=rest", "/sales", str(lead), "/objections", f"/erasure?lead={lead}"):
        page.goto(f"{address}{path}")
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert page.evaluate(TOO_WIDE) == [], path
        violations = Axe().run(page, options=LEVELS).response["violations"]
        assert [(violation["id"], violation["nodes"][0]["html"][:200]) for violation in violations] == [], path
    assert complaints == []
    context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_story_of_one_lead(chromium: Browser, address: str, scripts: bool) -> None:
    """Opened from the list, a reason followed to its event, a stage set and lifted, an objection, an erasure."""
    complaints: list[str] = []
    context = chromium.new_context(java_script_enabled=scripts)
    page = watched(context.new_page(), address, complaints)
    sign_in(page, address, "eve")
    lead = page.locator("tbody th a").first.inner_text()
    page.click(f"text={lead}")
    assert lead in page.locator("h1").inner_text()
    page.locator("#why ~ * a").first.click()
    assert "until=" in page.url
    assert page.locator(".events li").count() >= 1
    page.click("text=Back to the newest")
    page.click("text=Set another stage")
    page.select_option("#set", "MQL")
    page.select_option("#reason", "known")
    page.click("text=Set the stage")
    assert "known from elsewhere" in page.locator("section:has(#decision)").inner_text()
    page.goto(f"{address}/leads?search={lead}")
    assert "set by hand" in page.locator("tbody tr").first.inner_text()
    page.click(f"text={lead}")
    page.click("text=Lift it")
    assert "the model's stage holds" in page.locator("section:has(#decision)").inner_text()
    page.click("text=Note an objection")
    page.click("text=Yes, it objects")
    assert "is noted" in page.locator("[role=status]").inner_text()
    page.click("text=Undo")
    assert lead in page.locator("h1").inner_text()
    page.click("text=Erase …")
    page.check("[name=sure]")
    page.click("button.grave")
    assert "Receipt" in page.locator("h1").inner_text()
    answer = page.goto(f"{address}/leads/{lead}")
    assert answer is not None
    assert answer.status == 404
    assert [complaint for complaint in complaints if "404" not in complaint] == []
    context.close()


def test_without_scripts_a_list_is_filtered_and_paged(chromium: Browser, address: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    complaints: list[str] = []
    page = watched(context.new_page(), address, complaints)
    sign_in(page, address)
    page.select_option("#country", "DE")
    page.select_option("#order", "activity")
    page.click(".filters button")
    assert "country=DE" in page.url
    assert set(page.locator("tbody th small").all_inner_texts()) <= {
        f"DE · {owner}" for owner in ("north", "south", "key accounts")
    }
    page.click("text=Deutsch")
    assert page.locator("html").get_attribute("lang") == "de"
    assert "country=DE" in page.url
    page.click("text=Abmelden")
    assert page.url == f"{address}/sign-in"
    assert complaints == []
    context.close()


def test_axe_finds_a_planted_fault(chromium: Browser, address: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    page.evaluate("document.querySelector('label').remove()")
    assert "label" in {violation["id"] for violation in Axe().run(page, options=LEVELS).response["violations"]}
    context.close()
