"""Why a lead scores as it does: signed contributions in words, tied to what really happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.histories import Histories
from data.visibility import is_visible
from features.kinds import Definition, FirstTouch, LastTouch
from features.wording import Language, day
from features.words import with_value
from serving.scoring.scorer import Scorer, Scores
from training.samples.log_odds import Array

MOST = 3
LATEST: Mapping[Language, str] = {"en": "latest", "de": "zuletzt"}


@dataclass(frozen=True)
class Reason:
    """One contribution: the feature, what it adds to the log-odds (above 0: speaks for the lead), and the words."""

    feature: str
    contribution: float
    words: str


@dataclass(frozen=True)
class Explanation:
    """Reasons of one lead, strongest first; fit and engagement: log-odds from the profile and from behaviour."""

    speaks_for: tuple[Reason, ...]
    speaks_against: tuple[Reason, ...]
    fit: float
    engagement: float

    @property
    def fit_share(self) -> float:
        """As `fit_share_of`."""
        return fit_share_of(self.fit, self.engagement)


def fit_share_of(fit: float, engagement: float) -> float:
    """Share of the profile, 0 to 1, in what profile and behaviour add up or down.

    >>> fit_share_of(-0.5, 1.5), fit_share_of(0.0, 0.0)
    (0.25, 0.0)
    """
    return abs(fit) / (abs(fit) + abs(engagement)) if fit or engagement else 0.0


class Explainer:
    """Explains scores of one scorer; features that measure the same events count as one reason, by their strongest."""

    def __init__(self, scorer: Scorer, language: Language = "en") -> None:
        self.scorer = scorer
        self.language = language
        self.subjects = [_subject(each) for each in scorer.catalogue]

    def explain(
        self, histories: Histories, lead: NDArray[np.int32], as_of: NDArray[np.int64], scores: Scores
    ) -> list[Explanation]:
        """One explanation for each row of `scores`; `lead` and `as_of` are its moments."""
        contributions = self.scorer.model.contributions(scores.matrix)[:, :-1]
        parts = self.scorer.model.parts(scores.matrix)[:, 1:].tolist()
        return [
            Explanation(
                *self._sides(histories, int(lead[row]), int(as_of[row]), contributions[row], scores.features, row),
                *parts[row],
            )
            for row in range(len(lead))
        ]

    def _sides(
        self, histories: Histories, lead: int, as_of: int, contribution: Array, features: pa.Table, row: int
    ) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
        """What speaks for a lead, and what against it."""
        strongest = self._strongest(contribution)
        told = {
            column: Reason(
                self.scorer.catalogue[column].name,
                total,
                self._tell(histories, lead, as_of, self.scorer.catalogue[column], features[column][row].as_py()),
            )
            for column, total in strongest
        }
        ordered = sorted(told.values(), key=lambda reason: -abs(reason.contribution))
        return (
            tuple(each for each in ordered if each.contribution > 0),
            tuple(each for each in ordered if each.contribution < 0),
        )

    def _strongest(self, contribution: Array) -> list[tuple[int, float]]:
        """For each subject its total and the column that stands for it; the three that count most up and down."""
        total: dict[str, float] = {}
        spokesman: dict[str, int] = {}
        for column in np.argsort(-np.abs(contribution), kind="stable"):
            subject = self.subjects[column]
            total[subject] = total.get(subject, 0.0) + float(contribution[column])
            spokesman.setdefault(subject, int(column))
        ranked = sorted(total, key=lambda subject: -total[subject])
        chosen = [s for s in ranked[:MOST] if total[s] > 0] + [s for s in ranked[-MOST:] if total[s] < 0]
        return [(spokesman[subject], total[subject]) for subject in chosen]

    def _tell(self, histories: Histories, lead: int, as_of: int, each: Definition, value: float | str | None) -> str:
        told = with_value(each, value, self.language, self.scorer.words)
        if isinstance(each, FirstTouch):
            return told  # the latest event is not the one that it speaks of
        latest = self._latest(histories, lead, as_of, getattr(each, "events", None) or getattr(each, "contacts", None))
        if latest is None:
            return told
        return f"{told} ({LATEST[self.language]} {day(latest, self.language)})"

    def _latest(self, histories: Histories, lead: int, as_of: int, events: str | None) -> int | None:
        """When the lead's latest visible event of these types occurred, µs UTC."""
        if events is None:
            return None
        members = set(self.scorer.plan.vocabulary.members(events))
        rows = slice(int(histories.starts[lead]), int(histories.starts[lead + 1]))
        wanted = np.array([events == "any" or name in members for name in histories.types], dtype=np.bool_)
        chosen = wanted[histories.event_type[rows]] & is_visible(histories.known_at[rows], as_of) & ~histories.bot[rows]
        return int(histories.occurred_at[rows][chosen].max()) if chosen.any() else None


def _subject(each: Definition) -> str:
    """What a feature is about: all features of the same events share one reason."""
    return each.name if isinstance(each, FirstTouch | LastTouch) else str(getattr(each, "events", None) or each.name)
