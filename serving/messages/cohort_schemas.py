"""What answers about cohorts look like: who entered a stage in a quarter, and what became of them."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct


class CohortCounts(Struct, frozen=True):
    """Leads that entered, and what became of them in equal time; revenue: what their outcomes are worth."""

    entered: int
    went_on: int
    bought: int
    lost: int
    revenue: float


class SourceRow(Struct, frozen=True):
    """Entrants of a stage, in the newest quarter and in the one before.

    kind: channel, campaign or asset; null for all of them. name: null where it is not known. moved_by: null for those
    who came by themselves; threshold, model, hand or objection. cost: of a quarter, as the settings say; costs per
    entrant and per win follow from it.
    """

    stage: str
    kind: str | None
    name: str | None
    moved_by: str | None
    newest: CohortCounts | None
    before: CohortCounts | None
    cost: float | None
    cost_per_lead: float | None
    cost_per_win: float | None


class CohortsAnswer(Struct, frozen=True):
    """until: the end of the newest quarter; null where nothing was counted yet. days: the time that each lead had."""

    target: str
    until: datetime | None
    days: int
    rows: list[SourceRow]
