"""A row of the table of standings: all that the store says of where a lead stands for a target."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import RowMapping

from training.thresholds.stages import UNQUALIFIED

DECISION = ("override", "override_reason", "override_by", "override_at", "override_until")
SCORED = ("probability", "low", "high", "as_of", "scored_at", "model_version", "thresholds")
STANDS = ("stage", "model_stage", *DECISION, *SCORED)


@dataclass(frozen=True, slots=True)
class StandingRow:
    """The columns, by their names; by its defaults a lead that was never scored. Times: µs UTC.

    stage to thresholds: see `Standing`. before to chain: what lists show, see `WorklistRow`. work_state to section: see
    `serving/store/scores/sections.py`.
    """

    target: str
    lead_id: str
    stage: str = UNQUALIFIED
    model_stage: str = UNQUALIFIED
    override: str | None = None
    override_reason: str | None = None
    override_by: str | None = None
    override_at: int | None = None
    override_until: int | None = None
    probability: float | None = None
    low: float | None = None
    high: float | None = None
    as_of: int | None = None
    scored_at: int | None = None
    model_version: str | None = None
    thresholds: str | None = None
    before: float | None = None
    fit: float | None = None
    engagement: float | None = None
    reason: str | None = None
    reason_value: str | None = None
    active_at: int | None = None
    contacts: int | None = None
    ignored: int | None = None
    channel: str | None = None
    magnet: str | None = None
    came_at: int | None = None
    country: str | None = None
    owner: str | None = None
    rising: bool | None = None
    untouched: bool | None = None
    pressed: bool | None = None
    work_state: str | None = None
    worker: str = ""
    due_at: int | None = None
    fell_at: int | None = None
    section: str = "rest"
    latest: str | None = None
    campaign: str | None = None
    asset: str | None = None
    chain: str | None = None

    def has_decision(self, now: int) -> bool:
        """Whether what someone has decided holds still."""
        return self.override is not None and (self.override_until is None or self.override_until > now)

    def undecided(self) -> StandingRow:
        """The same with the stage that the model gives."""
        return replace(
            self,
            stage=self.model_stage,
            override=None,
            override_reason=None,
            override_by=None,
            override_at=None,
            override_until=None,
        )

    def ended(self, stage: str) -> StandingRow:
        """The same in a stage that is not for anyone to decide, with nothing ahead."""
        return replace(self.undecided(), stage=stage, model_stage=stage, probability=None, low=None, high=None)


def standing_row(columns: RowMapping) -> StandingRow:
    """A row that was read, all columns of it."""
    return StandingRow(**columns)
