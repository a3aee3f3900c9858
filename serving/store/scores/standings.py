"""Where leads stand for a target: the row of each, and the step that is noted when its stage changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import Connection, select

from serving.store.database.changes import mark_changed
from serving.store.database.connection import chunks, insert
from serving.store.database.schema import stage_changes, standings, work
from serving.store.events.sales_events import STATES
from serving.store.scores.episodes import StageStep, end_and_begin
from serving.store.scores.sections import WORKED, worked
from serving.store.scores.standing_row import STANDS, StandingRow, standing_row

WRITTEN = ("target", "lead_id", *STANDS, *WORKED)


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


class Stand(NamedTuple):
    """Where a lead stands from now on, and what made it so: a cause of `StageChange`."""

    row: StandingRow
    cause: str


def standings_of(connection: Connection, target: str, lead_ids: Sequence[str]) -> dict[str, StandingRow]:
    """Rows of leads, by id."""
    rows: dict[str, StandingRow] = {}
    for chunk in chunks(lead_ids):
        query = select(standings).where(standings.c.target == target, standings.c.lead_id.in_(chunk))
        rows |= {row.lead_id: standing_row(row._mapping) for row in connection.execute(query)}
    return rows


def stand(connection: Connection, stands: Sequence[Stand], before: Mapping[str, StandingRow], now: int) -> None:
    """Writes standings, and notes where a stage has changed. before: rows of the leads that stood already."""
    statement = insert(connection, standings)
    set_ = {name: statement.excluded[name] for name in (*STANDS, *WORKED)}
    there = statement.on_conflict_do_update(index_elements=[standings.c.target, standings.c.lead_id], set_=set_)
    rows = [worked(row, before.get(row.lead_id), now) for row in _with_work(connection, stands, before)]
    connection.execute(there, [{name: getattr(row, name) for name in WRITTEN} for row in rows])
    steps = [
        _step(row, before.get(row.lead_id), cause, now)
        for row, cause in stands
        if row.lead_id not in before or before[row.lead_id].stage != row.stage
    ]
    if steps:
        connection.execute(stage_changes.insert(), [step._asdict() for step in steps])
        end_and_begin(connection, steps)
    moved = {row.lead_id for row, _ in stands if _moved(row, before.get(row.lead_id))}
    mark_changed(connection, moved, now)


def _with_work(connection: Connection, stands: Sequence[Stand], before: Mapping[str, StandingRow]) -> list[StandingRow]:
    """The rows; one that is the lead's first with what was done with it before its first score."""
    fresh = sorted(row.lead_id for row, _ in stands if row.lead_id not in before)
    done: dict[str, tuple[str, str, int | None]] = {}
    for chunk in chunks(fresh):
        query = select(work.c.lead_id, work.c.action, work.c.worker, work.c.until).where(work.c.lead_id.in_(chunk))
        for lead_id, action, worker, until in connection.execute(query.order_by(work.c.number)):
            done[lead_id] = (STATES[action], worker, until)
    return [_after(row, *done[row.lead_id]) if row.lead_id in done else row for row, _ in stands]


def _after(row: StandingRow, state: str, worker: str, until: int | None) -> StandingRow:
    return replace(row, work_state=state, worker=worker, due_at=until)


def _step(row: StandingRow, was: StandingRow | None, cause: str, now: int) -> StageStep:
    before = None if was is None else was.stage
    return StageStep(row.lead_id, row.target, now, before, row.stage, cause, row.probability, row.model_version)


def _moved(row: StandingRow, was: StandingRow | None) -> bool:
    return was is None or (was.stage, was.probability) != (row.stage, row.probability)
