"""Whatever stands in a query, form, path or header is parsed by one guarded way, and no value makes a server fail."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from data.contract import DataError, UsageError
from serving.app import create_app
from serving.http.queries import LONGEST, MOST_OF_ONE, MOST_PARTS, guarded
from serving.http.services import Services
from serving.messages.problems import Refused
from serving.store.access.accounts import Accounts
from serving.store.database import connection
from serving.store.database.cursor import LONGEST as LONGEST_CURSOR
from serving.store.database.store_seal import seal_of
from serving.store.events.event_validation import EventIn
from serving.store.store import Store
from tests.conftest import REPOSITORY
from tests.serving.inside import Inside
from tests.serving.pages.browser import PASSWORD, Visitor

NOW = 1_700_000_000_000_000
DOORS = ("serving/routes", "serving/pages", "serving/http")
RAW = re.compile(r"query_params|parse_qs|path_params\[|urlsplit")
GUARDS = {
    "serving/http/queries.py",  # the guard itself
    "serving/routes/leads.py",  # ids in paths, which go through data/ids.py
    "serving/routes/companies.py",  # the same
    "serving/pages/leads/companies.py",  # the same
    "serving/pages/rendering/page_context.py",  # the same
    "serving/pages/sign_in.py",  # looked up among the files that there are
    "serving/pages/trust.py",  # an address of the settings, not of a request
}
LONG = ("\N{PILE OF POO}" * 199, "ü" * 200, "a" * 200, "\N{PILE OF POO}" * 198)


def unguarded(folder: Path) -> set[str]:
    """Files that read what a request says on their own."""
    files = [path for door in DOORS for path in (folder / door).rglob("*.py")]
    assert len(files) > 20
    return {str(path.relative_to(folder)) for path in files if RAW.search(path.read_text())}


def test_nothing_else_reads_what_a_request_says() -> None:
    assert unguarded(REPOSITORY) == GUARDS


def test_a_planted_reader_of_its_own_is_caught(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "serving", tmp_path / "serving")
    (tmp_path / "serving" / "pages" / "planted.py").write_text("page = int(request.query_params['page'])\n")
    assert unguarded(tmp_path) - GUARDS == {"serving/pages/planted.py"}


@pytest.mark.parametrize("pairs", [[("a", "x\0")], [("\ud800", "")], [("a", "x" * (LONGEST + 1))], [("a", "")] * 101])
def test_what_no_database_could_compare_comes_no_further(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(Refused, match="query or form"):
        guarded(pairs)
    assert guarded([("a", "b")] * MOST_PARTS)


@pytest.fixture
def visitor(services: Services) -> Iterator[Visitor]:
    """An admin, signed in."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    database = services.store.database
    accounts = Accounts(database, seal_of(database), cheap)
    accounts.add("admin", PASSWORD, "admin", 1)
    app = create_app(replace(services, store=replace(services.store, accounts=accounts)))
    with closing(Visitor(app)) as signed_in:
        assert signed_in.sign_in("admin").status_code == 303
        yield signed_in


def nested(depth: int) -> str:
    """A receipt that nobody has signed, with something deep in it."""
    deep: list[object] = []
    for _ in range(depth):
        deep = [deep]
    values = {"id": "x", "subject": "x", "erased_at": 1, "removed": {}, "limits": deep, "signature": "x"}
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    "address",
    [f"/receipt?of={nested(400)}", f"/static/{'a' * 300}.css", "/static/a%00.css", f"/leads?after={'A' * 9000}",
     f"/leads/L1?after={'A' * 9000}", "/leads/L1?until=9223372036854775808", f"/v1/leads?cursor={'A' * 9000}",
     "/v1/leads?" + "&".join(f"profile=c{n}:x" for n in range(MOST_OF_ONE + 1)), "/v1/leads?profile=a:1&profile=A:2",
     f"/v1/events/rejected?after={2**63}", f"/v1/events/rejected?limit={10**30}"],
)  # fmt: skip
def test_hand_made_addresses_are_refused(visitor: Visitor, address: str) -> None:
    assert visitor.get(address).status_code in (404, 422)


@pytest.mark.parametrize("header", [{"host": "["}, {"host": "a:b@c"}, {"host": "[::1"}, {"host": "a/b"}])
def test_a_host_that_is_none_is_refused_before_anything_reads_it(inside: Inside, header: dict[str, str]) -> None:
    answer = inside.get("/v1/model", headers=header)
    assert (answer.status_code, answer.json()["error"]) == (400, "malformed")
    assert inside.get("/v1/model", headers={"host": "[::1]:8000"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://[", "null", "://", "https://evil.example"])
def test_a_form_from_an_origin_that_is_none_is_not_ours(visitor: Visitor, origin: str) -> None:
    assert visitor.post("/sign-out", data={"form": "x"}, headers={"origin": origin}).status_code == 403


def test_many_filters_are_answered_up_to_their_limit(inside: Inside) -> None:
    filters = "&".join(f"profile=c{n}:x" for n in range(MOST_OF_ONE))
    assert inside.get(f"/v1/leads?{filters}").status_code == 200


def test_every_list_goes_on_after_the_longest_ids(visitor: Visitor, services: Services) -> None:
    sent = [EventIn(lead, "visit", NOW, source=lead, event_id=f"{n}{lead}"[:200]) for lead in LONG for n in range(60)]
    services.store.events.add(sent, NOW)
    for order in ("lead_id", "changed_at", "change"):
        read, cursor = list[str](), ""
        while len(read) < len(LONG):
            page = visitor.get(
                "/v1/leads", params={"order": order, "limit": 1} | ({"cursor": cursor} if cursor else {})
            )
            assert page.status_code == 200, page.text
            read += [lead["lead_id"] for lead in page.json()["leads"]]
            cursor = page.json()["next"] or ""
            assert len(cursor) <= LONGEST_CURSOR
        assert sorted(read) == sorted(LONG)
    older = re.search(r'href="(/leads/[^"]*after=[^"#]*)', visitor.get(f"/leads/{LONG[0]}").text)
    assert older is not None
    assert visitor.get(older[1].replace("&amp;", "&")).status_code == 200


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**70])
def test_a_number_that_no_column_holds_makes_no_store_fail(store: Store, value: int) -> None:
    with pytest.raises((DataError, UsageError)):
        store.rejected.get(value)


def test_a_text_that_no_column_holds_makes_no_store_fail(store: Store) -> None:
    with pytest.raises(UsageError, match="cannot be kept"):
        store.leads.get("\ud800")
    if not store.database.is_sqlite:
        with pytest.raises(UsageError, match="cannot be kept"):
            store.leads.get("a\0b")
    assert store.leads.get("a") is None


def test_without_the_last_resort_it_would_fail(
    own_store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Planted fault: the store does not listen to what its driver says of values."""
    monkeypatch.setattr(connection, "refuse_unkeepable", lambda context: None)
    database = connection.connect(f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(UnicodeEncodeError), database.read() as reading:
        reading.exec_driver_sql("SELECT ?", ("\ud800",))
    database.close()
