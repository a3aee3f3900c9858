"""Why leads score as they do, for many at once: the strongest grounds, and what has moved since an earlier score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.histories import Histories
from data.visibility import is_valid, is_visible
from features.kernel import Moments
from features.kinds import Definition, FirstTouch, LastTouch
from serving.scoring.scorer import FeatureScores, Scorer
from serving.store.scores.explanations import Explanation, FeatureShift, Ground, Value
from training.samples.log_odds import Array

MOST = 3
"""Grounds on either side, and shifts, that are worth telling."""
MOVED = 1.1
"""A probability that is so many times another, or less than one through it, has moved."""
LEAST_SHIFT = 0.05
"""A shift that adds less log-odds is not worth a line."""
DIGITS = 4
NOWHERE = -1
NEVER = np.iinfo(np.int64).min
Columns = NDArray[np.int64]


class Explainer:
    """Explains scores of one scorer; features that measure the same events are one subject, and count together."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        names = np.array([subject_of(definition) for definition in scorer.catalogue])
        self.subjects: list[Columns] = [np.flatnonzero(names == name) for name in np.unique(names)]
        self.order: Columns = np.concatenate(self.subjects)
        self.starts: Columns = np.cumsum([0, *map(len, self.subjects[:-1])])

    def grounds(self, histories: Histories, moments: Moments, scores: FeatureScores) -> list[tuple[Ground, ...]]:
        """For each row of `scores` up to three grounds for the lead, then up to three against it, the strongest first.

        `moments` holds one moment per lead, each at its own time.
        """
        return [tuple(row) for row in Contributions(self, histories, moments, scores).grounds()]

    def explanations(
        self, digest: str, histories: Histories, moments: Moments, scores: FeatureScores, earlier: Mapping[str, int]
    ) -> list[Explanation]:
        """One explanation for each row of `scores`; `moments` holds one moment per lead, all at the same time.

        digest: of the model. earlier: by lead, the moment (µs UTC) of the score that shifts are measured against; that
        score is computed anew by this model from what was known then, so that another model makes no shifts.
        """
        as_of, lead_ids = int(moments.as_of[0]), histories.lead_ids.to_pylist()
        names = [lead_ids[lead] for lead in moments.lead.tolist()]
        contributions = Contributions(self, histories, moments, scores)
        shifts = contributions.shifts(np.array([earlier.get(name, as_of) for name in names]))
        return [
            Explanation(name, as_of, digest, tuple(grounds), earlier.get(name), moved)
            for name, grounds, moved in zip(names, contributions.grounds(), shifts, strict=True)
        ]


def subject_of(definition: Definition) -> str:
    """What a feature is about: all features of the same events share one subject."""
    if isinstance(definition, FirstTouch | LastTouch):
        return definition.name
    return str(getattr(definition, "events", None) or definition.name)


def value_of(features: pa.Table, column: int, row: int) -> Value:
    """What a feature is, in so many digits as matter; None for unknown."""
    value = features.column(column)[row].as_py()
    if value is None or value != value:
        return None
    return value if isinstance(value, str) else round(float(value), DIGITS)


