"""The list as a file, filtered and sorted as on the page: separated values in two forms, and Excel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from anyio import from_thread
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from data.contract import US_PER_DAY
from features.numbers_in_words import LANGUAGES, number
from serving.http.queries import form_pairs
from serving.messages.problems import Refused
from serving.messages.times import EPOCH
from serving.pages.exports.columns import Row, columns_of, rows
from serving.pages.exports.download import Download
from serving.pages.exports.separated import FORMS, pieces
from serving.pages.exports.workbook import MOST, workbook
from serving.pages.leads.leads import asked_of, wanted_of
from serving.pages.rendering.links import LIFE_DAYS, PARTS, by_link_or_session, link
from serving.pages.rendering.page_context import HEADERS, PageContext
from serving.pages.rendering.page_guard import requires_role
from serving.scoring.served_model import ServedModel
from serving.store.database.failures import StoreFull
from serving.store.leads.worklist_query import WantedLeads

CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PIECE = 65_536
KINDS: Mapping[str, tuple[str, str]] = {
    "excel": ("/leads.xlsx", ""),
    "csv": ("/leads.csv", ""),
    "german": ("/leads.csv", "de"),
}
"""What a list can be taken along as: path, and form of the values."""


@requires_role("viewer", by_link_or_session)
def separated(context: PageContext) -> Response:
    """The list as separated values; `form=de`: as German spreadsheets open them."""
    context, wanted, live = _asked(context, "form")
    form = FORMS.get(dict(context.asked).get("form", ""))
    if form is None:
        raise Refused("invalid", "the address has a form that is none")
    columns = columns_of(live, context)
    with _turn(context) as undo:
        return Download(
            pieces(columns, rows(columns, wanted, live, context), form),
            undo.pop_all(),
            _name(context, "csv"),
            CSV,
            HEADERS,
        )


@requires_role("viewer", by_link_or_session)
def excel(context: PageContext) -> Response:
    """The list as an Excel workbook: made as a whole first, then sent."""
    context, wanted, live = _asked(context)
    if context.services.store.worklist.has_more_than(wanted, MOST):
        raise Refused("too_many_rows", f"a sheet has {number(MOST)} rows at most")
    columns = columns_of(live, context)
    with _turn(context):
        try:
            chunks = _while_wanted(context, rows(columns, wanted, live, context))
            file = workbook(columns, chunks, context.t("leads.title"), context.language)
        except OverflowError:
            raise Refused("too_many_rows", f"a sheet has {number(MOST)} rows at most") from None
        except OSError as error:
            raise StoreFull("the temporary file of an export cannot be written") from error
    undo = ExitStack()
    undo.enter_context(file)
    return Download(iter(partial(file.read, PIECE), b""), undo, _name(context, "xlsx"), XLSX, HEADERS)


@requires_role("editor")
def make_link(context: PageContext) -> Response:
    """A link to an export of the list from which the form comes."""
    path, form = KINDS.get(context.form.get("kind", ""), ("", ""))
    asked = {
        name: value for name, value in asked_of(form_pairs(context.form.get("list", ""))).items() if name != "after"
    }
    if not path:
        raise Refused("invalid", "the form has a kind that is none")
    wanted_of(asked, context.services.target_name)
    parameters = asked | {"language": context.language} | ({"form": form} if form else {})
    until = context.now + LIFE_DAYS * US_PER_DAY
    address = f"{context.request.url.scheme}://{context.request.url.netloc}{link(context, path, parameters, until)}"
    context.services.store.audit.add(context.who, f"make a link to {path}", context.now)
    back = f"/leads?{urlencode(asked)}" if asked else "/leads"
    return context.render("link.html", address=address, ending=path.rpartition(".")[2], until=until, back=back)


def _asked(context: PageContext, *also: str) -> tuple[PageContext, WantedLeads, ServedModel]:
    """What is wanted, in the language that the address names, and the model that its words come from."""
    asked = asked_of(context.asked, ("language", *PARTS, *also))
    language: Any = asked.get("language", context.language)
    if language not in LANGUAGES:
        raise Refused("invalid", "the address has a language that is none")
    live = context.services.champion.current()
    wanted = context.services.store.worklist.meant(wanted_of(asked, live.target.name))
    return replace(context, language=language), wanted, live


def _turn(context: PageContext) -> ExitStack:
    """A turn at exporting, given back when the stack is closed. Raises Refused when all are taken."""
    turns, undo = context.services.exporting, ExitStack()
    if not turns.acquire(blocking=False):
        raise Refused("busy", "several exports are being made already", retry_after=30)
    undo.callback(turns.release)
    context.services.store.audit.add(context.who, f"export {context.request.url.path}", context.now)
    return undo


def _while_wanted(context: PageContext, chunks: Iterator[list[Row]]) -> Iterator[list[Row]]:
    """The chunks, for as long as the client waits for them."""
    for chunk in chunks:
        if from_thread.run(context.request.is_disconnected):
            raise ClientDisconnect
        yield chunk


def _name(context: PageContext, ending: str) -> str:
    return f"leads-{EPOCH + timedelta(microseconds=context.now):%Y-%m-%d}.{ending}"


routes = [
    Route("/leads.csv", separated),
    Route("/leads.xlsx", excel),
    Route("/link", make_link, methods=["POST"]),
]
