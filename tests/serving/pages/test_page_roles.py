"""Who may see and do what on the page: every route × nobody and each role is as the committed matrix says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from serving.http.authentication import needed_by
from serving.http.openapi import methods_of, operation_of
from tests.serving.pages.browser import Visitor
from tests.serving.pages.conftest import Visits

MATRIX: dict[str, str] = json.loads(Path(__file__).with_name("page_roles.json").read_text(encoding="utf-8"))
"""Route -> the least role that it lets in."""
ORDER = ("anyone", "viewer", "editor", "admin")


def routes(app: Starlette) -> dict[str, str | None]:
    """The routes that people use, and the role that each declares."""
    shown = [route for route in app.routes if isinstance(route, Route) and not operation_of(route)]
    roles = {f"{method} {route.path}": needed_by(route.endpoint) for route in shown for method in methods_of(route)}
    return {name: role.removeprefix("page:") if role else None for name, role in roles.items()}


def let_in(visitor: Visitor, route: str) -> bool:
    """Whether a route answers a visitor with anything but `sign in first` and `not you`."""
    method, path = route.split(" ", 1)
    form = {"form": forms_token(visitor)} if method == "POST" else None
    answer = visitor(method, path.replace("{name}", "style.css").replace("{lead_id:path}", "L1"), data=form)
    assert answer.status_code < 500, route
    asked = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?next=")
    return not asked and answer.status_code != 403


def forms_token(visitor: Visitor) -> str:
    """What a visitor's own forms bring along; nothing for one who is not signed in."""
    if not visitor.token:
        return ""
    accounts = visitor.app.state.services.store.accounts
    return str(accounts.form_token(visitor.token))


def test_every_route_declares_what_the_matrix_names(app: Starlette) -> None:
    assert len(MATRIX) >= 6
    assert routes(app) == MATRIX


@pytest.mark.parametrize("who", ORDER)
def test_every_route_lets_in_exactly_whom_the_matrix_names(app: Starlette, visits: Visits, who: str) -> None:
    visitor = visits(None if who == "anyone" else who)
    allowed = {}
    for route in sorted(MATRIX, key=lambda route: "/sign-out" in route):
        allowed[route] = let_in(visitor, route)
    assert allowed == {route: ORDER.index(who) >= ORDER.index(least) for route, least in MATRIX.items()}
