"""How people come in and leave: the first page, signing in and out, the language, and files of style."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from features.wording import LANGUAGES
from serving.http.authentication import needs
from serving.messages.problems import Refused
from serving.pages.rendering.page_context import COOKIE, LANGUAGE, YEAR_S, Visit, inside, shows
from serving.store.access.accounts import LIFE, Locked

router = APIRouter()
STATIC = Path(__file__).with_name("static")
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}


@router.get("/")
@shows("anyone")
def first(visit: Visit) -> Response:
    """Leads are what most people come for."""
    return visit.to("/leads")


@router.get("/sign-in")
@shows("anyone")
def ask(visit: Visit) -> Response:
    """Asks for name and password."""
    goal = inside(visit.request.query_params.get("next", ""))
    return visit.to(goal) if visit.account else _asked(visit, goal)


@router.post("/sign-in")
@shows("anyone")
def sign_in(visit: Visit) -> Response:
    """Lets in who knows the password; the session that begins has a new token, whatever the browser had before."""
    goal, name = inside(visit.form.get("next", "")), visit.form.get("name", "")
    accounts, address = visit.services.store.accounts, visit.request.client
    try:
        token = accounts.sign_in(name, visit.form.get("password", ""), address.host if address else "", visit.now)
    except Locked:
        return _asked(visit, goal, 429, name, visit.t("sign_in.locked"))
    if token is None:
        return _asked(visit, goal, 401, name, visit.t("sign_in.wrong"))
    if visit.account is not None:
        accounts.sign_out(visit.token)
    visit.services.store.audit.add(f"account {name}", "sign in", visit.now)
    answer = visit.to(goal)
    _remember(visit, answer, COOKIE, token, LIFE // 1_000_000, http_only=True)
    return answer


@router.post("/sign-out")
@shows("viewer")
def sign_out(visit: Visit) -> Response:
    """Ends the session."""
    visit.services.store.accounts.sign_out(visit.token)
    answer = visit.to("/sign-in")
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
    return answer


@router.get("/language")
@shows("anyone")
def language(visit: Visit) -> Response:
    """Remembers a language and goes back to where the visitor was."""
    chosen = visit.request.query_params.get("to", "")
    answer = visit.to(inside(visit.request.query_params.get("next", "")))
    if chosen in LANGUAGES:
        _remember(visit, answer, LANGUAGE, chosen, YEAR_S, http_only=True)
    return answer


@router.get("/static/{name}")
@needs("anyone")
async def static(request: Request, name: str) -> Response:
    """A file of style; the browser asks again and gets it only when it has changed."""
    path = STATIC / name
    if path.suffix not in KINDS or path.parent != STATIC or not path.is_file():
        raise Refused("not_found", "there is no such file")
    tag = f'"{sha256(path.read_bytes()).hexdigest()[:16]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type=f"{KINDS[path.suffix]}; charset=utf-8", headers=headers)


def _asked(visit: Visit, goal: str, status: int = 200, name: str = "", problem: str = "") -> Response:
    return visit.page("sign_in.html", status, goal=goal, name=name, problem=problem)


def _remember(visit: Visit, answer: Response, name: str, value: str, seconds: int, http_only: bool) -> None:
    secure: Any = visit.request.url.scheme == "https"
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=secure, httponly=http_only, samesite="lax")
