"""Why leads score as they do, for many at once: what is worth telling of each, and what has moved since an earlier one.

Features that are told as one count together. A headline is a topic of which something can be said that does not
contradict common sense (`serving/sentences/`); those come first that set a lead apart from others that score like it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.histories import Histories
from features.kernel import Moments
from features.kinds import ActiveDays, Count, DistinctTypes, IgnoredInRow, Profile, ProfileNumber, Recency, Sessions
from serving.scoring.scorer import FeatureScores, Scorer
from serving.sentences.deeds import Deeds
from serving.sentences.facts import LeadFacts, Part, facts_of
from serving.sentences.topics import ANSWER, Topic, topics_of
from serving.store.events.sales_events import EVENTS
from serving.store.scores.reason import Explanation, Fact, FeatureShift, TopicReason, Value
from training.samples.log_odds import Array

MOST = 3
"""Headlines on either side, and shifts, that are worth telling."""
SHARE = 0.2
"""What adds less than such a share of the strongest on its side is no headline, however rare it is."""
OTHERS, LEAST = 8, 0.05
"""So many further topics are kept; what adds less log-odds is not worth a word."""
MOVED = 1.1
"""A probability that is so many times another, or less than one through it, has moved."""
LEAST_SHIFT = 0.05
"""A shift that adds less log-odds is not worth a line."""
DIGITS = 4
PLAIN = (Count, Recency, ActiveDays, Sessions, DistinctTypes, Profile, ProfileNumber, IgnoredInRow)
"""Kinds of features that people can read the value of."""
VALUED = ("fit", "age", "origin")
"""Kinds of topics of which values are told."""
Columns = NDArray[np.int64]


class Explainer:
    """Explains scores of one scorer."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        vocabulary, ends = scorer.plan.vocabulary, {*scorer.target.outcomes, *EVENTS}
        self.topics: list[Topic] = topics_of(scorer.catalogue, vocabulary, scorer.words, ends)
        self.own = [name for name in vocabulary.types if name not in {*vocabulary.groups.get("contact", ()), *ends}]
        self.answers = vocabulary.groups.get(ANSWER, ())
        self.order: Columns = np.concatenate([topic.columns for topic in self.topics])
        self.starts: Columns = np.cumsum([0, *(len(topic.columns) for topic in self.topics[:-1])])

    def summed(self, adds: Array) -> Array:
        """float64[n, topics]: what the features of a topic add together; adds: float64[n, features], log-odds."""
        return np.asarray(np.add.reduceat(adds[:, self.order], self.starts, axis=1))

    def reasons(self, histories: Histories, moments: Moments, scores: FeatureScores) -> list[tuple[TopicReason, ...]]:
        """For each row of `scores` up to three headlines for the lead, up to three against it, and what else counts.

        `moments` holds one moment per lead, each at its own time.
        """
        return [tuple(row) for row in Contributions(self, histories, moments, scores).reasons()]

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
            Explanation(name, as_of, digest, tuple(reasons), earlier.get(name), moved)
            for name, reasons, moved in zip(names, contributions.reasons(), shifts, strict=True)
        ]


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
        """float64[n, topics]: log-odds."""
        return self.explainer.summed(self.added)

    @cached_property
    def apart(self) -> Array:
        """float64[n, topics]: how far that lies from what is usual for leads that score alike."""
        usual = self.explainer.scorer.usual
        return self.totals if usual is None else self.totals - self.explainer.summed(usual.beside(self.added))

    @cached_property
    def deeds(self) -> Deeds:
        """What the leads did."""
        return Deeds(self.histories, self.moments)

    def reasons(self) -> list[list[TopicReason]]:
        """For each row the headlines for the lead, those against it, and what else counts."""
        totals, apart, leads = self.totals.tolist(), self.apart.tolist(), self.moments.lead.tolist()
        return [self._reasons_of(row, leads[row], totals[row], apart[row]) for row in range(len(leads))]

    def _reasons_of(self, row: int, lead: int, totals: list[float], apart: list[float]) -> list[TopicReason]:
        explainer = self.explainer
        as_of, named = int(self.moments.as_of[row]), set[str]()
        known = LeadFacts(as_of, self.deeds.of(lead), explainer.scorer.words, explainer.answers, explainer.own)
        headlines: dict[int, TopicReason] = {}
        for sign in (1, -1):
            ranked = _by_rank(totals, apart, sign)
            headlines |= dict(_first(self._headlines(row, known, ranked, totals, named), MOST))
            if not headlines:  # of a likely lead something is told, and be it old
                of_old = replace(known, lately=inf)
                headlines |= dict(_first(self._headlines(row, of_old, ranked, totals, named), 1))
        others = [topic for topic, adds in enumerate(totals) if topic not in headlines and abs(adds) >= LEAST]
        others.sort(key=lambda topic: -abs(totals[topic]))
        return [*headlines.values(), *(self._reason(row, known, topic, totals, ()) for topic in others[:OTHERS])]

    def _headlines(
        self, row: int, known: LeadFacts, ranked: list[int], totals: list[float], named: set[str]
    ) -> Iterator[tuple[int, TopicReason]]:
        """Topics of which something can be said that was not said yet."""
        said = set[tuple[Fact, ...]]()
        for topic in ranked:
            parts = self._parts(row, self.explainer.topics[topic])
            facts = facts_of(self.explainer.topics[topic], parts, totals[topic], known, named)
            if facts and facts not in said:
                said.add(facts)
                named.update(fact.name for fact in facts if fact.kind == "did")
                yield topic, self._reason(row, known, topic, totals, facts)

    def _parts(self, row: int, topic: Topic) -> list[Part]:
        catalogue, parts = self.explainer.scorer.catalogue, []
        for column in topic.columns:
            definition = catalogue[column]
            about = "name" if topic.kind == "origin" else "column" if topic.kind == "fit" else "events"
            name = getattr(definition, about, definition.name)
            valued = topic.kind in VALUED or isinstance(definition, IgnoredInRow)
            value = value_of(self.scores.features, column, row) if valued else None
            parts.append(Part(type(definition).__name__, name, float(self.added[row, column]), value))
        return parts

    def _reason(
        self, row: int, known: LeadFacts, topic: int, totals: list[float], facts: tuple[Fact, ...]
    ) -> TopicReason:
        about = self.explainer.topics[topic]
        column = self._spokesman(row, np.array(about.columns))
        definition = self.explainer.scorer.catalogue[column]
        spoken = [fact.name for fact in facts if fact.kind in ("did", "came")] or about.types
        seen = [(deed.occurred_at, deed.known_at) for name in spoken if (deed := known.deeds.get(name))]
        occurred_at, known_at = max(seen) if seen else (None, None)
        value = value_of(self.scores.features, column, row)
        return TopicReason(
            definition.name, round(totals[topic], DIGITS), value, occurred_at, known_at, about.name, facts
        )

    def _spokesman(self, row: int, columns: Columns) -> int:
        """The feature that adds most to either side stands for its topic."""
        return int(columns[np.abs(self.added[row, columns]).argmax()])

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

    def _moved(self, row: int, past: FeatureScores, then: int) -> tuple[FeatureShift, ...]:
        """The features of one lead that moved it most: the score is asked anew with each subject as it was."""
        now, was = self.scores.matrix[row], past.matrix[then]
        changed = ~((now == was) | (np.isnan(now) & np.isnan(was)))
        subjects = [columns[changed[columns]] for columns in self._columns if changed[columns].any()]
        if not subjects:
            return ()
        as_if = np.repeat(now[np.newaxis], len(subjects) + 1, axis=0)
        for i, columns in enumerate(subjects):
            as_if[i, columns] = was[columns]
        odds = self.explainer.scorer.model.parts(as_if)[:, 0]
        adds = odds[-1] - odds[:-1]
        order = [i for i in np.argsort(-np.abs(adds), kind="stable")[:MOST] if abs(adds[i]) >= LEAST_SHIFT]
        return tuple(self._shift(row, past, then, subjects[i][changed[subjects[i]]], float(adds[i])) for i in order)

    def _shift(self, row: int, past: FeatureScores, then: int, columns: Columns, adds: float) -> FeatureShift:
        column = self._legible(row, columns)
        before, now = value_of(past.features, column, then), value_of(self.scores.features, column, row)
        return FeatureShift(self.explainer.scorer.catalogue[column].name, before, now, round(adds, DIGITS))

    @cached_property
    def _columns(self) -> list[Columns]:
        return [np.array(topic.columns) for topic in self.explainer.topics]

    def _legible(self, row: int, columns: Columns) -> int:
        """The strongest of those whose values people can read, where there is one."""
        catalogue = self.explainer.scorer.catalogue
        plain = [column for column in columns.tolist() if isinstance(catalogue[column], PLAIN)]
        return self._spokesman(row, np.array(plain) if plain else columns)


def _by_rank(totals: list[float], apart: list[float], sign: int) -> list[int]:
    """The topics that add to one side, first those that set the lead apart; what adds next to nothing is left out."""
    most = max(sign * adds for adds in totals)
    chosen = [topic for topic, adds in enumerate(totals) if sign * adds >= max(LEAST, SHARE * most)]
    return sorted(chosen, key=lambda topic: -sign * apart[topic])


def _first(chosen: Iterator[tuple[int, TopicReason]], most: int) -> Iterator[tuple[int, TopicReason]]:
    """No more than so many; what comes after is not looked for."""
    return (headline for _, headline in zip(range(most), chosen, strict=False))
