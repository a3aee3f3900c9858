"""Episodes of leads in the store: written with each change of stage, in its transaction, and counted as cohorts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from serving.store.database.connection import Database, chunks
from serving.store.database.schema import episodes, standings
from training.thresholds.episodes import OBJECTION, Episode, Turn, left_because, next_episode


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


def end_and_begin(connection: Connection, changes: Sequence[Mapping[str, Any]]) -> None:
    """Ends the stays that changes of stage of one target end, and begins those that they begin; one change a lead."""
    target = changes[0]["target"]
    moved = [change["lead_id"] for change in changes if change["before"] is not None]
    stays = _stays(connection, target, moved)
    turns = {
        change["lead_id"]: Turn(change["at"], change["before"], change["after"], change["cause"]) for change in changes
    }
    ended = [{"lead": lead_id, "at": turns[lead_id].at, "why": left_because(turns[lead_id])} for lead_id in moved]
    if ended:
        key = (episodes.c.target == target, episodes.c.lead_id == bindparam("lead"), episodes.c.left_at.is_(None))
        over = update(episodes).where(*key).values({"left_at": bindparam("at"), "left": bindparam("why")})
        connection.execute(over, ended)
    connection.execute(
        episodes.insert(),
        [
            {"lead_id": lead_id, "target": target, **_row(next_episode(stays.get((lead_id, turn.after), 0), turn))}
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
        row = _row(Episode(stage, now, OBJECTION, nth))
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


def _row(episode: Episode) -> dict[str, Any]:
    return {name: getattr(episode, name) for name in Episode.__slots__}
