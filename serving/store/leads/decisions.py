"""What people decide about a stage, against what the model says: with a reason, for a time, in the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import select

from data.contract import DataError, UsageError
from serving.store.database.connection import Database
from serving.store.database.presence import hold_present
from serving.store.database.schema import standings
from serving.store.privacy.audit_trail import Audit
from serving.store.scores.standing_row import DECISION, StandingRow
from serving.store.scores.standings import Stand, stand, standings_of

REASONS = ("talked", "known", "no_fit", "timing", "data", "other")
"""Why: after talking with the lead; known from elsewhere; not whom we sell to; not now; the data about it is wrong.

A closed list, because what stands in the audit trail can never be erased, and a free text would hold personal data.
"""

Change = Callable[[StandingRow], StandingRow]


@dataclass(frozen=True, slots=True)
class Decision:
    """A stage that someone has set. by: as in the audit trail. at, until: µs UTC; None: until it is lifted."""

    stage: str
    reason: str
    by: str
    at: int
    until: int | None


class Decisions:
    """Makes and lifts decisions."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def make(self, lead_id: str, target: str, decision: Decision) -> None:
        """Sets a lead's stage, in place of an earlier decision; scores do not change it while it holds.

        Raises UsageError for a reason that is none of REASONS, DataError for a lead that the store does not know or
        that objects.
        """
        if decision.reason not in REASONS:
            raise UsageError(f"reason {decision.reason!r} is unknown; choose one of {', '.join(REASONS)}")
        action = f"override {decision.stage}: {decision.reason}"
        self._write(lead_id, target, partial(_decided, decision), decision.by, action, decision.at)

    def lift(self, lead_id: str, target: str, who: str, now: int) -> None:
        """Gives the stage back to the model. Raises DataError as `make` does."""
        self._write(lead_id, target, StandingRow.undecided, who, "override lifted", now)

    def of(self, lead_id: str, target: str) -> Decision | None:
        """What holds for a lead, None when the model decides."""
        query = select(*(standings.c[name] for name in DECISION))
        query = query.where(standings.c.lead_id == lead_id, standings.c.target == target)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None or row.override is None else Decision(*row)

    def _write(self, lead_id: str, target: str, change: Change, who: str, action: str, now: int) -> None:
        with self._database.write() as connection:
            if not hold_present(connection, [lead_id]):
                raise DataError("there is no such lead in the store, or it objects; nothing was decided about it")
            before = standings_of(connection, target, [lead_id])
            row = change(before.get(lead_id) or StandingRow(target, lead_id))
            stand(connection, [Stand(row, "override")], before, now)
            self._audit.note(connection, who, action, now, lead_id)


def _decided(decision: Decision, row: StandingRow) -> StandingRow:
    return replace(
        row,
        stage=decision.stage,
        override=decision.stage,
        override_reason=decision.reason,
        override_by=decision.by,
        override_at=decision.at,
        override_until=decision.until,
    )
