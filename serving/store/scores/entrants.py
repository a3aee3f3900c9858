"""Leads that entered a stage within a quarter, and what became of them in equal time; the quarter before beside it.

A lead counts once, when it first comes to a stage by itself: by its score, or as new. Who is moved by another
threshold, another model or by hand is counted apart, and who stood there at the first scoring of all has entered at no
known time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, literal, select

from data.contract import US_PER_DAY
from serving.store.database.connection import Database
from serving.store.database.presence import is_present
from serving.store.database.schema import episodes, events, leads, standings
from serving.store.database.summaries import Summaries
from training.thresholds.episodes import PROGRESS
from training.thresholds.stages import CUSTOMER, STAGES

NAME = "entrants"
QUARTER = 91 * US_PER_DAY
TIME_DAYS = 28
"""How long each lead had; who entered later than that ago is not counted yet."""
TIME = TIME_DAYS * US_PER_DAY
PERIODS = ("newest", "before")
KINDS: Mapping[str, ColumnElement[Any]] = {
    "channel": standings.c.channel,
    "campaign": standings.c.campaign,
    "asset": standings.c.asset,
}
"""By what leads are told apart: how, by which campaign and for what they first came."""


@dataclass(frozen=True, slots=True)
class Entrants:
    """Leads of a stage that entered in a period, from a source (None where it is not known) of one of KINDS.

    reason: "" for those that came by themselves; threshold, model or hand. went_on, bought, lost: within TIME_DAYS of
    entering they reached the next stage or bought, bought, or were closed as lost. revenue: what the outcomes within
    that time are worth.
    """

    stage: str
    period: str
    source: str | None
    reason: str
    entered: int
    went_on: int
    bought: int
    lost: int
    kind: str = "channel"
    revenue: float = 0.0


@dataclass(frozen=True, slots=True)
class EntrantsTold:
    """All of them. until: the end of the newest period; since: the first scoring of all; both µs UTC."""

    until: int
    since: int
    rows: list[Entrants]


class EntrantCounts:
    """Counts them when leads have been scored, and reads what was counted."""

    def __init__(self, database: Database, summaries: Summaries) -> None:
        self._database = database
        self._summaries = summaries

    def make(self, target: str, now: int, outcomes: Sequence[str] = ()) -> None:
        """Counts anew; now: µs UTC. outcomes: types of events whose value is revenue. Leads that object or are away are
        left out."""
        with self._database.read() as connection:
            since = connection.scalar(select(func.min(episodes.c.entered_at)).where(episodes.c.target == target))
            if since is None:
                return
            entrants = EntrantsTold(now - TIME, since, _rows(connection, target, now - TIME, since, outcomes))
        self._summaries.keep(target, NAME, asdict(entrants), now)

    def read(self, target: str) -> EntrantsTold | None:
        """As it was last counted, None when it was not."""
        summary = self._summaries.read(target, NAME)
        if summary is None:
            return None
        return EntrantsTold(**summary[1] | {"rows": [Entrants(**row) for row in summary[1]["rows"]]})


def _rows(connection: Connection, target: str, until: int, since: int, outcomes: Sequence[str]) -> list[Entrants]:
    entries = _each(target, until, since, outcomes).subquery()
    sums = [func.sum(entries.c[name]) for name in ("went_on", "bought", "lost")]
    rows = list[Entrants]()
    for kind in KINDS:
        keys = [entries.c[name] for name in ("stage", "period", kind, "reason")]
        query = select(*keys, func.count(), *sums, func.sum(entries.c.revenue)).group_by(*keys)
        for stage, period, source, reason, entered, *counts, revenue in connection.execute(query):
            went_on, bought, lost = map(int, counts)
            known = (stage, period, source, reason, entered, went_on, bought, lost)
            rows.append(Entrants(*known, kind=kind, revenue=float(revenue)))
    return sorted(rows, key=lambda row: (row.stage, row.kind, row.period, row.reason, row.source or ""))


def _each(target: str, until: int, since: int, outcomes: Sequence[str]) -> Select[Any]:
    """One row for each lead that entered, with what happened to it within its time."""
    later = episodes.alias("later")
    own = and_(later.c.lead_id == episodes.c.lead_id, later.c.target == target)
    within = and_(own, later.c.entered_at >= episodes.c.entered_at, later.c.entered_at <= episodes.c.entered_at + TIME)
    bought, lost = later.c.stage == CUSTOMER, later.c.entered == "lost"
    onward = [and_(episodes.c.stage == low, later.c.stage == high) for low, high in pairwise(STAGES)]
    period = case((episodes.c.entered_at > until - QUARTER, PERIODS[0]), else_=PERIODS[1])
    reason = case((episodes.c.entered.in_(PROGRESS), literal("")), else_=episodes.c.entered)
    return (
        select(
            episodes.c.id,
            episodes.c.stage,
            period.label("period"),
            *(column.label(kind) for kind, column in KINDS.items()),
            reason.label("reason"),
            func.max(case((bought, 1), *((step, 1) for step in onward), else_=0)).label("went_on"),
            func.max(case((bought, 1), else_=0)).label("bought"),
            func.max(case((lost, 1), else_=0)).label("lost"),
            _revenue(outcomes).label("revenue"),
        )
        .select_from(episodes)
        .join(leads, and_(leads.c.lead_id == episodes.c.lead_id, is_present()))
        .join(standings, and_(standings.c.lead_id == episodes.c.lead_id, standings.c.target == target))
        .join(later, within)
        .where(
            episodes.c.target == target,
            episodes.c.stage.in_(STAGES),
            episodes.c.nth == 1,
            episodes.c.entered_at > max(since, until - 2 * QUARTER),
            episodes.c.entered_at <= until,
        )
        .group_by(episodes.c.id, episodes.c.stage, period, *KINDS.values(), reason)
    )


def _revenue(outcomes: Sequence[str]) -> ColumnElement[Any]:
    """What a lead's outcomes are worth that occurred within its time."""
    worth = select(func.coalesce(func.sum(events.c.value), 0.0)).where(
        events.c.lead_id == episodes.c.lead_id,
        events.c.event_type.in_(outcomes),
        events.c.occurred_at >= episodes.c.entered_at,
        events.c.occurred_at <= episodes.c.entered_at + TIME,
    )
    return worth.correlate(episodes).scalar_subquery()
