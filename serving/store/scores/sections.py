"""In which section of Today a lead stands: one rule over its standing, asked whenever one of its parts changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from data.contract import US_PER_DAY
from serving.store.scores.standing_row import StandingRow
from training.thresholds.stages import CUSTOMER, UNQUALIFIED

Section = Literal["new", "in_work", "waiting", "cooling", "nurture", "rest"]
SECTIONS: tuple[Section, ...] = ("new", "in_work", "waiting", "cooling", "nurture", "rest")
MARKETING, SALES = "MQL", "SQL"
HEIGHT: Mapping[str, int] = {UNQUALIFIED: 0, MARKETING: 1, SALES: 2, CUSTOMER: 3}
"""Stages by how far they are; one of another name counts as the first."""
IN_HAND = ("taken", "assigned", "accepted", "snoozed")
LET_GO = ("rejected", "returned")
"""Of these: somebody has the lead, or somebody has let it go."""
REJECTIONS = (
    "no_fit",
    "no_need",
    "no_budget",
    "timing",
    "unreachable",
    "competitor",
    "duplicate",
    "bad_data",
    "other",
)
"""Why sales rejects a lead, where the settings say nothing else: closed, since free text would hold personal data."""
COOLING_US = 14 * US_PER_DAY
"""So long a lead that has fallen from a stage is said to cool."""
FALLEN = 0.8
"""A lead within its stage cools when its probability is at most such a part of that of a week ago."""
WORKED = ("work_state", "worker", "due_at", "fell_at", "section")
"""Columns of a standing that this file decides."""


def section_of(lead: StandingRow, now: int) -> Section:
    """The section of a lead. now: µs UTC.

    Who has left the population, or was never scored, is at rest. What somebody has in hand is in work, and waits for
    an answer when the last contact had none; before a snooze ends it is at rest. Who was ruled out is at rest, who was
    handed back is nurtured, until a stage is entered anew (`worked`). For all others stage and fall decide.
    """
    if lead.probability is None or lead.stage == CUSTOMER:
        return "rest"
    if lead.work_state in IN_HAND:
        if lead.work_state == "snoozed" and lead.due_at is not None and lead.due_at > now:
            return "rest"
        return "waiting" if lead.ignored else "in_work"
    if lead.work_state == "rejected":
        return "rest"
    if lead.stage == SALES and lead.work_state != "returned":
        return "new"
    if _cools(lead, lead.probability, now):
        return "cooling"
    return "nurture" if lead.work_state == "returned" or lead.stage == MARKETING else "rest"


def worked(row: StandingRow, before: StandingRow | None, now: int) -> StandingRow:
    """`row` with what WORKED becomes where a standing changes from `before` (None for one that is new) to it.

    A lead that was let go and rises to sales again is new for them: what was said of it then stays in its history. One
    that was bought or closed needs nobody any more.
    """
    was, now_at = 0 if before is None else HEIGHT.get(before.stage, 0), HEIGHT.get(row.stage, 0)
    state, fell_at = row.work_state, row.fell_at
    if row.probability is None or _returns(row, before):
        state = None
    if now_at < was < HEIGHT[CUSTOMER] and row.probability is not None:
        fell_at = now
    elif now_at > was:
        fell_at = None
    due_at = row.due_at if state == "snoozed" else None
    worker = worker_of(state, row.worker, row.owner)
    return placed(replace(row, work_state=state, worker=worker, due_at=due_at, fell_at=fell_at), now)


def placed(row: StandingRow, now: int) -> StandingRow:
    """`row` in the section where it belongs."""
    return replace(row, section=section_of(row, now))


def worker_of(state: str | None, worker: str, owner: str | None) -> str:
    """Whose a lead is: of who has acted on it last, else of the owner that its profile names; "" for nobody."""
    return worker if state else owner or ""


def _returns(row: StandingRow, before: StandingRow | None) -> bool:
    """Whether a lead that was let go has risen to sales since."""
    return row.work_state in LET_GO and row.stage == SALES and before is not None and before.stage != SALES


def _cools(lead: StandingRow, probability: float, now: int) -> bool:
    fell = lead.fell_at is not None and now - lead.fell_at < COOLING_US
    return fell or (lead.stage == MARKETING and lead.before is not None and probability <= FALLEN * lead.before)
