"""Today: whom to call, what is in work, waits or cools; mine first; each lead in a sentence, with what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from data.contract import NAME_LIMIT, US_PER_DAY, UsageError
from serving.pages.leads.event_sentence import known_of, sentence, situation_of
from serving.pages.leads.leads import other_steps, reason_of
from serving.pages.rendering.addresses import company_address, key_of, lead_address
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_guard import requires_role
from serving.pages.rendering.plot import Scale, path
from serving.scoring.latest_events import read_latest
from serving.scoring.next_step import Rule, next_step
from serving.scoring.served_model import ServedModel
from serving.store.events.sales_events import STATES
from serving.store.leads.queue import COUNTED, Queued, QueuedLead
from serving.store.scores.sections import IN_HAND, SECTIONS, Section

PER_PAGE = 25
LINE_DAYS = 90
WIDTH, HEIGHT = 72.0, 20.0
SNOOZES = (1, 3, 7, 14, 30, 90)
MINE, ALL, NOBODY, OWNER = "mine", "all", "nobody", "owner"


@dataclass(frozen=True)
class TodayRow:
    """A lead as Today tells it. reason: what speaks most for it, "" for nothing. line: the drawing of its scores, ""
    where there are fewer than two. may_act: whether the visitor may do something with it. chain: as in `LeadLine`."""

    lead: QueuedLead
    sentence: str
    reason: str
    rule: Rule
    line: str
    count: int
    may_act: bool
    chain: Mapping[str, float]


@dataclass(frozen=True)
class TodayView:
    """What an address asks for. worker: whose leads, see `Queued`."""

    section: Section
    whose: str
    worker: str | None
    after: str | None

    def address(self, **other: str) -> str:
        """The address of a view that differs in some parts."""
        parts = {"section": self.section, "whose": self.whose} | other
        if parts["whose"] == OWNER:
            parts.setdefault("owner", self.worker or "")
        return f"/today?{urlencode(parts)}"


@requires_role("viewer")
def today(context: PageContext) -> Response:
    """The sections, the leads of one of them, and what to do with each."""
    store, live, target = context.services.store, context.services.champion.live, context.services.target_name
    store.work.wake(target, context.now)
    view = view_of(context)
    try:
        page = store.queue.page(Queued(target, view.section, view.worker), view.after, PER_PAGE)
    except UsageError:
        page = store.queue.page(Queued(target, view.section, view.worker), None, PER_PAGE)
    counts = store.queue.counts(target, view.worker)
    return context.render(
        "today.html",
        here="today",
        view=view,
        rows=_rows(context, live, page.leads),
        tabs=[(name, view.address(section=name), counts[name]) for name in SECTIONS],
        counted=COUNTED,
        nobodys=store.queue.counts(target, "")["new"] if view.whose == MINE else 0,
        is_empty=not any(counts.values()) and view.worker is None,
        owners=store.worklist.choices(target, ["owner"])["owner"],
        scored_at=context.flow.scored_at,
        live=live,
        days=live.target.horizon_days if live else 0,
        more=view.address(after=page.next) if page.next else "",
        done=_done(context),
        key_of=key_of,
        lead_address=lead_address,
        company_address=company_address,
        crm=context.services.sales.address,
        reasons=context.services.sales.reasons,
        snoozes=SNOOZES,
        in_hand=IN_HAND,
    )


def view_of(context: PageContext) -> TodayView:
    """What the address asks for: what it has not, or what cannot be, is as it is by default."""
    asked = dict(context.asked)
    me = context.services.sales.owner_of(context.account.name if context.account else "")
    whose = asked.get("whose", "")
    if whose not in (MINE, ALL, NOBODY, OWNER):
        whose = MINE if context.services.store.queue.has(context.services.target_name, me) else ALL
    owner = asked.get("owner", "")[:NAME_LIMIT]
    worker = {MINE: me, ALL: None, NOBODY: "", OWNER: owner}[whose]
    section = next((name for name in SECTIONS if name == asked.get("section")), SECTIONS[0])
    return TodayView(section, whose, worker, asked.get("after"))


def row_of(context: PageContext, live: ServedModel | None, lead: QueuedLead, line: list[tuple[int, float]]) -> TodayRow:
    """A lead with its sentence and what to do."""
    known_now = known_of(live, {**read_latest(lead.entry.latest), **lead.since})
    situation = situation_of(lead.entry, known_now, context.now)
    said = sentence(context, live, known_now, lead.entry.contacts or 0)
    drawn, mine = _line(line, context.now), context.may_act(lead.entry.worker)
    reason, chain = reason_of(lead.entry, live, context), other_steps(lead.entry, context.services.target_name)
    return TodayRow(lead, said, reason, next_step(situation), drawn, len(line), mine, chain)


def _rows(context: PageContext, live: ServedModel | None, leads: list[QueuedLead]) -> list[TodayRow]:
    lead_ids = [lead.entry.lead_id for lead in leads]
    since = context.now - LINE_DAYS * US_PER_DAY
    lines = context.services.store.scores.lines(context.services.target_name, lead_ids, since)
    return [row_of(context, live, lead, lines.get(lead.entry.lead_id, [])) for lead in leads]


def _line(scores: list[tuple[int, float]], now: int) -> str:
    """Scores as a line in a box of WIDTH × HEIGHT; its top is a little above the highest of them."""
    if len(scores) < 2:
        return ""
    across = Scale(scores[0][0], max(now, scores[-1][0]), 2, WIDTH - 2)
    up = Scale(0, 1.1 * max(probability for _, probability in scores), HEIGHT - 1, 1)
    return path((across(as_of), up(probability)) for as_of, probability in scores)


def _done(context: PageContext) -> tuple[str, str] | None:
    """What the visitor has just done, and with which lead, as the address says it."""
    asked: Mapping[str, str] = dict(context.asked)
    done, lead = asked.get("done", ""), asked.get("lead", "")[:NAME_LIMIT]
    return (done, lead) if done in STATES.values() and lead else None


routes = [
    Route("/today", today),
]
