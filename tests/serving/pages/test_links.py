"""A link for a scheduler: opens its export without a cookie, and nothing else, for no longer than it is meant to."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from sqlalchemy import select
from starlette.routing import Route

from data.contract import US_PER_DAY
from serving.app import create_app
from serving.http.openapi import methods_of
from serving.http.services import Services
from serving.pages.rendering import links
from serving.pages.rendering.links import LIFE_DAYS, by_link_or_session
from serving.pages.rendering.page_context import by_session
from serving.scoring.served_model import ServedModel
from serving.store.database.schema import accounts
from serving.store.database.store_seal import seal_of
from serving.store.store import Store
from serving.telemetry.server_log import ServerLog
from tests.serving.pages.browser import PASSWORD, Visitor
from tests.serving.pages.conftest import Visits
from tests.serving.pages.test_exports import put


@pytest.fixture
def clock() -> list[int]:
    return [1_800_000_000_000_000]


@pytest.fixture
def log_stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def services(services: Services, clock: list[int], log_stream: io.StringIO) -> Services:
    return replace(services, clock=lambda: clock[0], log=ServerLog(log_stream))


@pytest.fixture
def stranger(services: Services) -> Iterator[Visitor]:
    """A program without cookie or key."""
    with closing(Visitor(create_app(services), "de")) as visitor:
        yield visitor


def made(visits: Visits, kind: str = "csv", page: str = "/leads?search=L-1", language: str = "en") -> str:
    """The address that an editor is shown."""
    answer = visits("editor", language).form(page, "/link", kind=kind)
    assert answer.status_code == 200
    textarea = re.search(r"<textarea[^>]*>(.*?)</textarea>", answer.text)
    assert textarea is not None
    return html.unescape(textarea[1])


def test_it_opens_the_list_as_it_is_then_in_the_words_of_whoever_made_it(
    visits: Visits, stranger: Visitor, own_store: Store, live: ServedModel, clock: list[int]
) -> None:
    put(own_store, live, "L-1")
    put(own_store, live, "L-2")
    address = made(visits)
    assert address.startswith("http://inside/leads.csv?")
    put(own_store, live, "L-11")
    clock[0] += (LIFE_DAYS - 1) * US_PER_DAY
    rows = stranger.get(address).text.splitlines()
    assert [row.partition(",")[0] for row in rows] == ["Lead", "L-1", "L-11"]
    assert "Stage" in rows[0]
    german = stranger.get(made(visits, "german", "/leads", "de")).content
    assert german.startswith(b"\xef\xbb\xbfLead;Stufe")
    assert stranger.get(made(visits, "excel")).content.startswith(b"PK")
    assert own_store.audit.entries()[-1].who == "account editor"


def changed(address: str, **parts: str) -> str:
    """The address with other parts."""
    base, query = address.partition("?")[::2]
    return f"{base}?{urlencode(dict(parse_qsl(query)) | parts)}"


def faults(address: str) -> dict[str, str]:
    """The link with something in it that was not signed."""
    query = urlsplit(address).query
    signature = dict(parse_qsl(query))["signature"]
    return {
        "another list": changed(address, search="L"),
        "one filter more": f"{address}&stage=SQL",
        "one filter less": "http://inside/leads.csv?" + urlencode([p for p in parse_qsl(query) if p[0] != "search"]),
        "the filter twice": f"{address}&search=L-1",
        "another form": changed(address, form="de"),
        "another language": changed(address, language="de"),
        "another path": address.replace("/leads.csv", "/leads.xlsx"),
        "longer": changed(address, until="1900000000"),
        "no end": changed(address, until=""),
        "a word as its end": changed(address, until="never"),
        "another account": changed(address, account="admin"),
        "no account": changed(address, account="nobody"),
        "a strange account": changed(address, account="a\0ü"),
        "a bit of the signature": changed(address, signature=("0" if signature[0] != "0" else "1") + signature[1:]),
        "half of the signature": changed(address, signature=signature[:32]),
        "no signature": changed(address, signature=""),
        "a strange signature": changed(address, signature="ü"),
        "two signatures": f"{address}&signature={signature}",
    }


def test_whatever_is_changed_in_it_opens_nothing(visits: Visits, stranger: Visitor) -> None:
    address = made(visits)
    assert stranger.get(address).status_code == 200
    tried = faults(address)
    for name, other in tried.items():
        answer = stranger.get(other)
        assert answer.status_code == 403, name
        assert "dieser link öffnet nichts" in answer.text.lower(), name
    assert len(tried) >= 15


def test_a_signature_that_nobody_compares_is_caught(
    visits: Visits, stranger: Visitor, own_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: what is signed leaves out the list."""
    monkeypatch.setattr(links, "_text", lambda path, parts: path)
    address = made(visits)
    opened = {name for name, other in faults(address).items() if stranger.get(other).status_code == 200}
    assert {"another list", "longer", "another form"} <= opened


