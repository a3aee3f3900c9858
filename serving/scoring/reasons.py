"""What speaks for and against a lead in words: the grounds of its score, with their values and days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from features.wording import Language, day
from features.words import with_value
from serving.messages.schemas import Reason, Reasons
from serving.scoring.scorer import Scorer
from serving.store.scores.explanations import Ground

LATEST: Mapping[Language, str] = {"en": "latest", "de": "zuletzt"}


def reasons_of(grounds: Sequence[Ground], scorer: Scorer, language: Language) -> Reasons:
    """The grounds of one lead in words, both sides as they are ordered."""
    spoken = [Reason(ground.feature, ground.adds, _in_words(ground, scorer, language)) for ground in grounds]
    return Reasons(
        [reason for reason in spoken if reason.contribution > 0],
        [reason for reason in spoken if reason.contribution < 0],
    )


def _in_words(ground: Ground, scorer: Scorer, language: Language) -> str:
    words = with_value(scorer.definitions[ground.feature], ground.value, language, scorer.words)
    if ground.occurred_at is None:
        return words
    return f"{words} ({LATEST[language]} {day(ground.occurred_at, language)})"


def fit_share_of(fit: float, engagement: float) -> float:
    """Share of the profile, 0 to 1, in what profile and behaviour add up or down.

    >>> fit_share_of(-0.5, 1.5), fit_share_of(0.0, 0.0)
    (0.25, 0.0)
    """
    return abs(fit) / (abs(fit) + abs(engagement)) if fit or engagement else 0.0
