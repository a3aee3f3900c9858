"""What to do next with a lead: rules as data, read from the top; the first that fits says what and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from training.thresholds.stages import CUSTOMER

Step = Literal["pause", "upsell", "win_back", "rest", "hand_over", "nurture"]
QUIET_DAYS = 60
"""Who has done nothing for so long has gone quiet."""
BACK_DAYS = 14
"""Who has done something within so long after being lost is back."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the rules look at.

    stage: the one that holds. closed: lost without a deal. quiet_days: since it last did something itself, None for
    never. rising, pressed: as in the list.
    """

    stage: str
    closed: bool
    quiet_days: int | None
    rising: bool
    pressed: bool

    @property
    def is_quiet(self) -> bool:
        """Once active, and no longer."""
        return self.quiet_days is not None and self.quiet_days >= QUIET_DAYS

    @property
    def is_back(self) -> bool:
        """Active these days."""
        return self.quiet_days is not None and self.quiet_days < BACK_DAYS


@dataclass(frozen=True, slots=True)
class Rule:
    """When a step is due. name: by which the page has the rule in words."""

    name: str
    step: Step
    fits: Callable[[Situation], bool]


RULES: tuple[Rule, ...] = (
    Rule("pressed", "pause", lambda lead: lead.pressed),
    Rule("customer_quiet", "win_back", lambda lead: lead.stage == CUSTOMER and lead.is_quiet),
    Rule("customer", "upsell", lambda lead: lead.stage == CUSTOMER),
    Rule("lost_back", "win_back", lambda lead: lead.closed and lead.is_back),
    Rule("lost", "rest", lambda lead: lead.closed),
    Rule("sql", "hand_over", lambda lead: lead.stage == "SQL"),
    Rule("mql", "nurture", lambda lead: lead.stage == "MQL"),
    Rule("rising", "nurture", lambda lead: lead.rising),
    Rule("quiet", "win_back", lambda lead: lead.is_quiet),
    Rule("early", "nurture", lambda lead: True),
)


def next_step(lead: Situation) -> Rule:
    """The first rule that fits; the last one fits everybody.

    >>> next_step(Situation("SQL", False, 3, rising=True, pressed=True)).step
    'pause'
    >>> next_step(Situation("SQL", False, 3, rising=True, pressed=False)).name
    'sql'
    """
    return next(rule for rule in RULES if rule.fits(lead))