def test_the_order_of_its_parts_and_how_they_are_written_do_not_matter(visits: Visits, stranger: Visitor) -> None:
    parts = parse_qsl(urlsplit(made(visits, page="/leads?country=%C3%96+%2F")).query)
    assert ("country", "Ö /") in parts
    turned = "&".join(f"{name}={''.join(f'%{byte:02x}' for byte in value.encode())}" for name, value in parts[::-1])
    assert stranger.get(f"/leads.csv?{turned}").status_code == 200


def test_one_of_version_0_1_holds_until_its_end(
    visits: Visits, stranger: Visitor, own_store: Store, clock: list[int]
) -> None:
    address, end = made(visits), clock[0] + US_PER_DAY
    parts = {name: value for name, value in parse_qsl(urlsplit(address).query) if name != "signature"}
    parts["until"] = str(end // 1_000_000)
    with own_store.database.read() as connection:
        password = connection.scalar(select(accounts.c.password).where(accounts.c.name == "editor"))
    text = f"{password}\x1f/leads.csv?{urlencode(sorted(parts.items()))}"
    old = changed(address, until=parts["until"], signature=seal_of(own_store.database).of("link", text))
    assert stranger.get(old).status_code == 200
    assert stranger.get(changed(old, search="L")).status_code == 403
    clock[0] = end
    assert stranger.get(old).status_code == 403


def test_it_ends(visits: Visits, stranger: Visitor, clock: list[int]) -> None:
    address = made(visits)
    clock[0] += LIFE_DAYS * US_PER_DAY
    assert stranger.get(address).status_code == 403


def test_it_ends_with_the_password_and_with_the_account(visits: Visits, stranger: Visitor, own_store: Store) -> None:
    first = made(visits)
    own_store.accounts.set_password("editor", PASSWORD)
    assert stranger.get(first).status_code == 403, "the same password, set anew, is a new one"
    second = made(visits)
    assert stranger.get(second).status_code == 200
    own_store.accounts.remove("editor")
    assert stranger.get(second).status_code == 403
    own_store.accounts.add("editor", PASSWORD, "editor", 1)
    assert stranger.get(second).status_code == 403, "another account of the same name"


def test_it_opens_nothing_but_exports(visits: Visits, stranger: Visitor, services: Services) -> None:
    app = create_app(services)
    by_link = {
        f"{method} {route.path}"
        for route in app.routes
        if isinstance(route, Route) and getattr(route.endpoint, "introduced", by_session) is by_link_or_session
        for method in methods_of(route)
    }
    assert by_link == {"GET /leads.csv", "GET /leads.xlsx"}
    query = urlsplit(made(visits)).query
    for path in ("/leads", "/v1/leads/none", "/static/style.css"):
        answer = stranger.get(f"{path}?{query}")
        assert "set-cookie" not in answer.headers
        assert answer.status_code in (303, 404, 200)
        assert "L-1" not in answer.text
    assert stranger.get(f"/leads?{query}").status_code == 303
    assert stranger.post(f"/leads.csv?{query}").status_code == 405
    assert stranger.post(f"/link?{query}", data={"kind": "csv", "list": ""}).status_code == 303


def test_who_may_not_make_one_is_not_offered_one(visits: Visits) -> None:
    assert "/link" not in visits("viewer").get("/leads").text
    assert "/link" in visits("admin").get("/leads").text


@pytest.mark.parametrize(
    "fields", [{"kind": "pdf"}, {"kind": "csv", "list": "nothing=1"}, {"kind": "csv", "list": "order=x"}]
)
def test_a_link_to_what_cannot_be_is_refused(visits: Visits, fields: dict[str, str]) -> None:
    assert visits("editor").form("/leads", "/link", **fields).status_code == 422


def test_neither_log_nor_audit_tells_it(
    visits: Visits, stranger: Visitor, own_store: Store, log_stream: io.StringIO
) -> None:
    address = made(visits)
    stranger.get(address)
    stranger.get(changed(address, until="1"))
    signature = dict(parse_qsl(urlsplit(address).query))["signature"]
    written = log_stream.getvalue() + "".join(entry.action for entry in own_store.audit.entries())
    assert "/leads.csv" in written
    assert signature[:16] not in written
    assert "L-1" not in written
