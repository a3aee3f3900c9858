"""One lead: where it stands, why, what has changed, what to do next, and all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from fastapi import APIRouter, Response

from data.contract import US_PER_DAY, US_PER_SECOND, UsageError
from serving.messages.problems import Refused
from serving.pages.leads.leads import STEPS, line_of
from serving.pages.leads.score_line import score_line
from serving.pages.leads.why import one_in_words, why_of
from serving.pages.rendering.addresses import checked, key_of, lead_address
from serving.pages.rendering.page_context import Visit, shows
from serving.pages.rendering.texts import known
from serving.scoring.next_step import Situation, next_step
from serving.scoring.served_model import ServedModel
from serving.store.events.timeline import Happening, Stretch
from serving.store.leads.decisions import REASONS
from serving.store.leads.worklist import Entry
from serving.store.scores.scores import Standing
from training.thresholds.stages import UNQUALIFIED

router = APIRouter()
PER_PAGE = 50
SCORES = 500
CHANGES = 20
DEEDS = 20
LONGEST_CURSOR = 2_000
MINUTE = 60 * US_PER_SECOND
DAYS = (7, 30, 90)
"""For so many days a decision may hold; else until it is lifted."""


@dataclass(frozen=True)
class Row:
    """Events of the timeline that are told in one line: `count` alike within a minute, of which `event` is the newest.

    is_new: the newest score does not know it yet. is_late: it became known a day later or more.
    """

    event: Happening
    count: int
    words: str
    is_new: bool
    is_late: bool


@router.get("/leads/{lead_id:path}")
@shows("viewer")
def lead(visit: Visit) -> Response:
    """All about one lead. One that objects, was erased or never was answers the same: there is nothing."""
    lead_id, live = checked(visit.request.path_params["lead_id"]), visit.services.champion.current()
    store, target = visit.services.store, live.target.name
    profiles = store.leads.shown(lead_id)
    if profiles is None:
        return visit.page("no_lead.html", 404, here="leads")
    entry = store.worklist.entry(target, lead_id)
    standing = next((each for each in store.scores.standing(lead_id) if each.target == target), None)
    stretch = _stretch(visit, live, lead_id)
    changes = [each for each in store.scores.changes(lead_id, CHANGES) if each.target == target]
    history = [each for each in store.scores.history(lead_id, SCORES) if each.target == target]
    return visit.page(
        "lead.html",
        here="leads",
        lead_id=lead_id,
        key=key_of(lead_id),
        entry=entry,
        standing=standing,
        line=None if entry is None else line_of(entry, live, visit),
        steps=STEPS,
        days=live.target.horizon_days,
        decision=store.decisions.of(lead_id, target),
        rule=next_step(situation(visit, live, entry, stretch.events)),
        why=None if entry is None else why_of(visit, live, entry),
        plot=score_line(history, changes, live.thresholds),
        changes=changes,
        rows=_rows(visit, live, stretch.events, standing),
        older=f"{lead_address(lead_id)}?after={stretch.next}#timeline" if stretch.next else "",
        is_top=not visit.request.query_params,
        profiles=profiles,
        deeds=[(each.at, each.who, deed(visit, each.action)) for each in store.audit.of(lead_id, DEEDS)],
        stages=[UNQUALIFIED, *(each.stage for each in live.thresholds)],
        reasons=REASONS,
        spans=DAYS,
    )


def situation(visit: Visit, live: ServedModel, entry: Entry | None, newest: Sequence[Happening]) -> Situation:
    """What the rules for the next step look at. newest: events; what a score does not know yet counts here."""
    contacts = live.scorer.plan.vocabulary.groups.get("contact", ())
    own = [each.occurred_at for each in newest if not each.bot and each.event_type not in contacts]
    active = [*own, *([entry.active_at] if entry and entry.active_at is not None else [])]
    return Situation(
        stage=entry.stage if entry else UNQUALIFIED,
        closed=entry is not None and entry.probability is None and entry.stage == UNQUALIFIED,
        quiet_days=max(0, visit.now - max(active)) // US_PER_DAY if active else None,
        rising=bool(entry and entry.rising),
        pressed=bool(entry and entry.pressed),
    )


def deed(visit: Visit, action: str) -> str:
    """An action of the audit trail in words."""
    if action.startswith("override ") and ": " in action:
        stage, _, reason = action.removeprefix("override ").rpartition(": ")
        stage = known(f"stages.{stage}", visit.language, stage)
        return visit.t("lead.deed_set", stage=stage, reason=known(f"lead.reason_{reason}", visit.language, reason))
    return known(f"lead.deed_{action.replace(' ', '_')}", visit.language, action)


def _stretch(visit: Visit, live: ServedModel, lead_id: str) -> Stretch:
    """The events that the address asks for. Raises Refused for what no timeline has."""
    asked = dict(visit.request.query_params)
    until = asked.get("until")
    fine = set(asked) <= {"after", "until"} and len(asked) <= 1 and len(asked.get("after", "")) <= LONGEST_CURSOR
    if not fine or (until is not None and not (until.isascii() and until.isdecimal() and len(until) < 19)):
        raise Refused("invalid", "the address has a part that cannot be")
    bots = live.reader.bots
    try:
        return visit.services.store.timeline.page(
            lead_id, bots, asked.get("after"), None if until is None else int(until), PER_PAGE
        )
    except UsageError:
        raise Refused("invalid", "the address has a cursor that is none") from None


def _rows(visit: Visit, live: ServedModel, events: Sequence[Happening], standing: Standing | None) -> list[Row]:
    scored = standing.as_of if standing else None
    found = []
    for _, alike in groupby(events, key=lambda each: _likeness(each, scored)):
        first, *others = alike
        is_late = first.known_at - first.occurred_at >= US_PER_DAY
        words = one_in_words(visit, live, first.event_type)
        found.append(Row(first, 1 + len(others), words, scored is not None and first.known_at >= scored, is_late))
    return found


def _likeness(each: Happening, scored: int | None) -> tuple[object, ...]:
    """What must be the same for two events in a row to be told as one line."""
    is_new, is_late = each.known_at >= (scored or 0), each.known_at - each.occurred_at >= US_PER_DAY
    minute = each.occurred_at // MINUTE
    return each.event_type, each.channel, each.value, each.source, each.bot, minute, is_new, is_late
