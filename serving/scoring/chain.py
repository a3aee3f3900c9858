"""A chain of targets: each has its own model, and their probabilities are brought into order.

Whoever reaches a step has reached the ones before it, so no step may be likelier than one before it. Models that were
fitted apart do not know that. Where they disagree, neighbouring steps are pooled: the closest log-odds that never rise
along the chain (pool adjacent violators: Barlow et al., Statistical Inference under Order Restrictions, 1972), where a
model counts by the leads that converted for it, on which the precision of its log-odds rests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import expit

from data.log.eventlog import EventLog
from features.moments import open_moments
from serving.scoring.scorer import Scorer
from training.samples.log_odds import Array, logit

REACHED = 1.0
"""The probability of a step that a lead has behind it."""


def in_order(log_odds: Array, weight: Array) -> Array:
    """float64[n, steps]: the closest log-odds that never rise from step to step; `weight`: float64[steps], above 0.

    Closest in weighted squares. Rows in order stay as they are.

    >>> in_order(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([3.0, 1.0])).tolist()
    [[0.25, 0.25], [1.0, 0.0]]
    """
    steps = log_odds.shape[1]
    mass = np.cumsum(np.append(0.0, weight))
    total = np.cumsum(np.column_stack([np.zeros(len(log_odds)), log_odds * weight]), axis=1)
    ordered = np.empty_like(log_odds)
    for k in range(steps):
        # The mean over i..j: the largest over the ends behind k, then the smallest over the starts before it.
        starts = [
            np.max([(total[:, j] - total[:, i]) / (mass[j] - mass[i]) for j in range(k + 1, steps + 1)], axis=0)
            for i in range(k + 1)
        ]
        ordered[:, k] = np.min(starts, axis=0)
    # Means of the same steps differ in their last digits by how they are added up; order is order.
    ordered = np.minimum.accumulate(ordered, axis=1)
    descending = np.all(np.diff(log_odds, axis=1) <= 0, axis=1, keepdims=True)
    return np.where(descending, log_odds, ordered)


def with_chain(
    rows: Sequence[Mapping[str, Any]], log: EventLog, chain: Mapping[str, Scorer], as_of: int
) -> list[dict[str, Any]]:
    """Scored leads with a column `chain_TARGET` for each target of a chain, in its order; `as_of` in µs UTC.

    A lead that is no longer open for a target has reached it: whoever was lost is open for none.
    """
    known = [_open_probabilities(log, scorer, as_of) for scorer in chain.values()]
    leads = [row["lead_id"] for row in rows]
    weight = np.array([_converted(scorer) for scorer in chain.values()])
    p = np.array([[probabilities.get(lead, REACHED) for probabilities in known] for lead in leads])
    ordered = np.where(p == REACHED, p, expit(in_order(logit(p), weight)))
    names = [f"chain_{name}" for name in chain]
    columns = [dict(zip(names, values, strict=True)) for values in ordered.tolist()]
    return [{**row, **more} for row, more in zip(rows, columns, strict=True)]


def _converted(scorer: Scorer) -> float:
    """Leads that converted for a model, at least 1."""
    return float(scorer.model.manifest.trained_on.conversions)


def _open_probabilities(log: EventLog, scorer: Scorer, as_of: int) -> dict[str, float]:
    """Probability of each lead that is open for a model's target, by id."""
    probabilities, scorer = dict[str, float](), scorer.beside(log)
    for number in range(log.n_buckets):
        histories = log.bucket(number)
        moments = open_moments(histories, scorer.target, as_of)
        if len(moments):
            ids = histories.lead_ids.take(pa.array(moments.lead)).to_pylist()
            probabilities |= dict(zip(ids, scorer.score(histories, moments).probability.tolist(), strict=True))
    return probabilities
