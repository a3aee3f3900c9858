"""A chain of targets: each has its own model, and their probabilities are brought into order.

Whoever reaches a step has reached the ones before it, so no step may be likelier than one before it. Models that were
fitted apart do not know that. The probability of the target on which commands and server work stays what its model
says, since stage, thresholds and promises rest on it; the other steps give way. Where these disagree among themselves,
neighbouring ones are pooled: the closest log-odds that never rise along the chain (pool adjacent violators: Barlow et
al., Statistical Inference under Order Restrictions, 1972), where a model counts by the leads that converted for it, on
which the precision of its log-odds rests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from data.histories import Histories
from data.log.eventlog import EventLog
from features.kernel import Moments
from features.labels import Target
from features.population import population_of
from serving.scoring.scored_lead import ScoredLead
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


def coherent(target: str, steps: Mapping[str, Array], weight: Mapping[str, float]) -> dict[str, Array]:
    """Probabilities float64[n] of the steps of a chain, by name in its order, so that none is likelier than one before.

    That of `target` stays as it is, and so does what is behind a lead (REACHED); `weight` says how much a step counts.

    >>> steps = {"met": np.array([0.2, 0.9]), "won": np.array([0.3, 0.4])}
    >>> {name: p.round(9).tolist() for name, p in coherent("won", steps, {"met": 1.0, "won": 1.0}).items()}
    {'met': [0.3, 0.9], 'won': [0.3, 0.4]}
    """
    names, main = list(steps), steps[target]
    place = names.index(target)
    sides = ((names[:place], np.maximum), (names[place + 1 :], np.minimum))
    ordered_steps = {target: main}
    for side, bound in sides:
        if side:
            p = np.column_stack([steps[name] for name in side])
            ordered = expit(in_order(logit(p), np.array([weight[name] for name in side])))
            ordered = np.where(p == REACHED, p, bound(ordered, main[:, np.newaxis]))
            ordered_steps |= dict(zip(side, ordered.T, strict=True))
    return {name: ordered_steps[name] for name in names}


def unless_reached(histories: Histories, moments: Moments, target: Target, step: Target, p: Array) -> Array:
    """float64[m]: the probability of a step, REACHED for a lead that is open for `target`, and for the step no more."""
    at = moments.lead, moments.as_of
    behind = population_of(histories, target).has(*at) & ~population_of(histories, step).has(*at)
    return np.where(behind, REACHED, p)


@dataclass(frozen=True)
class Chain:
    """The models of a chain, in its order; the one of `target` is among them. digest: which models they are."""

    target: str
    steps: Mapping[str, Scorer]
    digest: str = ""

    @property
    def weight(self) -> dict[str, float]:
        """Leads that converted for each model, at least 1."""
        return {name: float(scorer.model.manifest.trained_on.conversions) for name, scorer in self.steps.items()}

    def probabilities(self, histories: Histories, moments: Moments, main: Array) -> list[dict[str, float]]:
        """Of each moment the steps' probabilities in order, by name; `main` is what the model of `target` says."""
        aim, steps = self.steps[self.target].target, dict[str, Array]()
        for name, scorer in self.steps.items():
            p = main if name == self.target else scorer.score(histories, moments).probability
            steps[name] = p if name == self.target else unless_reached(histories, moments, aim, scorer.target, p)
        return by_moment(coherent(self.target, steps, self.weight))


def by_moment(steps: Mapping[str, Array]) -> list[dict[str, float]]:
    """For each moment what is known by step."""
    columns = [p.tolist() for p in steps.values()]
    return [dict(zip(steps, row, strict=True)) for row in zip(*columns, strict=True)]


def with_chain(leads: Sequence[ScoredLead], log: EventLog, chain: Chain, as_of: int) -> list[ScoredLead]:
    """Scored leads with the probabilities of a chain; `as_of` in µs UTC."""
    scored = {lead.lead_id: lead.probability for lead in leads}
    known = dict[str, dict[str, float]]()
    beside = replace(chain, steps={name: scorer.beside(log) for name, scorer in chain.steps.items()})
    for number in range(log.n_buckets):
        histories = log.bucket(number)
        ids = histories.lead_ids.to_pylist()
        places = np.array([place for place, lead_id in enumerate(ids) if lead_id in scored], np.int32)
        if len(places):
            main = np.array([scored[ids[place]] for place in places])
            moments = Moments(places, np.full(len(places), as_of, np.int64))
            steps = beside.probabilities(histories, moments, main)
            known |= zip([ids[place] for place in places], steps, strict=True)
    return [replace(lead, chain=known[lead.lead_id]) for lead in leads]
