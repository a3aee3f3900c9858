"""Episodes of leads in the store: written with each change of stage, in its transaction, and counted as cohorts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, select, update

from serving.store.database.connection import Database, chunks
from serving.store.database.schema import episodes, standings
from training.thresholds.episodes import OBJECTION, Episode, Turn, left_because, next_episode


class StageStep(NamedTuple):
    """A lead's step from one stage (None at first) to another, as it is noted. at: µs UTC. cause: see `StageChange`."""

    lead_id: str
    target: str
    at: int
    before: str | None
    after: str
    cause: str
    probability: float | None
    model_version: str | None


class EpisodeReader:
    """Tells the episodes of a lead."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, target: str, lead_id: str) -> list[Episode]:
        """Stays of a lead, in order of time."""
        columns = (episodes.c[name] for name in Episode.__slots__)
        query = select(*columns).where(episodes.c.lead_id == lead_id, episodes.c.target == target)
        with self._database.read() as connection:
            return [Episode(*row) for row in connection.execute(query.order_by(episodes.c.id))]


def end_and_begin(connection: Connection, steps: Sequence[StageStep]) -> None:
    """Ends the stays that changes of stage of one target end, and begins those that they begin; one change a lead."""
    target = steps[0].target
    moved = [step.lead_id for step in steps if step.before is not None]
    stays = _stays(connection, target, moved)
    turns = {step.lead_id: Turn(step.at, step.before, step.after, step.cause) for step in steps}
    ended = [{"lead": lead_id, "at": turns[lead_id].at, "why": left_because(turns[lead_id])} for lead_id in moved]
    if ended:
        key = (episodes.c.target == target, episodes.c.lead_id == bindparam("lead"), episodes.c.left_at.is_(None))
        over = update(episodes).where(*key).values({"left_at": bindparam("at"), "left": bindparam("why")})
        connection.execute(over, ended)
    connection.execute(
        episodes.insert(),
        [
            {"lead_id": lead_id, "target": target, **asdict(next_episode(stays.get((lead_id, turn.after), 0), turn))}
            for lead_id, turn in turns.items()
        ],
    )


def end_for_objection(connection: Connection, lead_id: str, now: int) -> None:
    """Ends the stays of a lead that objects: it is in no stage for anybody from now on."""
    is_open = (episodes.c.lead_id == lead_id, episodes.c.left_at.is_(None))
    connection.execute(update(episodes).where(*is_open).values({"left_at": now, "left": OBJECTION}))


def begin_after_objection(connection: Connection, lead_id: str, now: int) -> None:
    """Begins stays of a lead that does not object any more, in the stages in which it stands."""
    standing = select(standings.c.target, standings.c.stage).where(standings.c.lead_id == lead_id)
    for target, stage in connection.execute(standing).all():
        nth = _stays(connection, target, [lead_id]).get((lead_id, stage), 0) + 1
        row = asdict(Episode(stage, now, OBJECTION, nth))
        connection.execute(episodes.insert(), {"lead_id": lead_id, "target": target, **row})


def _stays(connection: Connection, target: str, lead_ids: Sequence[str]) -> dict[tuple[str, str], int]:
    """How often leads have been in each stage."""
    counts: dict[tuple[str, str], int] = {}
    for chunk in chunks(lead_ids):
        query = select(episodes.c.lead_id, episodes.c.stage, func.count())
        query = query.where(episodes.c.target == target, episodes.c.lead_id.in_(chunk))
        rows = connection.execute(query.group_by(episodes.c.lead_id, episodes.c.stage))
        counts |= {(lead_id, stage): count for lead_id, stage, count in rows}
    return counts
