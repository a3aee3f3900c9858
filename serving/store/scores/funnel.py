"""The funnel in numbers: where leads stand, how they move, how long they stay, and which sources bring buyers.

Made of standings and changes of stage when all leads have been scored. Leads that object are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, Integer, and_, bindparam, case, cast, func, or_, select, update

from data.contract import CONTEXT, US_PER_DAY
from serving.store.database.connection import Database, chunks
from serving.store.database.presence import hold_present, is_present
from serving.store.database.schema import events, leads, stage_changes, standings
from serving.store.database.summaries import Summaries
from training.thresholds.stages import CUSTOMER

NAME = "funnel"
WEEK = 7 * US_PER_DAY
WITHIN_DAYS = 28
"""Conversion from a stage is told within so many days, of leads that entered it at least so long ago."""
ORIGIN = ("channel", "magnet", "came_at")
"""What a lead's first touch says."""
FEWEST = 5
"""A source with fewer leads is told together with others like it."""
KINDS = ("channel", "magnet")


@dataclass(frozen=True, slots=True)
class LeadOrigin:
    """Where a lead comes from: channel and type of the first thing that it did itself, and when, µs UTC."""

    lead_id: str
    channel: str | None
    magnet: str | None
    came_at: int | None


@dataclass(frozen=True, slots=True)
class Move:
    """How many leads went from one stage to another within the last seven days, and within the seven before."""

    before: str
    after: str
    this_week: int
    week_before: int


@dataclass(frozen=True, slots=True)
class Stay:
    """First stays of leads in a stage.

    entered: leads that came into it at least WITHIN_DAYS ago; went_on, fell_back: those of them that moved to a higher
    or a lower stage within WITHIN_DAYS. days: median days until they leave it, open stays counted for as long as they
    were seen (Kaplan & Meier 1958); None when fewer than half have left.
    """

    stage: str
    entered: int
    went_on: int
    fell_back: int
    days: float | None


@dataclass(frozen=True, slots=True)
class OriginCount:
    """Leads that came through a channel, or for a magnet, long enough ago to have bought; name: None for others."""

    kind: str
    name: str | None
    leads: int
    bought: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """made_at: µs UTC. counts: leads in each stage now, in their order. since: the first change of stage, µs UTC."""

    made_at: int
    counts: dict[str, int]
    moves: list[Move]
    stays: list[Stay]
    sources: list[OriginCount]
    since: int | None


class Funnels:
    """Notes where leads come from, makes the numbers, and reads them."""

    def __init__(self, database: Database, summaries: Summaries) -> None:
        self._database = database
        self._summaries = summaries

    def note(self, target: str, origins: Sequence[LeadOrigin]) -> None:
        """Notes where leads come from that stand in the list of a target; what stands there already costs no write."""
        if not origins:
            return
        names = ("channel", "magnet", "came_at", *CONTEXT)
        moved = or_(*(standings.c[name].is_distinct_from(bindparam(f"new_{name}")) for name in names))
        key = and_(standings.c.target == target, standings.c.lead_id == bindparam("lead"), moved)
        values: dict[str, BindParameter[str]] = {name: bindparam(f"new_{name}") for name in names}
        rows = [
            {"lead": origin.lead_id, **{f"new_{name}": getattr(origin, name) for name in ORIGIN}} for origin in origins
        ]
        with self._database.write() as connection:
            hold_present(connection, [origin.lead_id for origin in origins])
            context = _contexts(connection, [origin.lead_id for origin in origins])
            for row in rows:
                row |= {f"new_{name}": context.get((row["lead"], name)) for name in CONTEXT}
            connection.execute(update(standings).where(key).values(values), rows)

    def make(self, target: str, stages: Sequence[str], old_enough: int, now: int) -> None:
        """Makes the numbers anew. stages: in order. old_enough: who came before it could have bought (µs UTC)."""
        with self._database.read() as connection:
            counts = _counts(connection, target)
            funnel = Funnel(
                now,
                {stage: counts.get(stage, 0) for stage in stages},
                _moves(connection, target, now),
                _stays(connection, target, stages, now),
                [source for kind in KINDS for source in _sources(connection, target, kind, old_enough)],
                connection.scalar(select(func.min(stage_changes.c.at)).where(stage_changes.c.target == target)),
            )
        self._summaries.keep(target, NAME, asdict(funnel), now)

    def read(self, target: str) -> Funnel | None:
        """The numbers as they were last made, None when they were not."""
        summary = self._summaries.read(target, NAME)
        if summary is None:
            return None
        body = summary[1]
        lists = {"moves": Move, "stays": Stay, "sources": OriginCount}
        return Funnel(**body | {name: [kind(**row) for row in body[name]] for name, kind in lists.items()})


