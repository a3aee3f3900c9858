"""One lead: where it stands, why, what has changed, what to do next, and all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypedDict

from starlette.responses import Response
from starlette.routing import Route

from data.contract import US_PER_SECOND, UsageError
from features.feature_wording import named
from serving.http.lead_paths import LeadQueryRoute
from serving.http.queries import Parameters, whole_number
from serving.messages.problems import Refused
from serving.pages.leads.event_sentence import LatestEvents, known_of, sentence, situation_of
from serving.pages.leads.leads import STEPS, line_of
from serving.pages.leads.score_line import score_line
from serving.pages.leads.today import SNOOZES
from serving.pages.leads.why import one_in_words, why_of
from serving.pages.rendering.addresses import checked, company_address, key_of, lead_address
from serving.pages.rendering.page_context import PageContext, came_from
from serving.pages.rendering.page_guard import requires_role
from serving.pages.rendering.texts import known
from serving.scoring.latest_events import read_latest
from serving.scoring.next_step import next_step
from serving.scoring.served_model import ServedModel
from serving.store.events.timeline import Happening, Stretch
from serving.store.leads.decisions import REASONS
from serving.store.leads.work import Step
from serving.store.leads.worklist import CHOICES
from serving.store.leads.worklist_entry import WorklistEntry
from serving.store.scores.sections import IN_HAND
from serving.store.scores.standings import Standing
from training.thresholds.stages import UNQUALIFIED

PER_PAGE = 50
SCORES = 500
CHANGES = 20
DEEDS = 20
MINUTE = 60 * US_PER_SECOND
DAYS = (7, 30, 90)
"""For so many days a decision may hold; else until it is lifted."""


@dataclass(frozen=True)
class TimelineRow:
    """Events of the timeline that are told in one line: `count` alike within a minute, of which `event` is the newest.

    is_new: the newest score does not know it yet.
    """

    event: Happening
    count: int
    words: str
    is_new: bool


@requires_role("viewer")
def lead(context: PageContext) -> Response:
    """All about one lead. One that objects, was erased or never was answers the same: there is nothing."""
    lead_id, live = checked(context.lead_in_path), context.services.champion.live
    store, target = context.services.store, context.services.target_name
    thresholds = live.thresholds if live else []
    profiles = store.leads.shown(lead_id)
    if profiles is None:
        return context.render("no_lead.html", 404, here="leads")
    entry = store.worklist.entry(target, lead_id)
    standing = next((score for score in store.scores.standing(lead_id) if score.target == target), None)
    stretch = _stretch(context, live, lead_id)
    known_now = _known_now(live, entry, stretch.events)
    changes = [change for change in store.scores.changes(lead_id, CHANGES) if change.target == target]
    history = [score for score in store.scores.history(lead_id, SCORES) if score.target == target]
    return context.render(
        "lead.html",
        here="leads",
        back=came_from(context, "/leads", "/today"),
        lead_id=lead_id,
        key=key_of(lead_id),
        entry=entry,
        standing=standing,
        line=None if entry is None else line_of(entry, live, context),
        steps=STEPS,
        live=live,
        days=live.target.horizon_days if live else 0,
        decision=store.decisions.of(lead_id, target),
        rule=next_step(situation_of(entry, known_now, context.now)),
        told=sentence(context, live, known_now, entry.contacts or 0 if entry else 0),
        why=None if entry is None or live is None else why_of(context, live, entry),
        plot=score_line(history, changes, thresholds),
        changes=changes,
        rows=_rows(context, live, stretch.events, standing),
        older=f"{lead_address(lead_id, after=stretch.next)}#timeline" if stretch.next else "",
        is_top=not context.asked,
        profiles=profiles,
        said=lambda text: named(text, context.language, live.scorer.words if live else None),
        deeds=[(row.at, row.who, deed(context, row.action)) for row in store.audit.of(lead_id, DEEDS)],
        stages=[UNQUALIFIED, *(threshold.stage for threshold in thresholds)],
        reasons=REASONS,
        spans=DAYS,
        company_address=company_address,
        **_work_on(context, lead_id, entry),
    )


class WorkOn(TypedDict):
    """What sales did with a lead, and what the page needs to let them do more. seen: the number of the newest step."""

    work_steps: list[Step]
    seen: int
    may_act: bool
    owners: list[str]
    owner_gone: bool
    crm: str
    reasons_to_reject: Sequence[str]
    snoozes: Sequence[int]
    in_hand: Sequence[str]


def _work_on(context: PageContext, lead_id: str, entry: WorklistEntry | None) -> WorkOn:
    store, sales = context.services.store, context.services.sales
    steps, worker = store.work.of(lead_id, DEEDS), entry.worker if entry else ""
    owners = {account.name for account in store.accounts.list()} | {
        *store.worklist.choices(context.services.target_name, ["owner"])["owner"]
    }
    held = bool(entry and entry.work_state) and worker not in {*owners, *sales.owners.values()}
    return {
        "work_steps": steps,
        "seen": steps[0].number if steps else 0,
        "may_act": context.may_act(worker),
        "owners": sorted(owners)[:CHOICES],
        "owner_gone": held and not store.work.knows(worker),
        "crm": sales.address(lead_id),
        "reasons_to_reject": sales.reasons,
        "snoozes": SNOOZES,
        "in_hand": IN_HAND,
    }


def _known_now(live: ServedModel | None, entry: WorklistEntry | None, newest: Sequence[Happening]) -> LatestEvents:
    """What is known of the lead's events. newest: events; what a score does not know yet counts here."""
    latest = read_latest(entry.latest if entry else None)
    for event in newest:
        if not event.bot:
            latest[event.event_type] = max(event.occurred_at, latest.get(event.event_type, event.occurred_at))
    return known_of(live, latest)


