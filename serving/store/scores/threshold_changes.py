"""Thresholds that people publish: laid over those of one model from the next scoring on, in the audit trail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select, update
from sqlalchemy.sql.dml import ReturningInsert

from data.contract import UsageError
from serving.store.database.connection import Database, one_at_a_time
from serving.store.database.schema import threshold_changes
from serving.store.privacy.audit_trail import Audit
from serving.store.scores.thresholds_in_force import Change, in_force
from training.thresholds.threshold import Threshold, threshold_from

LOCK = 7_305_108_263
"""Any number of our own: what is published is compared with all that was, by one at a time."""
REASONS = ("capacity", "quality", "goal", "trial", "correction")
"""Why: sales can take more or fewer; too few of those handed over bought, or more could be tried; another goal; to try
it out; to undo a mistake. A closed list, because what stands in the audit trail can never be erased."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A change that is to be published, see `Change`."""

    target: str
    stage: str
    model_version: str
    model_digest: str
    who: str
    reason: str
    threshold: Threshold | None


class OutOfOrder(UsageError):
    """A change after which stages would no longer follow each other, or would undo another change in silence."""


class ThresholdChanges:
    """Publishes changes and says which are in force: for each stage the newest that a scoring has taken up.

    A change belongs to the model that it was made for. Another model brings its own thresholds; should the former one
    come back, what was published for it holds again, as with everything else that belongs to a model.
    """

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def publish(self, wishes: Sequence[Wish], own: Sequence[Threshold], now: int) -> None:
        """Publishes changes of one model over its own thresholds, all or none; the next scoring takes them up.

        Raises UsageError for a reason that is none of REASONS, OutOfOrder when they do not go with what is in force
        and what waits.
        """
        for wish in wishes:
            if wish.reason not in REASONS:
                raise UsageError(f"reason {wish.reason!r} is unknown; choose one of {', '.join(REASONS)}")
        query = _of(wishes[0].target, wishes[0].model_digest)
        with self._database.write() as connection:
            one_at_a_time(connection, LOCK)
            before = _newest(connection, query)
            numbers = [int(connection.execute(_added(wish, now)).scalar_one()) for wish in wishes]
            _check_order(own, before, _newest(connection, query), numbers)
            for wish in wishes:
                self._audit.note(connection, f"account {wish.who}", _action(wish), now)

    def next_in_force(self, target: str, model_digest: str, own: Sequence[Threshold]) -> tuple[Threshold, ...]:
        """The thresholds that the next scoring by a model would follow, what waits among them."""
        with self._database.read() as connection:
            return in_force(own, _newest(connection, _of(target, model_digest)))[0]

    def take_up(self, target: str, model_digest: str, now: int) -> list[Change]:
        """What a scoring by this model has to follow, one change a stage; what waited is in force from now on."""
        query = _of(target, model_digest)
        with self._database.read() as connection:
            waits = connection.execute(query.where(threshold_changes.c.taken_up_at.is_(None))).first() is not None
        if waits:
            with self._database.write() as connection:
                key = (threshold_changes.c.target == target, threshold_changes.c.model_digest == model_digest)
                waiting = update(threshold_changes).where(*key, threshold_changes.c.taken_up_at.is_(None))
                connection.execute(waiting.values(taken_up_at=now))
        return self.effective(target, model_digest)

    def effective(self, target: str, model_digest: str) -> list[Change]:
        """What is followed by this model now, one change a stage."""
        query = _of(target, model_digest).where(threshold_changes.c.taken_up_at.is_not(None))
        with self._database.read() as connection:
            return [change for change in _newest(connection, query) if change.threshold is not None]

    def history(self, target: str, limit: int = 50) -> list[Change]:
        """Changes for whatever model, the newest first."""
        query = select(threshold_changes).where(threshold_changes.c.target == target)
        with self._database.read() as connection:
            return _read(connection, query.order_by(threshold_changes.c.id.desc()).limit(limit))


def _check_order(
    own: Sequence[Threshold], before: Sequence[Change], after: Sequence[Change], numbers: Sequence[int]
) -> None:
    """Raises OutOfOrder when a change of those numbers is not followed, or another one no longer is."""
    wishes = [change for change in after if change.id in numbers]
    stages, wanted = {wish.stage for wish in wishes}, {wish.id for wish in wishes if wish.threshold is not None}
    followed = {change.id for change in in_force(own, after)[1]}
    others = {change.id for change in in_force(own, before)[1] if change.stage not in stages}
    if not others | wanted <= followed:
        raise OutOfOrder(
            f"{' and '.join(sorted(stages))} would begin where stages no longer follow each other, with what is "
            "published and waits; change the other stage first"
        )


def _newest(connection: Connection, query: Select[Any]) -> list[Change]:
    """The newest change of each stage."""
    return list({change.stage: change for change in _read(connection, query)}.values())


def _of(target: str, model_digest: str) -> Select[Any]:
    query = select(threshold_changes).where(
        threshold_changes.c.target == target, threshold_changes.c.model_digest == model_digest
    )
    return query.order_by(threshold_changes.c.id)


def _read(connection: Connection, query: Select[Any]) -> list[Change]:
    rows = (dict(row._mapping) for row in connection.execute(query))
    return [Change(**row | {"threshold": _from_text(row["threshold"])}) for row in rows]


def _to_text(threshold: Threshold | None) -> str:
    return json.dumps(None if threshold is None else threshold.to_dict())


def _from_text(text: str) -> Threshold | None:
    values = json.loads(text)
    return None if values is None else threshold_from(values)


def _added(wish: Wish, now: int) -> ReturningInsert[Any]:
    row = {name: getattr(wish, name) for name in Wish.__slots__} | {"threshold": _to_text(wish.threshold)}
    return threshold_changes.insert().values(row | {"at": now}).returning(threshold_changes.c.id)


def _action(wish: Wish) -> str:
    if wish.threshold is None:
        return f"threshold {wish.stage} as the model has it: {wish.reason}"
    rule = wish.threshold.rule
    return f"threshold {wish.stage} {rule.kind} {rule.target:g}: {wish.reason}"