@dataclass(frozen=True)
class Contributions:
    """What features add to scores, and which events stand behind them; `moments` holds one moment per lead."""

    explainer: Explainer
    histories: Histories
    moments: Moments
    scores: FeatureScores

    @cached_property
    def added(self) -> Array:
        """float64[n, features]: log-odds."""
        return self.explainer.scorer.model.contributions(self.scores.matrix)[:, :-1]

    @cached_property
    def totals(self) -> Array:
        """float64[n, subjects]: what the features of a subject add together."""
        ordered = self.added[:, self.explainer.order]
        return np.asarray(np.add.reduceat(ordered, self.explainer.starts, axis=1))

    @cached_property
    def latest(self) -> dict[str, NDArray[np.int64]]:
        """Each lead's latest visible event of a group, int64[n_leads]; filled as it is asked for."""
        return {}

    @cached_property
    def lead_of_event(self) -> NDArray[np.int64]:
        """int64[n_events]."""
        return np.repeat(np.arange(self.histories.n_leads), np.diff(self.histories.starts))

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """bool[n_events]: whether an event counts at the moment of its lead."""
        histories, as_of = self.histories, self.as_of[self.lead_of_event]
        if histories.superseded_at is None:
            return np.asarray(is_visible(histories.known_at, as_of))
        return np.asarray(is_valid(histories.known_at, histories.superseded_at, as_of))

    @cached_property
    def as_of(self) -> NDArray[np.int64]:
        """int64[n_leads]: the moment of each lead, NEVER for one without."""
        as_of = np.full(self.histories.n_leads, NEVER)
        as_of[self.moments.lead] = self.moments.as_of
        return as_of

    def grounds(self) -> list[list[Ground]]:
        """For each row what speaks for the lead and then what against it, the strongest first."""
        order = np.argsort(-self.totals, axis=1, kind="stable").tolist()
        rows = zip(order, self.totals.tolist(), self.moments.lead.tolist(), strict=True)
        return [
            [self._ground(row, lead, subject) for subject in strongest(ranked, totals)]
            for row, (ranked, totals, lead) in enumerate(rows)
        ]

    def shifts(self, earlier: NDArray[np.int64]) -> list[tuple[FeatureShift, ...]]:
        """For each row what has moved the probability since an earlier moment; nothing where it has hardly moved."""
        compared = np.flatnonzero(earlier < self.moments.as_of)
        shifts: list[tuple[FeatureShift, ...]] = [()] * len(earlier)
        if not len(compared):
            return shifts
        past = self.explainer.scorer.score(self.histories, Moments(self.moments.lead[compared], earlier[compared]))
        ratio = self.scores.probability[compared] / past.probability
        for then in np.flatnonzero((ratio > MOVED) | (ratio < 1 / MOVED)).tolist():
            shifts[compared[then]] = self._moved(int(compared[then]), past, then)
        return shifts

    def _ground(self, row: int, lead: int, subject: int) -> Ground:
        column = self._spokesman(row, self.explainer.subjects[subject])
        definition = self.explainer.scorer.catalogue[column]
        event, histories = self._event(definition, lead), self.histories
        times = (histories.occurred_at, histories.known_at)
        when = (None, None) if event == NOWHERE else (int(times[0][event]), int(times[1][event]))
        adds = round(float(self.totals[row, subject]), DIGITS)
        return Ground(definition.name, adds, value_of(self.scores.features, column, row), *when)

    def _spokesman(self, row: int, columns: Columns) -> int:
        """The feature that adds most to either side stands for its subject."""
        return int(columns[np.abs(self.added[row, columns]).argmax()])

    def _event(self, definition: Definition, lead: int) -> int:
        """The event that a feature speaks of: the latest that it may count, for a first touch none."""
        group = getattr(definition, "events", None) or getattr(definition, "contacts", None)
        if group is None or isinstance(definition, FirstTouch):
            return NOWHERE
        if group not in self.latest:
            self.latest[group] = self._latest(group)
        return int(self.latest[group][lead])

    def _latest(self, group: str) -> NDArray[np.int64]:
        histories, members = self.histories, set(self.explainer.scorer.plan.vocabulary.members(group))
        latest = np.full(histories.n_leads, NOWHERE, dtype=np.int64)
        if histories.n_events:
            wanted = np.array([group == "any" or name in members for name in histories.types], dtype=np.bool_)
            rows = np.flatnonzero(wanted[histories.event_type] & self.valid & ~histories.bot)
            rows = rows[np.argsort(histories.occurred_at[rows], kind="stable")]
            # Of several rows of a lead the last one stays.
            latest[self.lead_of_event[rows]] = rows
        return latest

    def _moved(self, row: int, past: FeatureScores, then: int) -> tuple[FeatureShift, ...]:
        """The features of one lead that moved it most: the score is asked anew with each subject as it was."""
        now, was = self.scores.matrix[row], past.matrix[then]
        changed = ~((now == was) | (np.isnan(now) & np.isnan(was)))
        subjects = [columns[changed[columns]] for columns in self.explainer.subjects if changed[columns].any()]
        if not subjects:
            return ()
        as_if = np.repeat(now[np.newaxis], len(subjects) + 1, axis=0)
        for i, columns in enumerate(subjects):
            as_if[i, columns] = was[columns]
        odds = self.explainer.scorer.model.parts(as_if)[:, 0]
        adds = odds[-1] - odds[:-1]
        order = [i for i in np.argsort(-np.abs(adds), kind="stable")[:MOST] if abs(adds[i]) >= LEAST_SHIFT]
        return tuple(self._shift(row, past, then, subjects[i], float(adds[i])) for i in order)

    def _shift(self, row: int, past: FeatureScores, then: int, columns: Columns, adds: float) -> FeatureShift:
        column = self._spokesman(row, columns)
        before, now = value_of(past.features, column, then), value_of(self.scores.features, column, row)
        return FeatureShift(self.explainer.scorer.catalogue[column].name, before, now, round(adds, DIGITS))


def strongest(ranked: list[int], totals: list[float]) -> list[int]:
    """The subjects that speak most for a lead, then those that speak most against it; `ranked`: by falling total."""
    speak_for = [subject for subject in ranked[:MOST] if round(totals[subject], DIGITS) > 0]
    return speak_for + [subject for subject in ranked[::-1][:MOST] if round(totals[subject], DIGITS) < 0]
