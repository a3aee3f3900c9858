"""In which section of Today a lead stands: one rule over its standing, asked whenever one of its parts changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from data.contract import US_PER_DAY
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


def section_of(lead: Mapping[str, Any], now: int) -> Section:
    """The section of a lead, by its row of standings. now: µs UTC.

    Who has left the population, or was never scored, is at rest. What somebody has in hand is in work, and waits for
    an answer when the last contact had none; before a snooze ends it is at rest. Who was ruled out is at rest, who was
    handed back is nurtured, until a stage is entered anew (`worked`). For all others stage and fall decide.
    """
    if lead["probability"] is None or lead["stage"] == CUSTOMER:
        return "rest"
    state = lead["work_state"]
    if state in IN_HAND:
        if state == "snoozed" and lead["due_at"] is not None and lead["due_at"] > now:
            return "rest"
        return "waiting" if lead["ignored"] else "in_work"
    if state == "rejected":
        return "rest"
    if lead["stage"] == SALES and state != "returned":
        return "new"
    if _cools(lead, now):
        return "cooling"
    return "nurture" if state == "returned" or lead["stage"] == MARKETING else "rest"


def worked(row: Mapping[str, Any], before: Mapping[str, Any], now: int) -> dict[str, Any]:
    """What WORKED becomes where a standing changes from `before` to `row`, which has all columns.

    A lead that was let go and rises to sales again is new for them: what was said of it then stays in its history. One
    that was bought or closed needs nobody any more.
    """
    was, now_at = (HEIGHT.get(stage or "", 0) for stage in (before["stage"], row["stage"]))
    state, fell_at = row["work_state"], row["fell_at"]
    if row["probability"] is None or _returns(row, before):
        state = None
    if now_at < was < HEIGHT[CUSTOMER] and row["probability"] is not None:
        fell_at = now
    elif now_at > was:
        fell_at = None
    after = {
        "work_state": state,
        "worker": worker_of({**row, "work_state": state}),
        "due_at": row["due_at"] if state == "snoozed" else None,
        "fell_at": fell_at,
    }
    return after | {"section": section_of({**row, **after}, now)}


def worker_of(lead: Mapping[str, Any]) -> str:
    """Whose a lead is: of who has acted on it last, else of the owner that its profile names; "" for nobody."""
    return lead["worker"] if lead["work_state"] else lead["owner"] or ""


def _returns(row: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether a lead that was let go has risen to sales since."""
    return row["work_state"] in LET_GO and row["stage"] == SALES and before["stage"] not in (None, SALES)


def _cools(lead: Mapping[str, Any], now: int) -> bool:
    fell = lead["fell_at"] is not None and now - lead["fell_at"] < COOLING_US
    before, has_stage = lead["before"], lead["stage"] == MARKETING
    return fell or (has_stage and before is not None and lead["probability"] <= FALLEN * before)
