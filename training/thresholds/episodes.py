"""Episodes: a lead enters a stage at a time and for a reason, is there for a while, and leaves it for a reason.

Made of changes of stage in order of time, by `next_episode`, one change at a time: the store does so at each scoring
and decision, a replay of the past for all changes of a lead. What moves a lead is the stage rule (stages.py), a
person's decision, or what has happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from training.thresholds.stages import CUSTOMER, STAGES, UNQUALIFIED

ENTERED = {
    "first score": "first score",
    "score": "score",
    "threshold change": "threshold",
    "model change": "model",
    "override": "hand",
    "override ended": "hand",
    "converted": "bought",
    "closed": "lost",
    "reopened": "reopened",
}
"""Why a stage is entered, by the cause of the change."""
OBJECTION = "objection"
"""Why a stay ends of a lead that objects, and why one begins when it does not any more."""
PROGRESS = ("first score", "score", "reopened", "bought")
"""Reasons for which a lead has moved by itself; the others are people's doing, or the model's."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of stage: at (µs UTC), from `before` (None at first) to `after`; cause as in the store."""

    at: int
    before: str | None
    after: str
    cause: str


@dataclass(frozen=True, slots=True)
class Episode:
    """A stay of a lead in a stage.

    entered_at: µs UTC; entered: first score, score, threshold, model, hand, reopened, bought or lost. nth: which
    stay of the lead in this stage it is, from 1. left_at, left: None while it lasts; fell below, went on, lost, bought,
    threshold, model, hand or objection; one that begins after an objection was entered by it too.
    """

    stage: str
    entered_at: int
    entered: str
    nth: int
    left_at: int | None = None
    left: str | None = None


def next_episode(stays: int, turn: Turn) -> Episode:
    """The episode that a change begins; stays: how often the lead had been in that stage before."""
    return Episode(turn.after, turn.at, ENTERED[turn.cause], stays + 1)


def left_because(turn: Turn) -> str:
    """Why a change ends the episode before it.

    >>> down, up = Turn(1, "SQL", "MQL", "score"), Turn(1, "MQL", "SQL", "score")
    >>> left_because(down), left_because(up)
    ('fell below', 'went on')
    >>> left_because(Turn(1, "SQL", "customer", "converted"))
    'bought'
    """
    reason = ENTERED[turn.cause]
    if reason not in ("score", "first score", "reopened"):
        return reason
    rank = {stage: place for place, stage in enumerate((UNQUALIFIED, *STAGES, CUSTOMER))}
    return "went on" if rank.get(turn.after, 0) > rank.get(turn.before or UNQUALIFIED, 0) else "fell below"


def episodes_of(turns: Iterable[Turn]) -> list[Episode]:
    """The episodes of one lead, from its changes in order of time.

    >>> turns = [Turn(1, None, "SQL", "first score"), Turn(9, "SQL", "customer", "converted")]
    >>> [(stay.stage, stay.entered, stay.left) for stay in episodes_of(turns)]
    [('SQL', 'first score', 'bought'), ('customer', 'bought', None)]
    """
    episodes: list[Episode] = []
    for turn in turns:
        if episodes:
            episodes[-1] = replace(episodes[-1], left_at=turn.at, left=left_because(turn))
        stays = sum(episode.stage == turn.after for episode in episodes)
        episodes.append(next_episode(stays, turn))
    return episodes
