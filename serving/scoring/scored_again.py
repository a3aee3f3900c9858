"""A score of the past made again: from what is known now of that time, and the artifact that scored then.

Where it is another one now, what has changed is looked for: each correction that was known then is undone, and each
event and profile version left out, one at a time. Whatever gives the stored score again to the bit is what has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.histories import FAR, Histories, Profiles
from data.visibility import is_visible
from serving.scoring.batch import one_moment
from serving.scoring.reason_selection import Explainer
from serving.scoring.scorer import Scorer
from serving.store.scores.reason import TopicReason

MOST_TRIED = 5_000
"""So many histories are tried at most: a lead with more events is told that something has changed, not what."""


@dataclass(frozen=True)
class Change:
    """What is known otherwise since a lead was scored. kind: an event that was `corrected` or `added`, or a `profile`
    version that was added.

    event: its place in the history, -1 for none. name: type of the event. at: when it occurred, or from when on the
    version holds, µs UTC. since: from when on it is known to be otherwise, None where it does not say.
    """

    kind: Literal["corrected", "added", "profile"]
    event: int
    name: str
    at: int
    since: int | None


@dataclass(frozen=True)
class ScoredAgain:
    """A score made again. stored: what was given then, None where nothing is compared. changes: each of them alone
    accounts for the difference; none where it is the same, or where several things have changed."""

    probability: float
    stored: float | None
    reasons: tuple[TopicReason, ...]
    changes: tuple[Change, ...]

    @property
    def is_same(self) -> bool:
        """Whether it is the stored score, to the bit."""
        return self.stored is not None and self.probability == self.stored


def score_again(scorer: Scorer, history: Histories, as_of: int, stored: float | None = None) -> ScoredAgain:
    """Scores one lead (history.n_leads == 1) with what is known of a moment, µs UTC, and compares."""
    scores, moment = scorer.score(history, one_moment(as_of)), one_moment(as_of)
    probability = float(scores.probability[0])
    (reasons,) = Explainer(scorer).reasons(history, moment, scores)
    again = ScoredAgain(probability, stored, reasons, ())
    return (
        again if stored is None or again.is_same else replace(again, changes=_changes(scorer, history, as_of, stored))
    )


def _changes(scorer: Scorer, history: Histories, as_of: int, stored: float) -> tuple[Change, ...]:
    """What of all that may have been otherwise gives the stored score, each thing once."""
    changes: dict[Change, None] = {}
    for change, before in islice(_undone(history, as_of), MOST_TRIED):
        if change not in changes and float(scorer.score(before, one_moment(as_of)).probability[0]) == stored:
            changes[change] = None
    corrections = tuple(change for change in changes if change.kind == "corrected")
    return corrections or tuple(changes)


def _undone(history: Histories, as_of: int) -> Iterator[tuple[Change, Histories]]:
    """The history with one thing at a time as it may have been known then, corrections first."""
    never = np.full(history.n_events, FAR)
    superseded = never if history.superseded_at is None else history.superseded_at
    places, seen = np.arange(history.n_events), np.flatnonzero(is_visible(history.known_at, as_of)).tolist()
    for event in seen:
        since = int(superseded[event])
        if is_visible(since, as_of):
            change = _change("corrected", history, event, since)
            held = replace(history, superseded_at=np.where(places == event, FAR, superseded))
            yield change, held  # it was taken back
            for version in np.flatnonzero(history.known_at == since).tolist():
                yield change, _only(held, places != version)
    for event in seen:
        yield _change("added", history, event, None), _only(history, places != event)
    for version, valid_from in enumerate(history.profiles.valid_from.tolist()):
        if valid_from <= as_of:
            yield Change("profile", -1, "", valid_from, None), _without_version(history, version)


def _change(kind: Literal["corrected", "added"], history: Histories, event: int, since: int | None) -> Change:
    name = history.types[history.event_type[event]]
    return Change(kind, event, name, int(history.occurred_at[event]), since)


def _only(history: Histories, chosen: NDArray[np.bool_]) -> Histories:
    """The history of one lead with some of its events."""
    return history.with_events(chosen, np.array([0, chosen.sum()], np.int64))


def _without_version(history: Histories, version: int) -> Histories:
    profiles = history.profiles
    others = np.arange(len(profiles.valid_from)) != version
    columns = profiles.columns.filter(pa.array(others))
    starts = np.array([0, others.sum()], np.int64)
    return replace(history, profiles=Profiles(starts, profiles.valid_from[others], columns))
