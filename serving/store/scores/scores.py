"""Scores of the store: the history of each lead's scores, and the standing that a new one makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace

from sqlalchemy import Connection, bindparam, case, func, select

from data.contract import US_PER_DAY
from serving.store.database.connection import Database, chunks, insert
from serving.store.database.presence import hold_present
from serving.store.database.schema import scores, stage_changes, standings
from serving.store.scores.standing_row import StandingRow
from serving.store.scores.standings import Stand, Standing, stand, standings_of
from training.thresholds.stages import StageThreshold, next_stage

WEEK_AGO = (6 * US_PER_DAY, 21 * US_PER_DAY)
"""The newest score that is at least and at most so old counts as that of a week ago."""

# Put together once: to do so costs more than to ask.
STANDINGS = (
    select(*(standings.c[name] for name in Standing.__slots__))
    .where(standings.c.lead_id == bindparam("lead_id"))
    .order_by(standings.c.target)
)


@dataclass(frozen=True, slots=True)
class StoredScore:
    """One score of a lead for a target. as_of: µs UTC. low, high: the interval of the probability."""

    lead_id: str
    target: str
    as_of: int
    probability: float
    low: float
    high: float
    model_version: str
    model_digest: str


@dataclass(frozen=True, slots=True)
class ScoreRecord(StoredScore):
    """A score as it was stored: when, and the stage that it gave, whatever a person has decided."""

    scored_at: int
    stage: str


@dataclass(frozen=True, slots=True)
class StageChange:
    """A lead's step from one stage (None at first) to another. at: µs UTC.

    cause: `first score`, `score`, `threshold change`, `model change`, `override`, `override ended`, `converted`,
    `closed`, `reopened`.
    """

    target: str
    at: int
    before: str | None
    after: str
    cause: str
    probability: float | None
    model_version: str | None


class ScoreStore:
    """Records and tells scores."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, batch: Sequence[StoredScore], thresholds: Sequence[StageThreshold], now: int) -> dict[str, str]:
        """Adds scores of one target to the history; says each lead's stage. One score a lead, in one transaction.

        A lead that the store does not know, or that objects, is left out: nothing comes back after an erasure.
        """
        return self._record(batch, thresholds, now, lambda before: True)

    def record_first(
        self, batch: Sequence[StoredScore], thresholds: Sequence[StageThreshold], now: int
    ) -> dict[str, str]:
        """As `record`, but who has a score by now is left out: of several who look for new leads one gives it."""
        return self._record(batch, thresholds, now, lambda before: before is None or before.as_of is None)

    def _record(
        self,
        batch: Sequence[StoredScore],
        thresholds: Sequence[StageThreshold],
        now: int,
        is_wanted: Callable[[StandingRow | None], bool],
    ) -> dict[str, str]:
        with self._database.write() as connection:
            known = hold_present(connection, [score.lead_id for score in batch])
            before = standings_of(connection, batch[0].target, sorted(known)) if known else {}
            scorable = sorted(
                (score for score in batch if score.lead_id in known and is_wanted(before.get(score.lead_id))),
                key=lambda score: score.lead_id,
            )
            if not scorable:
                return {}
            thresholds_text = _thresholds_text(thresholds)
            stands = [_stand(score, before.get(score.lead_id), thresholds, thresholds_text, now) for score in scorable]
            _append(connection, scorable, [row.model_stage for row, _ in stands], now)
            stand(connection, stands, before, now)
        return {row.lead_id: row.stage for row, _ in stands}

    def settle(self, lead_ids: Sequence[str], target: str, stage: str, cause: str, now: int) -> None:
        """Sets the stage of leads that have left the population of a target: customers, or closed without a deal.

        They have no probability any more; that of the past stays in the history of scores. What has happened ends what
        someone had decided.
        """
        with self._database.write() as connection:
            known = hold_present(connection, lead_ids)
            before = standings_of(connection, target, sorted(known))
            stands = [
                Stand((before.get(lead_id) or StandingRow(target, lead_id)).ended(stage), cause)
                for lead_id in sorted(known)
                if lead_id not in before or before[lead_id].stage != stage or before[lead_id].probability is not None
            ]
            if stands:
                stand(connection, stands, before, now)

    def earlier(self, target: str, lead_ids: Sequence[str], as_of: int) -> dict[str, int]:
        """With which earlier score (its `as_of`) one of `as_of` (µs UTC) is compared, for leads that have one.

        That of a week ago as lists understand it; for a lead that has none, the newest of the three weeks before.
        """
        newest, oldest = (as_of - age for age in WEEK_AGO)
        week = func.max(case((scores.c.as_of <= newest, scores.c.as_of)))
        query = select(scores.c.lead_id, func.coalesce(week, func.max(scores.c.as_of))).group_by(scores.c.lead_id)
        query = query.where(scores.c.target == target, scores.c.as_of >= oldest, scores.c.as_of < as_of)
        earlier: dict[str, int] = {}
        with self._database.read() as connection:
            for chunk in chunks(lead_ids):
                earlier |= dict(connection.execute(query.where(scores.c.lead_id.in_(chunk))).all())
        return earlier

    def history(self, lead_id: str, limit: int = 1000) -> list[ScoreRecord]:
        """Scores of a lead, the newest first."""
        query = select(*(scores.c[field.name] for field in fields(ScoreRecord))).where(scores.c.lead_id == lead_id)
        with self._database.read() as connection:
            return [ScoreRecord(*row) for row in connection.execute(query.order_by(scores.c.id.desc()).limit(limit))]

    def lines(self, target: str, lead_ids: Sequence[str], since: int) -> dict[str, list[tuple[int, float]]]:
        """`as_of` and probability of a few leads' scores from a moment on (µs UTC), each lead's oldest first."""
        query = select(scores.c.lead_id, scores.c.as_of, scores.c.probability).order_by(scores.c.lead_id, scores.c.id)
        query = query.where(scores.c.lead_id.in_(lead_ids), scores.c.target == target, scores.c.as_of >= since)
        lines: dict[str, list[tuple[int, float]]] = {}
        with self._database.read() as connection:
            for lead_id, as_of, probability in connection.execute(query):
                lines.setdefault(lead_id, []).append((as_of, probability))
        return lines

    def versions(self, target: str) -> set[str]:
        """Versions of a target's model that any score here names."""
        with self._database.read() as connection:
            return set(connection.scalars(select(scores.c.model_version).where(scores.c.target == target).distinct()))

    def changes(self, lead_id: str, limit: int = 1000) -> list[StageChange]:
        """Changes of a lead's stage, the newest first."""
        query = select(*(stage_changes.c[name] for name in StageChange.__slots__))
        query = query.where(stage_changes.c.lead_id == lead_id).order_by(stage_changes.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return [StageChange(*row) for row in connection.execute(query)]

    def standing(self, lead_id: str) -> list[Standing]:
        """Where a lead stands, for each target."""
        with self._database.read() as connection:
            return [Standing(*row) for row in connection.execute(STANDINGS, {"lead_id": lead_id})]


def _stand(
    score: StoredScore,
    before: StandingRow | None,
    thresholds: Sequence[StageThreshold],
    thresholds_text: str,
    now: int,
) -> Stand:
    """The new standing, with the cause of a change."""
    model_stage = next_stage(before.model_stage if before else None, score.probability, thresholds)
    row = replace(
        before or StandingRow(score.target, score.lead_id),
        model_stage=model_stage,
        probability=score.probability,
        low=score.low,
        high=score.high,
        as_of=score.as_of,
        scored_at=now,
        model_version=score.model_version,
        thresholds=thresholds_text,
    )
    stands = replace(row, stage=row.override) if row.override and row.has_decision(now) else row.undecided()
    return Stand(stands, _cause(before, score, thresholds_text, now))


def _cause(before: StandingRow | None, score: StoredScore, thresholds_text: str, now: int) -> str:
    if before is not None and before.override is not None and not before.has_decision(now):
        return "override ended"
    if before is None or before.model_version is None:
        return "first score"
    if before.probability is None:  # it had left the population
        return "reopened"
    if before.model_version != score.model_version:
        return "model change"
    return "threshold change" if before.thresholds != thresholds_text else "score"


def _append(connection: Connection, batch: Sequence[StoredScore], stages: Sequence[str], now: int) -> None:
    """What a lead scored at a moment by a model is said once: a rescoring that is repeated changes no history."""
    once = insert(connection, scores).on_conflict_do_nothing()
    rows = [{**asdict(score), "stage": stage, "scored_at": now} for score, stage in zip(batch, stages, strict=True)]
    connection.execute(once, rows)


def _thresholds_text(thresholds: Sequence[StageThreshold]) -> str:
    return " ".join(
        f"{threshold.stage}={threshold.probability!r}"
        for threshold in sorted(thresholds, key=lambda threshold: threshold.stage)
    )
