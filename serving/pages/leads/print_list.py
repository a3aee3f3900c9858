"""The list of leads on paper: the first of them, as filtered and sorted, with room for notes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, islice
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from serving.pages.leads.leads import MARKS, asked_of, line_of, wanted_of
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_guard import requires_role
from serving.pages.rendering.texts import known

MOST = 100


@requires_role("viewer")
def printed(context: PageContext) -> Response:
    """At most MOST leads: nobody works through more on paper."""
    live, asked = context.services.champion.current(), asked_of(context.asked)
    filters = {name: value for name, value in asked.items() if name != "after"}
    worklist = context.services.store.worklist
    wanted = worklist.meant(wanted_of(filters, live.target.name))
    walked = chain.from_iterable(worklist.walk(wanted, MOST + 1))
    entries = list(islice(walked, MOST + 1))
    return context.render(
        "print.html",
        here="leads",
        lines=[line_of(entry, live, context) for entry in entries[:MOST]],
        more=len(entries) > MOST,
        filters=_in_words(filters, context),
        order="lead_id" if wanted.search else wanted.order,
        days=live.target.horizon_days,
        back=f"/leads?{urlencode(filters)}" if filters else "/leads",
    )


def _in_words(filters: Mapping[str, str], context: PageContext) -> list[str]:
    """What the list was filtered by."""
    sentences = []
    for name, value in filters.items():
        if name in MARKS:
            sentences.append(context.t(f"leads.only_{name}"))
        elif name != "order":
            shown = known(f"stages.{value}", context.language, value) if name == "stage" else value
            sentences.append(f"{context.t(f'leads.{name}')}: {shown}")
    return sentences


routes = [
    Route("/print", printed),
]
