"""Why leads score as they do, for many at once: the strongest grounds, and what has moved since an earlier score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.histories import Histories
from data.visibility import is_visible
from features.kernel import Moments
from features.kinds import FirstTouch
from serving.scoring.reasons import MOST, Explainer
from serving.scoring.scorer import Scorer, Scores
from serving.store.scores.explanations import Explanation, Ground, Shift, Value
from training.samples.log_odds import Array

MOVED = 1.1
"""A probability that is so many times another, or less than one through it, has moved."""
LEAST_SHIFT = 0.05
"""A shift that adds less log-odds is not worth a line."""
DIGITS = 4
NOWHERE = -1


def explanations(
    scorer: Scorer, digest: str, histories: Histories, moments: Moments, scores: Scores, earlier: Mapping[str, int]
) -> list[Explanation]:
    """One explanation for each row of `scores`; `moments` holds one moment per lead, all at the same time.

    digest: of the model. earlier: by lead, the moment (µs UTC) of the score that shifts are told against; that score
    is computed anew by this model from what was known then, so that another model makes no shifts.
    """
    as_of, lead_ids = int(moments.as_of[0]), histories.lead_ids.to_pylist()
    names = [lead_ids[lead] for lead in moments.lead.tolist()]
    why = _Why(scorer, histories, as_of, scores)
    shifts = _shifts(scorer, histories, moments, scores, why, np.array([earlier.get(each, as_of) for each in names]))
    return [
        Explanation(each, as_of, digest, why.grounds(row, lead), earlier.get(each), shifts[row])
        for row, (each, lead) in enumerate(zip(names, moments.lead.tolist(), strict=True))
    ]


@dataclass(frozen=True)
class _Why:
    """Contributions of features to scores, and which events stand behind them."""

    scorer: Scorer
    histories: Histories
    as_of: int
    scores: Scores

    @cached_property
    def subjects(self) -> list[NDArray[np.int64]]:
        """Columns of features that measure the same events; together they are one ground."""
        names = Explainer(self.scorer).subjects
        return [np.flatnonzero(np.array(names) == name) for name in sorted(set(names))]

    @cached_property
    def contributions(self) -> Array:
        """float64[n, features]."""
        return self.scorer.model.contributions(self.scores.matrix)[:, :-1]

    @cached_property
    def totals(self) -> Array:
        """float64[n, subjects]: what the features of a subject add together."""
        return np.column_stack([self.contributions[:, each].sum(axis=1) for each in self.subjects])

    @cached_property
    def spokesmen(self) -> NDArray[np.int64]:
        """int64[n, subjects]: the feature that adds most to either side stands for its subject."""
        strength = np.abs(self.contributions)
        return np.column_stack([each[strength[:, each].argmax(axis=1)] for each in self.subjects])

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """int64[n, subjects]: subjects, what speaks most for the lead first."""
        return np.argsort(-self.totals, axis=1, kind="stable")

    @cached_property
    def latest(self) -> dict[str, NDArray[np.int64]]:
        """The lead's latest visible event of each group, int64[n_leads]; filled as it is asked for."""
        return {}

    def grounds(self, row: int, lead: int) -> tuple[Ground, ...]:
        """Up to three for a lead, then up to three against it."""
        speaks_for = [s for s in self.order[row, :MOST] if self.totals[row, s] > 0]
        against = [s for s in self.order[row, ::-1][:MOST] if self.totals[row, s] < 0]
        return tuple(self._ground(row, lead, s) for s in (*speaks_for, *against))

    def _ground(self, row: int, lead: int, subject: int) -> Ground:
        column = int(self.spokesmen[row, subject])
        event = self._event(column, lead)
        when = (None, None) if event == NOWHERE else (self._at(event, "occurred_at"), self._at(event, "known_at"))
        adds, value = round(float(self.totals[row, subject]), DIGITS), value_of(self.scores.features, column, row)
        return Ground(self.scorer.catalogue[column].name, adds, value, *when)

    def _at(self, event: int, column: str) -> int:
        return int(getattr(self.histories, column)[event])

    def _event(self, column: int, lead: int) -> int:
        """The event that a feature speaks of: the latest that it may count, for a first touch none."""
        each = self.scorer.catalogue[column]
        group = getattr(each, "events", None) or getattr(each, "contacts", None)
        if group is None or isinstance(each, FirstTouch):
            return NOWHERE
        if group not in self.latest:
            self.latest[group] = self._latest(group)
        return int(self.latest[group][lead])

    def _latest(self, group: str) -> NDArray[np.int64]:
        histories, members = self.histories, set(self.scorer.plan.vocabulary.members(group))
        found = np.full(histories.n_leads, NOWHERE, dtype=np.int64)
        if histories.n_events:
            wanted = np.array([group == "any" or name in members for name in histories.types], dtype=np.bool_)
            chosen = wanted[histories.event_type] & is_visible(histories.known_at, self.as_of) & ~histories.bot
            rows = np.flatnonzero(chosen)
            rows = rows[np.argsort(histories.occurred_at[rows], kind="stable")]
            # Of several rows of a lead the last one is kept.
            found[np.searchsorted(histories.starts, rows, side="right") - 1] = rows
        return found


