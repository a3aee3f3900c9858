"""Coming in and leaving: who is let in, what other sites cannot do in someone's name, and that nobody is sent away."""

from __future__ import annotations

import pytest

from serving.http.services import Services
from serving.store.access.lockout import MOST_OF_PAIR
from serving.store.store import Store
from tests.serving.pages.browser import PASSWORD, forms
from tests.serving.pages.conftest import Visits


def test_who_is_not_signed_in_is_asked_to_and_comes_where_he_wanted(visits: Visits) -> None:
    visitor = visits()
    asked = visitor.get("/leads?stage=SQL&sort=rising")
    assert asked.status_code == 303
    page = visitor.get(asked.headers["location"])
    assert page.status_code == 200
    fields = forms(page.text)["/sign-in"]
    done = visitor.post("/sign-in", data=fields | {"name": "viewer", "password": PASSWORD})
    assert (done.status_code, done.headers["location"]) == (303, "/leads?stage=SQL&sort=rising")
    assert "viewer" in visitor.get("/leads").text


def test_a_cookie_that_scripts_and_other_sites_cannot_use(visits: Visits) -> None:
    cookie = visits().sign_in("viewer").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie, "plain http on this machine"
    assert "Secure" in visits().post(
        "https://inside/sign-in", data={"name": "viewer", "password": PASSWORD}
    ).headers["set-cookie"]  # fmt: skip


def test_a_session_that_was_planted_is_not_the_one_that_is_let_in(visits: Visits) -> None:
    """Session fixation: the token that an attacker knows stays worthless."""
    visitor = visits()
    visitor.client.cookies.set("leadscore", "planted", domain="inside.local")
    assert visitor.sign_in("viewer").status_code == 303
    attacker = visits()
    attacker.client.cookies.set("leadscore", "planted")
    assert attacker.get("/leads").status_code == 303
    first = visits("viewer")
    before = first.token
    first.sign_in("viewer", headers={"cookie": ""})
    assert first.token != before


def test_signing_out_ends_the_session_for_whoever_holds_its_token(visits: Visits) -> None:
    visitor, thief = visits("viewer"), visits()
    thief.client.cookies.set("leadscore", visitor.token)
    assert thief.get("/leads").status_code == 200
    assert visitor.form("/leads", "/sign-out").status_code == 303
    assert thief.get("/leads").status_code == 303


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"other": "x"}, {}),
        ({"form": ""}, {}),
        ({"form": "0" * 64}, {}),
        ({"form": "ü"}, {}),
        (None, {"origin": "https://evil.example"}),
        (None, {"origin": "null"}),
        (None, {"sec-fetch-site": "cross-site"}),
        (None, {"sec-fetch-site": "same-site"}),
    ],
)
def test_a_form_of_another_site_does_nothing(
    visits: Visits, fields: dict[str, str] | None, headers: dict[str, str]
) -> None:
    visitor = visits("viewer")
    right = forms(visitor.get("/leads").text)["/sign-out"]
    sent = visitor.post("/sign-out", data=right if fields is None else fields, headers=headers)
    assert sent.status_code == 403
    assert visitor.get("/leads").status_code == 200, "still signed in"
    assert visitor.post("/sign-out", data=right, headers={"origin": "http://inside"}).status_code == 303


def test_a_form_made_for_another_session_does_nothing(visits: Visits) -> None:
    mine, theirs = visits("viewer"), visits("admin")
    fields = forms(mine.get("/leads").text)["/sign-out"]
    assert theirs.post("/sign-out", data=fields).status_code == 403


def test_an_account_is_locked_after_failures_with_words_of_when(visits: Visits) -> None:
    visitor = visits()
    for _ in range(MOST_OF_PAIR):
        refused = visitor.sign_in("viewer", "wrong")
        assert refused.status_code == 401
        assert "do not go together" in refused.text
    locked = visitor.sign_in("viewer")
    assert locked.status_code == 429
    assert "in 15 minutes" in locked.text
    assert visits().sign_in("editor").status_code == 303


def test_a_browser_that_has_signed_in_before_is_not_locked_out_by_strangers(visits: Visits) -> None:
    known, stranger = visits("viewer"), visits()
    for _ in range(MOST_OF_PAIR + 1):
        stranger.sign_in("viewer", "wrong")
    assert stranger.sign_in("viewer").status_code == 429
    known.client.cookies.delete("leadscore")
    assert known.sign_in("viewer").status_code == 303


