"""Where leads stand for a target: the row of each, and the step that is noted when its stage changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from serving.store.database.changes import touch
from serving.store.database.connection import chunks, insert
from serving.store.database.schema import stage_changes, standings, work
from serving.store.events.sales_events import STATES
from serving.store.scores.episodes import end_and_begin
from serving.store.scores.sections import WORKED, worked
from training.thresholds.stages import UNQUALIFIED

DECISION = ("override", "override_reason", "override_by", "override_at", "override_until")
SCORED = ("probability", "low", "high", "as_of", "scored_at", "model_version", "thresholds")
STANDS = ("stage", "model_stage", *DECISION, *SCORED)
UNSEEN: dict[str, Any] = {**dict.fromkeys(standings.c.keys()), "worker": "", "section": "rest"}
"""The row of a lead that does not stand yet."""
UNDECIDED: Mapping[str, Any] = dict.fromkeys(DECISION)
NOTHING_AHEAD: Mapping[str, Any] = {**UNDECIDED, "probability": None, "low": None, "high": None}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a lead stands now for a target.

    stage: the one that holds: what someone has decided (`override`), else what the model says (`model_stage`).
    override_until: µs UTC, the first scoring from then on ends it; None: until it is lifted.
    """

    target: str
    stage: str
    model_stage: str
    override: str | None
    override_reason: str | None
    override_by: str | None
    override_at: int | None
    override_until: int | None
    probability: float | None
    low: float | None
    high: float | None
    as_of: int | None
    scored_at: int | None
    model_version: str | None


def standings_of(connection: Connection, target: str, lead_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Rows of leads, by id."""
    rows: dict[str, dict[str, Any]] = {}
    for chunk in chunks(lead_ids):
        query = select(standings).where(standings.c.target == target, standings.c.lead_id.in_(chunk))
        rows |= {row.lead_id: dict(row._mapping) for row in connection.execute(query)}
    return rows


def holds(row: Mapping[str, Any], now: int) -> bool:
    """Whether what someone has decided holds still."""
    return row["override"] is not None and (row["override_until"] is None or row["override_until"] > now)


def stand(
    connection: Connection, rows: Sequence[Mapping[str, Any]], before: Mapping[str, Mapping[str, Any]], now: int
) -> None:
    """Writes standings, and notes where a stage has changed."""
    statement = insert(connection, standings)
    set_ = {name: statement.excluded[name] for name in (*STANDS, *WORKED)}
    there = statement.on_conflict_do_update(index_elements=[standings.c.target, standings.c.lead_id], set_=set_)
    connection.execute(
        there, [_with_work(row, known, now) for row, known in zip(rows, _known(connection, rows, before), strict=True)]
    )
    changes = []
    for row in rows:
        was = before[row["lead_id"]]["stage"] if row["lead_id"] in before else None
        if was != row["stage"]:
            values = {key: row[key] for key in ("lead_id", "target", "cause", "probability", "model_version")}
            changes.append({**values, "at": now, "before": was, "after": row["stage"]})
    if changes:
        connection.execute(stage_changes.insert(), changes)
        end_and_begin(connection, changes)
    moved = {row["lead_id"] for row in rows if _moved(row, before.get(row["lead_id"]))}
    touch(connection, moved, now)


def _known(
    connection: Connection, rows: Sequence[Mapping[str, Any]], before: Mapping[str, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """What stood of each lead; of one that was scored for the first time what was done with it before that."""
    fresh = sorted(row["lead_id"] for row in rows if row["lead_id"] not in before)
    done: dict[str, dict[str, Any]] = {}
    for chunk in chunks(fresh):
        query = select(work.c.lead_id, work.c.action, work.c.worker, work.c.until).where(work.c.lead_id.in_(chunk))
        for lead_id, action, worker, until in connection.execute(query.order_by(work.c.number)):
            done[lead_id] = {"work_state": STATES[action], "worker": worker, "due_at": until}
    return [before.get(row["lead_id"]) or UNSEEN | done.get(row["lead_id"], {}) for row in rows]


def _with_work(row: Mapping[str, Any], known: Mapping[str, Any], now: int) -> dict[str, Any]:
    """The columns of a standing that is written."""
    whole = {**known, **{name: row[name] for name in ("target", "lead_id", *STANDS)}}
    return {name: whole[name] for name in ("target", "lead_id", *STANDS)} | worked(whole, known, now)


def _moved(row: Mapping[str, Any], was: Mapping[str, Any] | None) -> bool:
    return was is None or (was["stage"], was["probability"]) != (row["stage"], row["probability"])


def nowhere(target: str, lead_id: str) -> dict[str, Any]:
    """The row of a lead that was never scored."""
    return {"target": target, "lead_id": lead_id, **dict.fromkeys(STANDS), **both(UNQUALIFIED)}


def both(stage: str) -> dict[str, str]:
    """A stage that is not for anyone to decide."""
    return {"stage": stage, "model_stage": stage}
