"""How people come in and leave: the first page, signing in and out, the language, and files of style."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from features.numbers_in_words import LANGUAGES
from serving.edge.bulkhead import Bulkhead
from serving.edge.kinds_of_work import KindsOfWork
from serving.http.authentication import needs
from serving.messages.problems import Refused
from serving.pages.rendering.page_context import COOKIE, FIRST, LANGUAGE, YEAR_S, PageContext, inside
from serving.pages.rendering.page_guard import requires_role
from serving.store.access.accounts import LIFE, Accounts
from serving.store.access.lockout import LOCKED_MINUTES, Locked

DEVICE = "device"
"""The cookie by which a browser is known that has signed in before: no stranger's failures count for it."""
STATIC = Path(__file__).with_name("static")
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}


@requires_role("anyone")
def first(context: PageContext) -> Response:
    """What is to be done today is what most people come for."""
    return context.redirect(FIRST)


@requires_role("anyone")
def ask(context: PageContext) -> Response:
    """Asks for name and password."""
    goal = inside(dict(context.asked).get("next", ""))
    return context.redirect(goal) if context.account else _asked(context, goal)


def of_sign_ins(work: KindsOfWork, request: Request, form: Mapping[str, str] | None) -> Bulkhead:
    """Browsers that the account knows that they name wait apart, so that no flood of strangers is before them."""
    device = request.cookies.get(DEVICE, "")
    if not device:
        return work.sign_in
    accounts: Accounts = request.app.state.services.store.accounts
    return work.returning if form is None or accounts.lockout.knows(device, form.get("name", "")) else work.sign_in


@requires_role("anyone", line=of_sign_ins)
def sign_in(context: PageContext) -> Response:
    """Lets in who knows the password; the session that begins has a new token, whatever the browser had before."""
    goal, name = inside(context.form.get("next", "")), context.form.get("name", "")
    accounts, address = context.services.store.accounts, context.request.client
    try:
        token = accounts.sign_in(
            name,
            context.form.get("password", ""),
            address.host if address else "",
            context.now,
            context.request.cookies.get(DEVICE, ""),
        )
    except Locked:
        return _asked(context, goal, 429, name, context.t("sign_in.locked", minutes=LOCKED_MINUTES))
    if token is None:
        # What was typed is not repeated unless it is an account's name: it may be anything, a password too.
        tried = f"account {name}" if accounts.is_known(name) else "nobody"
        context.services.store.audit.add(tried, "sign-in failed", context.now)
        return _asked(context, goal, 401, name, context.t("sign_in.wrong"))
    if context.account is not None:
        accounts.sign_out(context.token)
    context.services.store.audit.add(f"account {name}", "sign in", context.now)
    answer = context.redirect(goal)
    _remember(context, answer, COOKIE, token, LIFE // 1_000_000, http_only=True)
    _remember(context, answer, DEVICE, accounts.lockout.device(name), YEAR_S, http_only=True)
    return answer


@requires_role("viewer")
def sign_out(context: PageContext) -> Response:
    """Ends the session."""
    context.services.store.accounts.sign_out(context.token)
    answer = context.redirect("/sign-in")
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
    return answer


@requires_role("anyone")
def language(context: PageContext) -> Response:
    """Remembers a language and goes back to where the visitor was."""
    chosen = dict(context.asked).get("to", "")
    answer = context.redirect(inside(dict(context.asked).get("next", "")))
    if chosen in LANGUAGES:
        _remember(context, answer, LANGUAGE, chosen, YEAR_S, http_only=True)
    return answer


@needs("anyone")
async def static(request: Request) -> Response:
    """A file of style; the browser asks again and gets it only when it has changed."""
    # Looked up among what there is: nothing that anyone sends becomes part of a path.
    path = next((file for file in STATIC.iterdir() if file.name == request.path_params["name"]), None)
    if path is None or path.suffix not in KINDS:
        raise Refused("not_found", "there is no such file")
    tag = f'"{sha256(path.read_bytes()).hexdigest()[:16]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type=f"{KINDS[path.suffix]}; charset=utf-8", headers=headers)


def _asked(context: PageContext, goal: str, status: int = 200, name: str = "", problem: str = "") -> Response:
    return context.render("sign_in.html", status, goal=goal, name=name, problem=problem)


def _remember(context: PageContext, answer: Response, name: str, value: str, seconds: int, http_only: bool) -> None:
    secure: Any = context.request.url.scheme == "https"
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=secure, httponly=http_only, samesite="lax")


routes = [
    Route("/", first),
    Route("/sign-in", ask),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
    Route("/language", language),
    Route("/static/{name}", static),
]
