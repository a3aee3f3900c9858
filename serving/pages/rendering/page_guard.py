"""Which role a page asks for, who asks, and where a form comes from; refusals become pages in plain words.

Which route lets in whom, at a glance: tests/serving/pages/page_roles.json; parts within a page ask `context.may`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from data.contract import DataError, UsageError
from serving.edge.bulkhead import Bulkhead
from serving.edge.kinds_of_work import KindsOfWork
from serving.http.queries import form_pairs
from serving.messages.problems import STATUS, Refused
from serving.pages.rendering.page_context import PageContext, address_of, by_session, visitor_language
from serving.pages.rendering.texts import known
from serving.store.access.roles import PageRole
from serving.store.database.failures import StoreAway, StoreFull

LARGEST_FORM = 65_536
Handler = Callable[[PageContext], Response]
Introduction = Callable[[PageContext, Mapping[str, str]], PageContext]
"""How a visitor is known: the context with account and form, from that of nobody and what the form says."""
Lines = Callable[[KindsOfWork, Request, Mapping[str, str] | None], Bulkhead]
"""In which line a request waits, before its form is read (None) and then."""


def of_pages(work: KindsOfWork, request: Request, form: Mapping[str, str] | None) -> Bulkhead:
    """The line in which nearly all pages wait."""
    return work.pages


def requires_role(
    role: PageRole, introduced: Introduction = by_session, line: Lines = of_pages
) -> Callable[[Handler], Callable[..., Any]]:
    """Declares who may see a page or do what it does: the role, and those that include it; and how they are known.

    Who is not signed in is asked to, who has another role is told so. A form must have been made for the very
    session that sends it. Refusals become pages in plain words. The handler runs in a thread of its line.
    """

    def declare(handler: Handler) -> Callable[..., Any]:
        async def guarded(request: Request) -> Response:
            work: KindsOfWork = request.app.state.services.work
            try:
                line(work, request, None).check()
                form = await _form(request) if request.method == "POST" and await _may_send(request, role) else {}
                waits_in = line(work, request, {} if isinstance(form, Refused) else form)
                return await waits_in.run(_answer, handler, role, introduced, request, form)
            except Refused as error:
                return _refusal(PageContext(request, visitor_language(request)), error.code, error.retry_after)

        # Not `wraps`: what is called takes a request, and the handler does not.
        guarded.__name__, guarded.__doc__ = handler.__name__, handler.__doc__
        guarded.needs, guarded.introduced = f"page:{role}", introduced  # type: ignore[attr-defined]
        return guarded

    return declare


def _answer(
    handler: Handler, role: PageRole, introduced: Introduction, request: Request, form: Mapping[str, str] | Refused
) -> Response:
    """What is shown is of one moment; what is sent may be written by another thread, and is read afterwards."""
    database = request.app.state.services.store.database
    with database.snapshot() if request.method in ("GET", "HEAD") else nullcontext():
        return _told(handler, role, introduced, request, form)


def _told(
    handler: Handler, role: PageRole, introduced: Introduction, request: Request, form: Mapping[str, str] | Refused
) -> Response:
    context = PageContext(request, visitor_language(request))
    try:
        context = introduced(context, {} if isinstance(form, Refused) else form)
        if isinstance(form, Refused):
            raise form
        return _checked(handler, role, context)
    except Refused as error:
        return _refusal(context, error.code, error.retry_after)
    except StoreFull:
        return _refusal(context, "store_full")
    except StoreAway:
        return _refusal(context, "store_away")
    except (DataError, UsageError):
        return _refusal(context, "invalid")


def _checked(handler: Handler, role: PageRole, context: PageContext) -> Response:
    if not context.may(role):
        if context.account is None:
            return context.redirect(f"/sign-in?next={quote(address_of(context.request), safe='')}")
        raise Refused("forbidden", "this account's role does not allow that")
    if context.request.method == "POST" and not _is_ours(context):
        raise Refused("forbidden", "the form was not made for this session")
    return handler(context)


def _is_ours(context: PageContext) -> bool:
    """Whether a form comes from a page of ours; with a session it must prove that it was made for that."""
    headers = context.request.headers
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return False
    return context.account is None or context.services.store.accounts.is_form_token(
        context.token, context.form.get("form", "")
    )


def _refusal(context: PageContext, code: str, retry_after: int | None = None) -> Response:
    sentence = known(f"errors.{code}", context.language, context.t("errors.malformed"))
    answer = context.render("error.html", STATUS[code], sentence=sentence)
    if retry_after is not None:
        answer.headers["retry-after"] = str(retry_after)
    return answer


async def _may_send(request: Request, role: PageRole) -> bool:
    """Whether a form is read at all: who it comes from is looked at before."""
    context = PageContext(request, visitor_language(request))
    try:
        return role == "anyone" or (await context.services.work.pages.run(by_session, context, {})).may(role)
    except StoreAway:
        return False


async def _form(request: Request) -> dict[str, str] | Refused:
    """The fields of a form, the last of a name."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return Refused("malformed", "a form is expected")
    try:
        body = await request.app.state.services.bodies.take(request, LARGEST_FORM)
        return dict(form_pairs(body.decode("ascii")))
    except UnicodeDecodeError:
        return Refused("malformed", "the form cannot be read")
    except Refused as error:
        return error