def value_of(features: pa.Table, column: int, row: int) -> Value:
    """What a feature is, in so many digits as matter; None for unknown."""
    value = features.column(column)[row].as_py()
    if value is None or value != value:
        return None
    return value if isinstance(value, str) else round(float(value), DIGITS)


def _shifts(
    scorer: Scorer,
    histories: Histories,
    moments: Moments,
    scores: Scores,
    why: _Why,
    earlier: NDArray[np.int64],
) -> list[tuple[Shift, ...]]:
    """For each row what has moved the probability since an earlier moment; nothing where it has hardly moved."""
    compared = np.flatnonzero(earlier < moments.as_of)
    found: list[tuple[Shift, ...]] = [()] * len(earlier)
    if not len(compared):
        return found
    past = scorer.score(histories, Moments(moments.lead[compared], earlier[compared]))
    ratio = scores.probability[compared] / past.probability
    for then in np.flatnonzero((ratio > MOVED) | (ratio < 1 / MOVED)).tolist():
        found[compared[then]] = _moved(scorer, scores, why, int(compared[then]), past, then)
    return found


def _moved(scorer: Scorer, scores: Scores, why: _Why, row: int, past: Scores, then: int) -> tuple[Shift, ...]:
    """The features of one lead that moved it most: the score is asked anew with each subject as it was."""
    now, was = scores.matrix[row], past.matrix[then]
    changed = ~((now == was) | (np.isnan(now) & np.isnan(was)))
    subjects = [each[changed[each]] for each in why.subjects if changed[each].any()]
    if not subjects:
        return ()
    as_if = np.repeat(now[np.newaxis], len(subjects) + 1, axis=0)
    for i, columns in enumerate(subjects):
        as_if[i, columns] = was[columns]
    odds = scorer.model.parts(as_if)[:, 0]
    adds = odds[-1] - odds[:-1]
    strongest = [i for i in np.argsort(-np.abs(adds), kind="stable")[:MOST] if abs(adds[i]) >= LEAST_SHIFT]
    return tuple(_shift(scorer, scores, why, row, past, then, subjects[i], float(adds[i])) for i in strongest)


def _shift(
    scorer: Scorer,
    scores: Scores,
    why: _Why,
    row: int,
    past: Scores,
    then: int,
    columns: NDArray[np.int64],
    adds: float,
) -> Shift:
    column = int(columns[np.abs(why.contributions[row, columns]).argmax()])
    before, now = value_of(past.features, column, then), value_of(scores.features, column, row)
    return Shift(scorer.catalogue[column].name, before, now, round(adds, DIGITS))
