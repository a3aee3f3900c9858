"""What would have arrived, the slow way: lead by lead and score by score, by the rule that moves leads in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.contract import US_PER_DAY
from training.thresholds.episodes import Episode, Turn, episodes_of
from training.thresholds.stages import StageThreshold, next_stage

WEEK, MONDAY = 7 * US_PER_DAY, 4 * US_PER_DAY


@dataclass(frozen=True)
class Row:
    """A score of the past. at: µs UTC. won: whether the lead converted within the horizon."""

    lead: str
    at: int
    p: float
    won: bool


@dataclass(frozen=True)
class Week:
    """Of one week: first entries, those of them that converted, entries again, and who stood there at its end."""

    entries: int
    wins: int
    returns: int
    stock: int


def stays_of(rows: Sequence[Row], thresholds: Sequence[StageThreshold]) -> list[Episode]:
    """The episodes of one lead, its rows in order of time."""
    turns, stage = [], None
    for row in rows:
        after = next_stage(stage, row.p, thresholds)
        if after != stage:
            turns.append(Turn(row.at, stage, after, "score" if stage else "first score"))
        stage = after
    return episodes_of(turns)


def weeks_of(rows: Sequence[Row], probability: float, first: int, count: int) -> list[Week]:
    """Week by week from number `first` on, of one stage that begins at a probability."""
    leads = {row.lead: sorted((one for one in rows if one.lead == row.lead), key=lambda one: one.at) for row in rows}
    weeks = []
    for week in range(first, first + count):
        entries = wins = returns = stock = 0
        for mine in leads.values():
            stays = [stay for stay in stays_of(mine, [StageThreshold("SQL", probability)]) if stay.stage == "SQL"]
            for stay in (stay for stay in stays if (stay.entered_at - MONDAY) // WEEK == week):
                entries += stay.nth == 1
                returns += stay.nth > 1
                wins += stay.nth == 1 and next(row.won for row in mine if row.at == stay.entered_at)
            seen = [row.at for row in mine if (row.at - MONDAY) // WEEK == week]
            stock += bool(seen) and any(
                stay.entered_at <= seen[-1] and (stay.left_at is None or stay.left_at > seen[-1]) for stay in stays
            )
        weeks.append(Week(entries, wins, returns, stock))
    return weeks


def missed_of(rows: Sequence[Row], probability: float, first: int, count: int) -> float:
    """Of the leads with a moment before a conversion in those weeks, the share that had never reached a probability."""
    missed = []
    for lead in {row.lead for row in rows}:
        mine = [row for row in rows if row.lead == lead]
        won = [row.at for row in mine if row.won and first <= (row.at - MONDAY) // WEEK < first + count]
        if won:
            missed.append(all(row.p < probability for row in mine if row.at <= max(won)))
    return sum(missed) / max(len(missed), 1)
