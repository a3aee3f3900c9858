"""A person without scripts at a real server: follows links and sends forms as they stand, and counts clicks."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

from tests.serving.pages.browser import PASSWORD


@dataclass
class Button:
    """A button of a form by its text; clicks: 1, and 1 more where what it is folded into must be opened first."""

    sends: dict[str, str]
    clicks: int
    text: str = ""


@dataclass
class PageForm:
    """A form: where it goes and how, the fields as they stand, and its buttons."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[Button] = field(default_factory=list)


class PageParser(HTMLParser):
    """Collects the links of a page by their text, and its forms."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.forms: list[PageForm] = []
        self._href: str | None = None
        self._text = ""
        self._select = ""
        self._folded = 0
        self._in_form = self._in_button = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Links and forms open, fields are noted."""
        attributes = {name: value or "" for name, value in attrs}
        match tag:
            case "a":
                self._href, self._text = attributes.get("href", ""), ""
            case "details":
                self._folded += 1
            case "form":
                self.forms.append(PageForm(attributes["action"], attributes.get("method", "get").lower()))
                self._in_form = True
            case "select":
                self._select = attributes.get("name", "")
            case "input" | "option" | "button" if self._in_form:
                self._note(tag, attributes)

    def _note(self, tag: str, attributes: dict[str, str]) -> None:
        form = self.forms[-1]
        if tag == "button":
            sends = {attributes["name"]: attributes.get("value", "")} if "name" in attributes else {}
            form.buttons.append(Button(sends, 1 + self._folded))
            self._in_button = True
        elif tag == "option":
            if "selected" in attributes or self._select not in form.fields:
                form.fields[self._select] = attributes.get("value", "")
        elif "name" in attributes and attributes.get("type") != "checkbox":
            form.fields[attributes["name"]] = attributes.get("value", "")

    def handle_data(self, data: str) -> None:
        """The words on links and buttons."""
        self._text += data
        if self._in_button:
            self.forms[-1].buttons[-1].text += data.strip()

    def handle_endtag(self, tag: str) -> None:
        """Links and forms close."""
        match tag:
            case "a" if self._href is not None:
                self.links.append((" ".join(self._text.split()), self._href))
                self._href = None
            case "details":
                self._folded -= 1
            case "form":
                self._in_form = False
            case "button":
                self._in_button = False


class Walker:
    """Stands on a page of a server; `clicks` since Today."""

    def __init__(self, address: str, name: str) -> None:
        self.client = httpx.Client(base_url=address, follow_redirects=True, headers={"accept-language": "en"})
        self._on(self.client.post("/sign-in", data={"name": name, "password": PASSWORD}))
        self.clicks = 0

    @property
    def page(self) -> str:
        """What the page says."""
        return self._page.text

    def home(self) -> Walker:
        """Goes back to Today, with the leads of all (whoever has taken one sees their own first): counting begins."""
        self._on(self.client.get("/today?whose=all"))
        self.clicks = 0
        return self

    def click(self, text: str) -> Walker:
        """Follows the first link whose text begins so."""
        href = next((href for said, href in self._parsed.links if said.startswith(text)), None)
        assert href is not None, f"no link {text!r} on {self._page.url}"
        self.clicks += 1
        return self._on(self.client.get(href))

    def send(self, text: str, **fields: str) -> Walker:
        """Presses the first button with this text, with these fields filled in."""
        pairs = ((form, button) for form in self._parsed.forms for button in form.buttons)
        chosen = next(((form, button) for form, button in pairs if button.text.startswith(text)), None)
        assert chosen is not None, f"no button {text!r} on {self._page.url}"
        form, button = chosen
        assert set(fields) <= set(form.fields), f"{text!r} has no field {set(fields) - set(form.fields)}"
        self.clicks += button.clicks
        values = {**form.fields, **fields, **button.sends}
        if form.method == "post":
            return self._on(self.client.post(form.action, data=values))
        return self._on(self.client.get(form.action, params=values))

    def first_link(self, prefix: str) -> str:
        """The text of the first link to an address that begins so."""
        return next(said for said, href in self._parsed.links if href.startswith(prefix))

    def _on(self, answer: httpx.Response) -> Walker:
        assert answer.status_code == 200, (answer.status_code, answer.url)
        self._page, self._parsed = answer, PageParser()
        self._parsed.feed(answer.text)
        return self