def _contexts(connection: Connection, lead_ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """The first campaign and the first asset of each lead that has any."""
    first: dict[tuple[str, str], str] = {}
    names = [events.c[name] for name in CONTEXT]
    for chunk in chunks(lead_ids):
        query = select(events.c.lead_id, *names).where(events.c.lead_id.in_(chunk))
        query = query.where(or_(*(name.is_not(None) for name in names)))
        for lead_id, *context in connection.execute(query.order_by(events.c.occurred_at, events.c.event_id)):
            for name, value in zip(CONTEXT, context, strict=True):
                if value is not None:
                    first.setdefault((lead_id, name), value)
    return first


def _listed(table: Any) -> Any:
    """The rows of leads that do not object."""
    return table.join(leads, and_(leads.c.lead_id == table.c.lead_id, is_present()))


def _counts(connection: Connection, target: str) -> dict[str, int]:
    query = select(standings.c.stage, func.count()).select_from(_listed(standings))
    query = query.where(standings.c.target == target).group_by(standings.c.stage)
    counts: dict[str, int] = dict(connection.execute(query).all())
    return counts


def _moves(connection: Connection, target: str, now: int) -> list[Move]:
    newer = func.sum(cast(stage_changes.c.at > now - WEEK, Integer))
    query = select(stage_changes.c.before, stage_changes.c.after, newer, func.count())
    query = query.select_from(_listed(stage_changes)).where(
        stage_changes.c.target == target,
        stage_changes.c.at > now - 2 * WEEK,
        stage_changes.c.before.is_not(None),
    )
    rows = connection.execute(query.group_by(stage_changes.c.before, stage_changes.c.after)).all()
    return sorted(
        (Move(before, after, int(this), both - int(this)) for before, after, this, both in rows),
        key=lambda move: (move.before, move.after),
    )


def _stays(connection: Connection, target: str, stages: Sequence[str], now: int) -> list[Stay]:
    """One for each stage that can be left."""
    lead_id, after, number = stage_changes.c.lead_id, stage_changes.c.after, stage_changes.c.id
    stays = (
        select(
            after.label("stage"),
            stage_changes.c.at,
            func.lead(after).over(partition_by=lead_id, order_by=number).label("next"),
            func.lead(stage_changes.c.at).over(partition_by=lead_id, order_by=number).label("until"),
            func.row_number().over(partition_by=(lead_id, after), order_by=number).label("nth"),
        )
        .select_from(_listed(stage_changes))
        .where(stage_changes.c.target == target)
        .subquery()
    )
    days = (func.coalesce(stays.c.until, now) - stays.c.at) // US_PER_DAY
    old = case((stays.c.at <= now - WITHIN_DAYS * US_PER_DAY, 1), else_=0)
    query = select(stays.c.stage, stays.c.next, days, old, func.count()).where(stays.c.nth == 1)
    rows = connection.execute(query.group_by(stays.c.stage, stays.c.next, days, old)).all()
    return [_stay(stage, [row[1:] for row in rows if row[0] == stage], stages) for stage in stages if stage != CUSTOMER]


def _stay(stage: str, rows: Sequence[tuple[str | None, int, int, int]], stages: Sequence[str]) -> Stay:
    """rows: next stage (None while it lasts), whole days, whether it began long enough ago, and how many such."""
    rank = {name: place for place, name in enumerate(stages)}

    def moved(up: bool) -> int:
        within = ((to, n) for to, days, old, n in rows if old and days < WITHIN_DAYS and to in rank)
        return sum(n for to, n in within if (rank[str(to)] > rank[stage]) == up)

    entered = sum(n for _, _, old, n in rows if old)
    days = median_days((days, to is not None, n) for to, days, _, n in rows)
    return Stay(stage, entered, moved(True), moved(False), days)


def median_days(stays: Iterable[tuple[int, bool, int]]) -> float | None:
    """Median length by Kaplan & Meier (J. Am. Stat. Assoc. 53, 1958); None when fewer than half have ended.

    stays: days, whether it has ended (else it is still open), how many such.

    >>> median_days([(2, True, 1), (5, True, 1), (9, False, 1)]), median_days([(3, False, 9)])
    (5.0, None)
    """
    counts: dict[int, list[int]] = {}
    for days, ended, count in stays:
        counts.setdefault(days, [0, 0])[ended] += count
    left, share = sum(map(sum, counts.values())), 1.0
    for days in sorted(counts):
        still_open, ended_now = counts[days]
        share *= 1 - ended_now / left
        if share <= 0.5 and ended_now:
            return float(days)
        left -= still_open + ended_now
    return None


def _sources(connection: Connection, target: str, kind: str, old_enough: int) -> list[OriginCount]:
    """The likeliest to buy first; those with few leads together at the end."""
    bought = func.sum(case((standings.c.stage == CUSTOMER, 1), else_=0))
    query = select(standings.c[kind], func.count(), bought).select_from(_listed(standings))
    query = query.where(standings.c.target == target, standings.c.came_at < old_enough)
    rows = [
        OriginCount(kind, name, n, int(won)) for name, n, won in connection.execute(query.group_by(standings.c[kind]))
    ]
    large = [origin for origin in rows if origin.name is not None and origin.leads >= FEWEST]
    rest = [origin for origin in rows if origin.name is None or origin.leads < FEWEST]
    large.sort(key=lambda origin: (-origin.bought / origin.leads, origin.name))
    return [*large, *_together(kind, rest)]


def _together(kind: str, rest: Sequence[OriginCount]) -> list[OriginCount]:
    count = sum(origin.leads for origin in rest)
    return [OriginCount(kind, None, count, sum(origin.bought for origin in rest))] if count else []