def deed(context: PageContext, action: str) -> str:
    """An action of the audit trail in words."""
    if action.startswith("override ") and ": " in action:
        stage, _, reason = action.removeprefix("override ").rpartition(": ")
        stage = known(f"stages.{stage}", context.language, stage)
        return context.t("lead.deed_set", stage=stage, reason=known(f"lead.reason_{reason}", context.language, reason))
    if action.startswith("sales rejected: "):
        reason = action.partition(": ")[2]
        reason = known(f"today.reason_{reason}", context.language, reason.replace("_", " "))
        return context.t("lead.deed_sales_rejected", reason=reason)
    return known(f"lead.deed_{action.replace(' ', '_')}", context.language, action)


def _stretch(context: PageContext, live: ServedModel | None, lead_id: str) -> Stretch:
    """The events that the address asks for. Raises Refused for what no timeline has."""
    asked = Parameters([part for part in context.asked if part[0] in ("after", "until")], "after", "until")
    until, bots = asked.values.get("until"), live.reader.bots if live else ()
    moment = None if until is None else whole_number(until)
    if len(asked.values) > 1 or (until is not None and moment is None):
        raise Refused("invalid", "the address has a part that cannot be")
    try:
        return context.services.store.timeline.page(lead_id, bots, asked.cursor("after"), moment, PER_PAGE)
    except UsageError:
        raise Refused("invalid", "the address has a cursor that is none") from None


def _rows(
    context: PageContext, live: ServedModel | None, events: Sequence[Happening], standing: Standing | None
) -> list[TimelineRow]:
    scored = standing.as_of if standing else None
    rows = []
    for _, alike in groupby(events, key=lambda event: _likeness(event, scored)):
        first, *others = alike
        words = one_in_words(context, live, first.event_type)
        rows.append(TimelineRow(first, 1 + len(others), words, scored is not None and first.known_at >= scored))
    return rows


def _likeness(event: Happening, scored: int | None) -> tuple[object, ...]:
    """What must be the same for two events in a row to be told as one line."""
    is_new, is_late = event.known_at >= (scored or 0), event.is_late
    minute = event.occurred_at // MINUTE
    context = event.campaign, event.asset
    return event.event_type, event.channel, event.value, event.source, event.bot, context, minute, is_new, is_late


routes = [
    Route("/leads/{lead_id:path}", lead),
    LeadQueryRoute("/lead", lead, name="lead_by_query"),
]