def test_a_browser_that_has_signed_in_before_waits_behind_no_flood_of_strangers(
    visits: Visits, services: Services
) -> None:
    """From however many addresses they come: strangers have filled their line, and a cookie that is made up, or of
    another account, opens no other."""
    known, other, stranger = visits("viewer"), visits("editor"), visits()
    for _ in range(services.work.sign_in.line.most + 1):
        services.work.sign_in.line.enter()
    for visitor in (known, other):
        visitor.client.cookies.delete("leadscore")
    assert stranger.sign_in("viewer").status_code == 429
    stranger.client.cookies.set("device", "made.up")
    assert stranger.sign_in("viewer").status_code == 429
    assert other.sign_in("viewer").status_code == 429
    assert other.sign_in("").status_code == 429
    assert known.sign_in("viewer").status_code == 303


@pytest.mark.parametrize(
    "goal", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nset-cookie: x=1", ""]
)
def test_nobody_is_sent_to_another_site(visits: Visits, goal: str) -> None:
    visitor = visits()
    done = visitor.post("/sign-in", data={"name": "viewer", "password": PASSWORD, "next": goal})
    assert done.headers["location"] == "/today"
    for path in ("/language", "/sign-in"):
        assert visitor.get(path, params={"to": "de", "next": goal}).headers["location"] == "/today"


def test_the_language_is_the_browsers_until_one_is_chosen(visits: Visits) -> None:
    visitor = visits(language="de-AT,en;q=0.5")
    page = visitor.get("/sign-in").text
    assert '<html lang="de">' in page
    assert "Anmelden" in page
    assert visitor.get("/language?to=en&next=/sign-in").headers["location"] == "/sign-in"
    assert '<html lang="en">' in visitor.get("/sign-in").text
    visitor.get("/language?to=xx")
    assert '<html lang="en">' in visitor.get("/sign-in").text


def test_forms_that_cannot_be_read_get_a_page_that_says_so(visits: Visits) -> None:
    visitor = visits()
    assert visitor.post("/sign-in", json={"name": "viewer"}).status_code == 400
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert visitor.post("/sign-in", content=b"name=\xff", headers=form).status_code == 400
    assert visitor.post("/sign-in", content=b"a=1&" * 1000, headers=form).status_code == 422
    huge = visitor.post("/sign-in", content=b"name=" + b"x" * 100_000, headers=form)
    assert huge.status_code == 413
    assert "<h1>" in huge.text
    foreign = "\ud800".encode("utf-8", "surrogatepass").decode("latin1")
    for name, status in (("a\0b", 422), (foreign, 401), ("x" * 60_000, 422)):
        assert visitor.sign_in(name).status_code == status


def test_every_page_forbids_what_it_does_not_need(visits: Visits) -> None:
    for path in ("/sign-in", "/leads"):
        headers = visits("viewer").get(path).headers if path == "/leads" else visits().get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


def test_style_is_sent_once(visits: Visits) -> None:
    visitor = visits()
    first = visitor.get("/static/style.css")
    assert first.headers["content-type"].startswith("text/css")
    assert visitor.get("/static/style.css", headers={"if-none-match": first.headers["etag"]}).status_code == 304
    for name in ("nothing.css", "..%2Fvisit.py", "%2Fetc%2Fpasswd", "style.css%00", "."):
        assert visitor.get(f"/static/{name}").status_code == 404


def test_failed_sign_ins_are_in_the_audit_and_what_was_typed_only_where_it_is_an_account(
    visits: Visits, own_store: Store
) -> None:
    visitor = visits()
    visitor.sign_in("viewer", "wrong")
    visitor.sign_in("my-password-by-mistake", "x")
    entries = own_store.audit.entries()
    assert [(entry.who, entry.action) for entry in entries] == [
        ("account viewer", "sign-in failed"),
        ("nobody", "sign-in failed"),
    ]


def test_signing_in_is_in_the_audit(visits: Visits, own_store: Store) -> None:
    visits("editor")
    assert [(entry.who, entry.action) for entry in own_store.audit.entries()] == [("account editor", "sign in")]
