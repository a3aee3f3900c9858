"""What to do next with a lead: rules as data, read from the top; the first that fits says what and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from training.thresholds.stages import CUSTOMER

Step = Literal[
    "pause", "upsell", "win_back", "rest", "follow_up", "reply", "wait", "call", "contact", "hand_over", "nurture"
]
QUIET_DAYS = 60
"""Who has done nothing for so long has gone quiet."""
BACK_DAYS = 14
"""Who has done something within so long after being lost is back."""
OPEN_DAYS = 30
"""So long an offer, a meeting or an answer is what comes next."""
ANSWER_DAYS = 3
"""So long a contact may take to be answered."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the rules look at.

    stage: the one that holds. closed: lost without a deal. quiet_days: since it last did something itself, None for
    never. rising, pressed: as in the list. ruled_out: sales has rejected it. unsubscribed: it wants no mail.
    offer_days, met_days, replied_days, asked_days: since we sent an offer, since a meeting, since it turned to us by
    itself, since our last contact, None for never; each only while nothing of these has come after it. in_hand: sales
    has taken it.
    """

    stage: str
    closed: bool
    quiet_days: int | None
    rising: bool
    pressed: bool
    ruled_out: bool = False
    unsubscribed: bool = False
    offer_days: int | None = None
    met_days: int | None = None
    replied_days: int | None = None
    asked_days: int | None = None
    in_hand: bool = False

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
    Rule("ruled_out", "rest", lambda lead: lead.ruled_out),
    Rule("replied", "reply", lambda lead: _within(lead.replied_days, OPEN_DAYS)),
    Rule("offer", "follow_up", lambda lead: _within(lead.offer_days, OPEN_DAYS)),
    Rule("met", "follow_up", lambda lead: _within(lead.met_days, OPEN_DAYS)),
    Rule("asked", "wait", lambda lead: _within(lead.asked_days, ANSWER_DAYS)),
    Rule("sql_unsubscribed", "call", lambda lead: lead.stage == "SQL" and lead.unsubscribed),
    Rule("in_hand", "contact", lambda lead: lead.in_hand),
    Rule("sql", "hand_over", lambda lead: lead.stage == "SQL"),
    Rule("unsubscribed", "rest", lambda lead: lead.unsubscribed),
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
    >>> next_step(Situation("SQL", False, 3, rising=True, pressed=False, met_days=2)).step
    'follow_up'
    """
    return next(rule for rule in RULES if rule.fits(lead))


def _within(days: int | None, most: int) -> bool:
    return days is not None and days < most
