"""The stage of a lead by its probability, with hysteresis: a stage is left only well below its threshold."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

UNQUALIFIED = "unqualified"
CUSTOMER = "customer"
STAGES = ("MQL", "SQL")
"""Those that a threshold begins, in order."""
MARGIN = 0.1
"""A stage is left below 0.9 × its threshold. Scores of an unchanged lead move by a few percent of their value from day
to day, as its events age; a tenth keeps those from becoming changes of stage, and costs little of the promise."""


@dataclass(frozen=True, slots=True)
class StageThreshold:
    """The probability at which a stage begins."""

    stage: str
    probability: float


def are_in_order(begins: Iterable[float | None]) -> bool:
    """Whether stages follow each other: none begins below the one before it; None begins nowhere.

    >>> are_in_order([0.05, None, 0.2]), are_in_order([0.3, 0.2])
    (True, False)
    """
    return all(low <= high for low, high in pairwise(begin for begin in begins if begin is not None))


def next_stage(previous: str | None, probability: float, thresholds: Sequence[StageThreshold]) -> str:
    """The stage after a new score; `previous` is None for a lead that was never scored.

    A lead rises as soon as it reaches a threshold. It falls when it is below 0.9 × the threshold of the stage it has,
    and then to the highest stage whose threshold it reaches. A probability that moves by less than a tenth around a
    threshold changes the stage at most once.

    >>> steps = [StageThreshold("MQL", 0.05), StageThreshold("SQL", 0.2)]
    >>> next_stage(None, 0.21, steps), next_stage("SQL", 0.19, steps), next_stage("MQL", 0.19, steps)
    ('SQL', 'SQL', 'MQL')
    >>> next_stage("SQL", 0.17, steps), next_stage("SQL", 0.049, steps), next_stage("MQL", 0.044, steps)
    ('MQL', 'unqualified', 'unqualified')
    """
    ordered = sorted(thresholds, key=lambda threshold: threshold.probability)
    reached = bisect_right([threshold.probability for threshold in ordered], probability) - 1
    held = next((at for at, threshold in enumerate(ordered) if threshold.stage == previous), -1)
    if held > reached and probability >= (1 - MARGIN) * ordered[held].probability:
        return ordered[held].stage
    return ordered[reached].stage if reached >= 0 else UNQUALIFIED


def first_stages(probabilities: Iterable[float], thresholds: Sequence[StageThreshold]) -> list[str]:
    """`next_stage(None, probability, thresholds)` of each probability, for many at once: the thresholds sorted once.

    >>> first_stages([0.04, 0.05, 0.21], [StageThreshold("SQL", 0.2), StageThreshold("MQL", 0.05)])
    ['unqualified', 'MQL', 'SQL']
    """
    ordered = sorted(thresholds, key=lambda threshold: threshold.probability)
    starts, stages = [start.probability for start in ordered], [UNQUALIFIED, *(start.stage for start in ordered)]
    return [stages[bisect_right(starts, probability)] for probability in probabilities]
