"""What sales do with a lead: taken, assigned, accepted, rejected, snoozed, handed back; each step once, by its number.

A step names the number of the step that its author has seen. Two people who act at once have seen the same one, and the
key of the table lets one of them be the next: the other is told what was done (`Overtaken`), and nothing is lost. A
step stands in one transaction with an event of the lead, by which features, labels and the event log know of it, and
with the audit trail. There is no free text: it would hold personal data, which no trail may.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from hashlib import md5
from typing import Any

from sqlalchemy import Connection, exists, or_, select, update

from data.contract import DataError
from serving.store.database.changes import mark_changed
from serving.store.database.connection import Database
from serving.store.database.presence import hold_present
from serving.store.database.schema import accounts, attributes, stage_changes, standings, work
from serving.store.events.event_validation import ValidEvent, body_of
from serving.store.events.events import insert_new
from serving.store.events.sales_events import SOURCE, STATES, Action, event_of
from serving.store.privacy.audit_trail import Audit
from serving.store.privacy.blocked import Blocked
from serving.store.scores.sections import IN_HAND, SALES, WORKED, placed
from serving.store.scores.standing_row import StandingRow, standing_row

NOBODY = "there is no such lead in the store, or it objects; nothing was done about it"


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody wants to do with a lead.

    who: as in the audit trail. worker: whose the lead is from then on. seen: the number of the newest step that they
    have seen, 0 for none. reason: of a rejection. until: end of a snooze, µs UTC.
    """

    action: Action
    who: str
    worker: str
    seen: int
    reason: str | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What was done. number: of the steps of this lead. at: µs UTC. stage, probability: those of then.

    waited: µs since the lead came to sales, of the first step after that; None for others.
    """

    number: int
    at: int
    action: Action
    who: str
    worker: str
    reason: str | None
    until: int | None
    stage: str | None
    probability: float | None
    waited: int | None

    @property
    def state(self) -> str:
        """What the lead is since then."""
        return STATES[self.action]


class NoLead(DataError):
    """The store does not know the lead, or it objects, or was erased."""


class Overtaken(DataError):
    """Somebody else has acted on the lead meanwhile. step: what they did; None when nothing was ever done."""

    def __init__(self, step: Step | None) -> None:
        said = "nothing was done with this lead yet" if step is None else f"this lead was {step.state} by {step.worker}"
        number = 0 if step is None else step.number
        super().__init__(f"{said} (step {number}); look at it, and send seen = {number} to go on from there")
        self.step = step


class Work:
    """Takes and tells steps."""

    def __init__(self, database: Database, blocked: Blocked, audit: Audit) -> None:
        self._database, self._blocked, self._audit = database, blocked, audit

    def act(self, lead_id: str, target: str, deed: Deed, now: int) -> Step:
        """Takes a step, on disk when this returns; the same step again changes nothing.

        target: for whose stage and probability are noted. Raises Overtaken, and NoLead for a lead that the store
        does not know or that objects.
        """
        with self._database.write() as connection:
            if self._blocked.among(connection, [lead_id]) or not hold_present(connection, [lead_id]):
                raise NoLead(NOBODY)
            newest = _newest(connection, lead_id)
            if newest is not None and _same(newest, deed) and deed.seen in (newest.number, newest.number - 1):
                return newest
            if deed.seen != (0 if newest is None else newest.number):
                raise Overtaken(newest)
            step = _step(connection, lead_id, target, deed, now)
            connection.execute(work.insert().values(lead_id=lead_id, target=target, **asdict(step)))
            _stand(connection, lead_id, step, now)
            insert_new(connection, [_event(lead_id, step)])
            mark_changed(connection, [lead_id], now)
            said = f"sales {step.state}" + (f": {step.reason}" if step.reason else "")
            self._audit.note(connection, deed.who, said, now, lead_id)
        return step

    def of(self, lead_id: str, limit: int = 100) -> list[Step]:
        """The steps of a lead, the newest first."""
        with self._database.read() as connection:
            return [Step(*row) for row in connection.execute(_steps(lead_id).limit(limit))]

    def knows(self, name: str) -> bool:
        """Whether a name is an account's, or that of an owner of leads."""
        known = or_(
            exists().where(accounts.c.name == name),
            exists().where(attributes.c.name == "owner", attributes.c.text == name),
        )
        with self._database.read() as connection:
            return bool(connection.scalar(select(known)))

    def wake(self, target: str, now: int) -> int:
        """Puts leads whose snooze has ended where they belong; says how many. Repeatable, and cheap when none has."""
        due = (standings.c.target == target, standings.c.due_at <= now, standings.c.section == "rest")
        with self._database.read() as connection:
            sleepers = list(connection.scalars(select(standings.c.lead_id).where(*due)))
        woken = 0
        for lead_id in sorted(sleepers):
            with self._database.write() as connection:
                hold_present(connection, [lead_id])
                row = connection.execute(select(standings).where(standings.c.lead_id == lead_id, *due)).first()
                if row is not None:
                    woken += 1
                    _write(connection, replace(standing_row(row._mapping), due_at=None), now)
        return woken


