"""The list as a file, filtered and sorted as on the page: separated values in two forms, and Excel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

from anyio import from_thread
from fastapi import APIRouter, Response
from starlette.requests import ClientDisconnect

from data.contract import US_PER_DAY
from features.words import LANGUAGES
from serving.messages.problems import Refused
from serving.messages.times import EPOCH
from serving.pages.exports.columns import Row, columns_of, rows
from serving.pages.exports.download import Download
from serving.pages.exports.separated import FORMS, pieces
from serving.pages.exports.workbook import MOST, workbook
from serving.pages.leads.leads import asked_of, wanted_of
from serving.pages.rendering.links import LIFE_DAYS, PARTS, by_link_or_session, link
from serving.pages.rendering.page_context import HEADERS, Visit, shows
from serving.scoring.served_model import ServedModel
from serving.store.database.connection import StoreFull
from serving.store.leads.worklist_query import Wanted

router = APIRouter()
CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PIECE = 65_536
KINDS: Mapping[str, tuple[str, str]] = {
    "excel": ("/leads.xlsx", ""),
    "csv": ("/leads.csv", ""),
    "german": ("/leads.csv", "de"),
}
"""What a list can be taken along as: path, and form of the values."""


@router.get("/leads.csv")
@shows("viewer", by_link_or_session)
def separated(visit: Visit) -> Response:
    """The list as separated values; `form=de`: as German spreadsheets open them."""
    visit, wanted, live = _asked(visit, "form")
    form = FORMS.get(visit.request.query_params.get("form", ""))
    if form is None:
        raise Refused("invalid", "the address has a form that is none")
    columns = columns_of(live, visit)
    with _turn(visit) as undo:
        return Download(
            pieces(columns, rows(columns, wanted, live, visit), form), undo.pop_all(), _name(visit, "csv"), CSV, HEADERS
        )


@router.get("/leads.xlsx")
@shows("viewer", by_link_or_session)
def excel(visit: Visit) -> Response:
    """The list as an Excel workbook: made as a whole first, then sent."""
    visit, wanted, live = _asked(visit)
    if visit.services.store.worklist.has_more_than(wanted, MOST):
        raise Refused("too_many_rows", f"a sheet has {MOST:,} rows at most")
    columns = columns_of(live, visit)
    with _turn(visit):
        try:
            chunks = _while_wanted(visit, rows(columns, wanted, live, visit))
            file = workbook(columns, chunks, visit.t("leads.title"), visit.language)
        except OverflowError:
            raise Refused("too_many_rows", f"a sheet has {MOST:,} rows at most") from None
        except OSError as error:
            raise StoreFull("the temporary file of an export cannot be written") from error
    undo = ExitStack()
    undo.enter_context(file)
    return Download(iter(partial(file.read, PIECE), b""), undo, _name(visit, "xlsx"), XLSX, HEADERS)


@router.post("/link")
@shows("editor")
def make_link(visit: Visit) -> Response:
    """A link to an export of the list from which the form comes."""
    path, form = KINDS.get(visit.form.get("kind", ""), ("", ""))
    asked = {name: value for name, value in asked_of(parse_qsl(visit.form.get("list", ""))).items() if name != "after"}
    if not path:
        raise Refused("invalid", "the form has a kind that is none")
    wanted_of(asked, visit.services.champion.current())
    told = asked | {"language": visit.language} | ({"form": form} if form else {})
    until = visit.now + LIFE_DAYS * US_PER_DAY
    address = f"{visit.request.url.scheme}://{visit.request.url.netloc}{link(visit, path, told, until)}"
    visit.services.store.audit.add(visit.who, f"make a link to {path}", visit.now)
    back = f"/leads?{urlencode(asked)}" if asked else "/leads"
    return visit.page("link.html", address=address, ending=path.rpartition(".")[2], until=until, back=back)


def _asked(visit: Visit, *also: str) -> tuple[Visit, Wanted, ServedModel]:
    """What is wanted, in the language that the address names, and the model that its words come from."""
    asked = asked_of(visit.request.query_params.multi_items(), ("language", *PARTS, *also))
    language: Any = asked.get("language", visit.language)
    if language not in LANGUAGES:
        raise Refused("invalid", "the address has a language that is none")
    live = visit.services.champion.current()
    return replace(visit, language=language), wanted_of(asked, live), live


def _turn(visit: Visit) -> ExitStack:
    """A turn at exporting, given back when the stack is closed. Raises Refused when all are taken."""
    turns, undo = visit.services.exporting, ExitStack()
    if not turns.acquire(blocking=False):
        raise Refused("busy", "several exports are being made already", retry_after=30)
    undo.callback(turns.release)
    visit.services.store.audit.add(visit.who, f"export {visit.request.url.path}", visit.now)
    return undo


def _while_wanted(visit: Visit, chunks: Iterator[list[Row]]) -> Iterator[list[Row]]:
    """The chunks, for as long as the client waits for them."""
    for each in chunks:
        if from_thread.run(visit.request.is_disconnected):
            raise ClientDisconnect
        yield each


def _name(visit: Visit, ending: str) -> str:
    return f"leads-{EPOCH + timedelta(microseconds=visit.now):%Y-%m-%d}.{ending}"
