"""Forty hostile texts in every field of leads and events: no page and no export runs one or breaks, in a real browser.

Every page joins by the table of routes. `make proof NAME=hostile` opens each page for each text, with and without
scripts, in both languages; the cheap form opens each for some of them.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import uvicorn
from jinja2 import Environment, FileSystemLoader
from playwright.sync_api import Browser, Error, Page
from starlette.applications import Starlette
from starlette.routing import Route

from serving.http.lead_paths import LeadQueryRoute
from serving.http.openapi import operation_of
from serving.pages.rendering import page_context
from serving.pages.rendering.templates import FOLDER
from tests.serving.pages.browser import PASSWORD

NOW = time.time_ns() // 1000
FOREIGN = """[...document.querySelectorAll(`script:not([src^="/static/"]), iframe, object, embed, base, animate, style,
    meta[http-equiv], link:not([href^="/static/"]), img:not([src^="/"]), a[href^="javascript" i], a[href^="data" i],
    [style]`)].concat([...document.querySelectorAll("*")].filter(each =>
        [...each.attributes].some(one => one.name.startsWith("on")))).map(each => each.outerHTML.slice(0, 200))"""
"""What no page of ours has, so that someone else has put it there; also where the policy keeps it from running."""
FILLED = {"name": "style.css"}
"""What stands in an address for a name in braces; a lead's id for all others."""


@pytest.fixture
def address(app: Starlette) -> Iterator[str]:
    """The application behind a socket."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def pages(app: Starlette, leads: Sequence[str]) -> Iterator[str]:
    """Addresses of all pages, each for all leads; lists also as a search for each."""
    for route in app.routes:
        if not isinstance(route, Route) or operation_of(route) or "GET" not in (route.methods or ()):
            continue
        if re.search(r"\.(csv|xlsx)$", route.path) or route.path == "/language":
            continue
        if isinstance(route, LeadQueryRoute):
            yield from (f"{route.path}?{urlencode({route.about.name: lead})}" for lead in leads)
            continue
        names = re.findall(r"{(\w+)", route.path)
        if not names or set(names) <= set(FILLED):
            yield route.path.format(**FILLED)
        else:
            yield from (_filled(route.path, names, lead) for lead in leads)
    for lead in leads:
        yield "/leads?" + urlencode({"search": lead, "country": lead, "order": "lead_id"})
        yield "/print?" + urlencode({"owner": lead, "channel": lead})
        yield "/sign-in?" + urlencode({"next": lead})


def _filled(path: str, names: Sequence[str], lead: str) -> str:
    values = {name: FILLED.get(name, quote(lead, safe="")) for name in names}
    return re.sub(r":\w+}", "}", path).format(**values)


class Watch:
    """A page that notes whatever a page of ours does not do."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.address, self.complaints = address, list[str]()
        self.page: Page = self.context.new_page()
        self.page.on("dialog", self._dialog)
        self.page.on("console", lambda said: self.complaints.append(f"console: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", lambda sent: self._request(sent.url))
        self.page.on("download", lambda file: self.complaints.append(f"download: {file.url}"))

    def open(self, path: str) -> None:
        """Opens a page, and looks for what is foreign in it."""
        before = len(self.complaints)
        try:
            self.page.goto(f"{self.address}{path}")
            self._look()
        except Error as error:
            self.complaints.append(f"led elsewhere: {error.message}")
        self.complaints[before:] = [f"{path}: {complaint}" for complaint in self.complaints[before:]]

    def sign_in(self) -> None:
        self.page.goto(f"{self.address}/sign-in")
        self.page.fill("#name", "admin")
        self.page.fill("#password", PASSWORD)
        self.page.press("#password", "Enter")
        self.page.wait_for_url(f"{self.address}/today")

    def _look(self) -> None:
        if "text/html" not in self.page.evaluate("document.contentType"):
            return
        self.complaints += [f"foreign: {element}" for element in self.page.evaluate(FOREIGN)]
        if self.page.locator("body > footer").count() != 1 or not self.page.locator("main h1").is_visible():
            self.complaints.append("broken")

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, url: str) -> None:
        if not url.startswith(self.address):
            self.complaints.append(f"request: {url}")


@pytest.mark.proof("hostile")
def test_no_page_runs_one_or_breaks(
    chromium: Browser, address: str, app: Starlette, hostile: Sequence[str], full: bool
) -> None:
    wanted = list(pages(app, hostile if full else hostile[2::20]))
    assert len(wanted) >= (130 if full else 10)
    for language, scripts in (("en", True), ("de", False), ("de", True), ("en", False))[: None if full else 1]:
        watch = Watch(chromium, address, locale=language, java_script_enabled=scripts)
        watch.sign_in()
        for path in wanted:
            watch.open(path)
        watch.context.close()
        assert watch.complaints[:20] == []


@pytest.mark.proof("hostile")
def test_a_template_that_does_not_escape_is_caught(
    chromium: Browser, address: str, hostile: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault."""
    watch = Watch(chromium, address, locale="en")
    watch.sign_in()
    naked = Environment(loader=FileSystemLoader(FOLDER), autoescape=False, trim_blocks=True)
    monkeypatch.setattr(page_context, "environment", lambda: naked)
    for payload in ("<script>", "<img src=x", "<svg/onload"):
        watch.open("/print?" + urlencode({"search": payload}))
    watch.open("/print")
    watch.context.close()
    complaints = " ".join(watch.complaints)
    for said in ("foreign: <script>", "foreign: <img", "foreign: <svg", "Content Security Policy"):
        assert said in complaints, complaints[:2000]
    assert "/print: " in complaints


def test_the_watch_sees_a_dialog_and_another_host(chromium: Browser, address: str) -> None:
    """Further planted faults, which the policy would hide behind its own complaint."""
    watch = Watch(chromium, address)
    watch.page.set_content("<script>alert(1)</script><img src='http://127.0.0.1:9/x.png'>")
    assert {complaint.partition(":")[0] for complaint in watch.complaints} >= {"dialog", "request"}
    watch.context.close()