def _steps(lead_id: str) -> Any:
    query = select(*(work.c[name] for name in Step.__slots__)).where(work.c.lead_id == lead_id)
    return query.order_by(work.c.number.desc())


def _newest(connection: Connection, lead_id: str) -> Step | None:
    row = connection.execute(_steps(lead_id).limit(1)).first()
    return None if row is None else Step(*row)


def _same(step: Step, deed: Deed) -> bool:
    """Whether a step is what somebody wants to do."""
    return all(getattr(step, name) == getattr(deed, name) for name in ("action", "who", "worker", "reason", "until"))


def _step(connection: Connection, lead_id: str, target: str, deed: Deed, now: int) -> Step:
    query = select(standings.c.stage, standings.c.probability, standings.c.work_state)
    row = connection.execute(query.where(standings.c.target == target, standings.c.lead_id == lead_id)).first()
    stage, probability, state = (None, None, None) if row is None else row
    waited = None if state in IN_HAND or stage != SALES else _waited(connection, lead_id, target, now)
    return Step(
        deed.seen + 1, now, deed.action, deed.who, deed.worker, deed.reason, deed.until, stage, probability, waited
    )


def _waited(connection: Connection, lead_id: str, target: str, now: int) -> int | None:
    """How long ago a lead came to sales; None where it is not known, or somebody has acted on it since."""
    came = select(stage_changes.c.at).where(stage_changes.c.lead_id == lead_id, stage_changes.c.target == target)
    came = came.where(stage_changes.c.after == SALES).order_by(stage_changes.c.id.desc()).limit(1)
    at = connection.scalar(came)
    if at is None:
        return None
    acted = connection.scalar(select(exists().where(work.c.lead_id == lead_id, work.c.at >= at)))
    return None if acted else max(0, now - at)


def _stand(connection: Connection, lead_id: str, step: Step, now: int) -> None:
    """Puts the lead where it belongs from now on, in the lists of all targets."""
    for columns in connection.execute(select(standings).where(standings.c.lead_id == lead_id)).mappings().all():
        row = replace(standing_row(columns), work_state=step.state, worker=step.worker, due_at=step.until)
        _write(connection, row, now)


def _write(connection: Connection, row: StandingRow, now: int) -> None:
    worked = placed(row, now)
    its = update(standings).where(standings.c.target == row.target, standings.c.lead_id == row.lead_id)
    connection.execute(its.values({name: getattr(worked, name) for name in WORKED}))


def _event(lead_id: str, step: Step) -> ValidEvent:
    """The step as an event of the lead; its id is the same whenever it is made."""
    kind = event_of(step.action)
    event_id = md5(f"{lead_id}\x1f{step.number}".encode(), usedforsecurity=False).hexdigest()
    body = body_of(lead_id, kind, step.at, None, None)
    return ValidEvent(SOURCE, event_id, lead_id, kind, None, None, step.at, step.at, step.at, body)
