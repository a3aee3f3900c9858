"""The list of leads: who is worth attention now, why, and what has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from data.contract import NAME_LIMIT, UsageError
from serving.http.queries import Pairs, Parameters
from serving.messages.problems import Refused
from serving.pages.rendering.addresses import lead_address
from serving.pages.rendering.links import LIFE_DAYS
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_guard import requires_role
from serving.scoring.reason_wording import sentence_of
from serving.scoring.served_model import ServedModel
from serving.store.leads.worklist_entry import WorklistEntry
from serving.store.leads.worklist_query import Order, WantedLeads
from serving.store.scores.chain_steps import read_steps
from serving.store.scores.reason import read_facts

TEXTS = ("stage", "channel", "country", "owner", "search")
MARKS = ("rising", "untouched", "pressed")
KNOWN = (*TEXTS, *MARKS, "order", "after")
VIEWS: Mapping[str, Mapping[str, str]] = {
    "all": {},
    "call": {"stage": "SQL"},
    "rising": {"rising": "1"},
    "untouched": {"untouched": "1"},
    "pressed": {"pressed": "1"},
}
"""Lists that people often want, as addresses: any other may be kept as a bookmark too."""
KEPT = ("channel", "country", "owner")
"""Filters that stay when another view is chosen."""
LOG_ODDS_PER_STEP = 0.4
STEPS = 5
"""Bars of fit and engagement have five steps to either side, each of so much log-odds."""
PER_PAGE = 50


@dataclass(frozen=True)
class LeadLine:
    """A lead as the list shows it. reason: in words, "" for none. fit, engagement: -5 to 5 steps. trend: -1, 0, 1.

    chain: the other steps of a chain of targets, in order, with the probability of each.
    """

    lead: WorklistEntry
    reason: str
    fit: int
    engagement: int
    trend: int
    chain: Mapping[str, float]


@requires_role("viewer")
def leads(context: PageContext) -> Response:
    """Leads by filters that stand in the address, page by page."""
    live = context.services.champion.live
    # A mail program adds parts of its own to an address; an export is stricter, since nobody looks at what it leaves.
    asked = asked_of([(name, value) for name, value in context.asked if name in KNOWN])
    store = context.services.store.worklist
    wanted = store.meant(wanted_of(asked, context.services.target_name))
    try:
        sheet = store.page(wanted, asked.get("after"), PER_PAGE)
    except UsageError:
        raise Refused("invalid", "the address has a cursor that is none") from None
    filters = {name: value for name, value in asked.items() if name != "after"}
    lasting = {name: value for name, value in filters.items() if name in KEPT}
    return context.render(
        "leads.html",
        here="leads",
        lines=[line_of(entry, live, context) for entry in sheet.entries],
        wanted=wanted,
        asked=asked,
        choices=store.choices(wanted.target),
        views={name: _address({**lasting, **view}) for name, view in VIEWS.items()},
        view=next((name for name, view in VIEWS.items() if {**lasting, **view} == filters), ""),
        looked=sheet.looked,
        more=_address(filters | {"after": sheet.next}) if sheet.next else "",
        first=_address(filters) if "after" in asked else "",
        query=urlencode(filters),
        link_days=LIFE_DAYS,
        live=live,
        days=live.target.horizon_days if live else 0,
        orders=get_args(Order),
        lead_address=lead_address,
        steps=STEPS,
    )


def asked_of(parts: Pairs, also: Collection[str] = ()) -> dict[str, str]:
    """What the parts of an address say, without what is empty. Raises Refused for what no list has, nor `also`."""
    given = [(name, value) for name, value in parts if value]
    return Parameters(given, *KNOWN, *also).values


def wanted_of(asked: Mapping[str, str], target: str) -> WantedLeads:
    """The leads that an address means. Raises Refused for a value that cannot be."""
    order: Any = asked.get("order", "chance")
    too_long = any(len(asked.get(name, "")) > NAME_LIMIT for name in TEXTS)
    if too_long or order not in get_args(Order) or any(asked.get(mark, "1") != "1" for mark in MARKS):
        raise Refused("invalid", "the address has a value that cannot be")
    return WantedLeads(
        target,
        stage=asked.get("stage"),
        channel=asked.get("channel"),
        country=asked.get("country"),
        owner=asked.get("owner"),
        rising="rising" in asked,
        untouched="untouched" in asked,
        pressed="pressed" in asked,
        search=asked.get("search"),
        order=order,
    )


def line_of(lead: WorklistEntry, live: ServedModel | None, context: PageContext) -> LeadLine:
    """A lead in words."""
    reason, chain = reason_of(lead, live, context), other_steps(lead, context.services.target_name)
    return LeadLine(lead, reason, _steps(lead.fit), _steps(lead.engagement), _trend(lead), chain)


def other_steps(lead: WorklistEntry, target: str) -> Mapping[str, float]:
    """The steps of a chain beside the one that scores, in order; {} where there is none, or no score."""
    steps = {} if lead.probability is None else read_steps(lead.chain)
    return {name: p for name, p in steps.items() if name != target}


def reason_of(lead: WorklistEntry, live: ServedModel | None, context: PageContext) -> str:
    """What speaks most for a lead; "" when there is nothing, or it was noted by an earlier version or another model."""
    if live is None or lead.reason not in live.definitions:
        return ""
    facts = read_facts(lead.reason_value)
    return sentence_of(facts, live.scorer.words, context.telling) if facts else ""


def _steps(log_odds: float | None) -> int:
    """
    >>> _steps(-0.5), _steps(99.0), _steps(None)
    (-1, 5, 0)
    """
    return 0 if log_odds is None else max(-STEPS, min(STEPS, round(log_odds / LOG_ODDS_PER_STEP)))


def _trend(lead: WorklistEntry) -> int:
    """Whether a probability has moved by more than a tenth of itself within a week."""
    if lead.before is None or lead.probability is None:
        return 0
    return int(lead.probability > 1.1 * lead.before) - int(lead.probability < 0.9 * lead.before)


def _address(values: Mapping[str, str]) -> str:
    return f"/leads?{urlencode(values)}" if values else "/leads"


routes = [
    Route("/leads", leads),
]
