"""Which sources, campaigns and assets bring leads that buy: entrants of a quarter beside those of the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from serving.store.scores.entrants import KINDS, PERIODS, Entrants, EntrantsTold
from training.thresholds.stages import STAGES

Costs = Mapping[str, Mapping[str, float]]
"""What a source costs a quarter, by kind (channel, campaign, asset) and name."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Leads that entered a stage within a period, and what became of them within equal time. revenue: in the unit of
    the events' values."""

    entered: int
    went_on: int
    bought: int
    lost: int
    revenue: float


@dataclass(frozen=True, slots=True)
class SourceCohorts:
    """The entrants of a stage from one source; name: None where it is not known, kind: "" for all of them.

    reason: "" for those who came by themselves, else what has moved them. cost: of a quarter, None where nobody says.
    """

    stage: str
    kind: str
    name: str | None
    reason: str
    newest: Cohort | None
    before: Cohort | None
    cost: float | None

    @property
    def cost_per_lead(self) -> float | None:
        """What a lead of this stage costs this quarter."""
        return per(self.cost, self.newest.entered if self.newest else 0)

    @property
    def cost_per_win(self) -> float | None:
        """What a lead costs that bought within its time."""
        return per(self.cost, self.newest.bought if self.newest else 0)


def source_cohorts(entrants: EntrantsTold, costs: Costs) -> list[SourceCohorts]:
    """By stage, the highest first: all who came by themselves, who was moved, then by kind and source.

    A kind of which no lead has any is left out; the sources that bring most buyers come first.
    """
    return [row for stage in reversed(STAGES) for row in _of_stage(stage, entrants, costs)]


def per(cost: float | None, count: int) -> float | None:
    """What one costs; None where that is not known, or there is none.

    >>> per(100.0, 4), per(None, 4), per(100.0, 0)
    (25.0, None, None)
    """
    return None if cost is None or not count else cost / count


def _of_stage(stage: str, entrants: EntrantsTold, costs: Costs) -> list[SourceCohorts]:
    mine = [row for row in entrants.rows if row.stage == stage]
    once = [row for row in mine if row.kind == "channel"]
    rows = [_row(stage, "", None, "", [row for row in once if not row.reason], None)]
    rows += [
        _row(stage, "", None, reason, [row for row in once if row.reason == reason], None)
        for reason in sorted({row.reason for row in once if row.reason})
    ]
    for kind in KINDS:
        own = [row for row in mine if row.kind == kind and not row.reason]
        names = {row.source for row in own}
        if names - {None}:
            sources = [(name, [row for row in own if row.source == name]) for name in names]
            by_kind = [_row(stage, kind, name, "", of, costs.get(kind, {}).get(name or "")) for name, of in sources]
            rows += sorted(by_kind, key=_order)
    return [row for row in rows if row.newest or row.before]


def _order(row: SourceCohorts) -> tuple[bool, int, int, str]:
    newest = row.newest
    return row.name is None, -(newest.bought if newest else 0), -(newest.entered if newest else 0), row.name or ""


def _row(
    stage: str, kind: str, name: str | None, reason: str, rows: Sequence[Entrants], cost: float | None
) -> SourceCohorts:
    newest, before = (_cohort([row for row in rows if row.period == period]) for period in PERIODS)
    return SourceCohorts(stage, kind, name, reason, newest, before, cost)


def _cohort(rows: Sequence[Entrants]) -> Cohort | None:
    if not rows:
        return None
    counts: Any = {field.name: sum(getattr(row, field.name) for row in rows) for field in fields(Cohort)}
    return Cohort(**counts)
