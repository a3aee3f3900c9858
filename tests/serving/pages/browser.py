"""A visitor without a browser: keeps cookies, follows forms as they stand in the page, never runs a script."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import httpx
from starlette.applications import Starlette

from tests.serving.inside import Inside

PASSWORD = "correct horse battery"


class Visitor(Inside):
    """Asks for pages of an application, one request after the other."""

    def __init__(self, app: Starlette, language: str = "en") -> None:
        super().__init__(app)
        self.client.headers["accept-language"] = language

    def sign_in(self, name: str, password: str = PASSWORD, **options: Any) -> httpx.Response:
        """Sends the form of the sign-in page."""
        return self.post("/sign-in", data={"name": name, "password": password}, **options)

    def form(self, page: str, action: str, **fields: str) -> httpx.Response:
        """Sends the form of a page that goes to `action`, with its hidden fields and these."""
        hidden = forms(self.get(page).text)[action]
        return self.post(action, data=hidden | fields)

    @property
    def token(self) -> str:
        """The session's token, "" for none."""
        return self.client.cookies.get("leadscore") or ""


class Forms(HTMLParser):
    """Collects the fields of every form by its action."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self.action: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Forms and what stands in them."""
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form" and attributes.get("method", "").lower() == "post":
            self.action = attributes["action"]
            self.found.setdefault(self.action, {})
        if tag == "input" and self.action is not None and "name" in attributes:
            self.found[self.action][attributes["name"]] = attributes.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """A form ends."""
        if tag == "form":
            self.action = None


def forms(html: str) -> dict[str, dict[str, str]]:
    """Fields of each form that is posted, by where it goes."""
    parser = Forms()
    parser.feed(html)
    return parser.found
