"""Thresholds that keep their promise: by precision with a stated confidence, by sales capacity, by value.

A promise of precision is a statement about leads like the labelled ones (exchangeable with them). Where the world
drifts it weakens, so promises have to be watched on matured cohorts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from data.contract import UsageError
from training.samples.log_odds import Array
from training.thresholds.rule_types import CapacityRule, PrecisionRule, Rule, ValueRule
from training.thresholds.threshold import Threshold
from training.thresholds.volume import ScoredLabels, Volume

CONFIDENCE = 0.95
GRID = 50
STARTS = 5
MOST = 1e4
"""Beyond that many times the labels at hand, more labels are no advice."""


def by_precision(
    stage: str,
    labels: ScoredLabels,
    flow: Volume,
    precision: float,
    confidence: float = CONFIDENCE,
    per_week: float | None = None,
) -> Threshold:
    """The lowest threshold above which at least `precision` of leads convert, with `confidence`; none if unproven.

    With `per_week` (a mix) the lowest one of those proven that also lets through no more leads than that a week: the
    proof holds for every cut that was certified, so the choice among them is free.

    Learn then test (Angelopoulos et al., 2021): cuts are ranks fixed beforehand, tested from the strictest to the
    laxest by the exact binomial tail. A fifth of the permitted error begins at each of five starts and is carried on as
    long as tests succeed (the fallback procedure, Wiens 2003), so that bad luck at the very top is not the end.
    Raises UsageError for a precision or confidence outside (0, 1), and without labels or flow.
    """
    check_flow(flow)
    check_labels(labels)
    _check_share("precision", precision)
    _check_share("confidence", confidence)
    rule, error = PrecisionRule(precision, confidence, per_week), (1 - confidence) / STARTS
    cuts, selected, converted = cuts_of(labels, int(np.ceil(np.log(error) / np.log(precision))))
    certified = _fallback(_tail(converted, selected, precision), error)
    if per_week is not None and certified.any():
        _check_amount("capacity", per_week)
        certified &= np.array([flow.busy_week(float(cut)) <= per_week for cut in cuts])
        if not certified.any():
            return _refused(stage, rule, len(labels.p), None)
    if not certified.any():
        missing = _missing_labels(selected, converted, len(labels.p), precision, error)
        return _refused(stage, rule, len(labels.p), missing)
    lowest = float(cuts[certified][-1])
    return Threshold(stage, rule, lowest, *_evidence(lowest, labels, flow))


def by_capacity(stage: str, labels: ScoredLabels, flow: Volume, per_week: float) -> Threshold:
    """The lowest threshold that no more than `per_week` leads a week enter for the first time, in nine weeks of ten.

    How it is found among past weeks: `StageReplay.lowest_threshold_for`. 0 when sales can take them all; none when more
    leads than that share the highest probability.
    """
    check_flow(flow)
    _check_amount("capacity", per_week)
    lowest = flow.lowest_threshold_for(per_week)
    if lowest is None:
        return _refused(stage, CapacityRule(per_week), len(labels.p), None)
    return Threshold(stage, CapacityRule(per_week), lowest, *_evidence(lowest, labels, flow))


def by_value(stage: str, labels: ScoredLabels, flow: Volume, win: float, touch: float) -> Threshold:
    """Where a touch that costs `touch` begins to pay off on average, when a win is worth `win`: at touch / win."""
    check_flow(flow)
    _check_amount("value of a win", win)
    _check_amount("cost of a touch", touch)
    if touch >= win:
        raise UsageError(
            f"cost of a touch {touch:g} is not below the value of a win {win:g}: no lead is worth it; correct one"
        )
    share = touch / win
    return Threshold(stage, ValueRule(share, win, touch), share, *_evidence(share, labels, flow))


def cuts_of(labels: ScoredLabels, fewest: int) -> tuple[Array, Array, Array]:
    """Probabilities of the rank grid, strictest first; how many labels lie at or above, and how many of them converted.

    A cut lies just above the best lead left out: given that score, the leads above it are independent draws from all
    such leads, which makes the binomial test exact. Equal scores stay together.
    """
    order = np.argsort(-labels.p, kind="stable")
    scores, total = labels.p[order], len(order)
    ranks = np.geomspace(min(fewest, total), total, GRID).round().astype(np.int64)
    selected = np.unique(np.searchsorted(-scores, -scores[ranks - 1], side="right"))
    cuts = np.append(np.nextafter(scores, 1.0), 0.0)[selected]
    return cuts, selected.astype(np.float64), np.cumsum(labels.y[order])[selected - 1]


def _refused(stage: str, rule: Rule, labels: int, missing: int | None) -> Threshold:
    return Threshold(stage, rule, None, labels, 0, 0, 0.0, 0.0, missing)


def _starts(cuts: int) -> list[int]:
    return sorted({int(start) for start in np.linspace(0, cuts, STARTS, endpoint=False)})


def _fallback(tails: Array, error: float) -> NDArray[np.bool_]:
    starts = _starts(len(tails))
    certified, level = np.zeros(len(tails), dtype=np.bool_), 0.0
    for at, tail in enumerate(tails):
        level += error if at in starts else 0.0
        certified[at] = level > 0 and tail <= level
        level = level if certified[at] else 0.0
    return certified


def _tail(converted: Array, selected: Array, precision: float) -> Array:
    """Chance of at least so many conversions among the selected if the precision were only as promised."""
    return np.where(converted > 0, betainc(np.maximum(converted, 1e-9), selected - converted + 1, precision), 1.0)


def _missing_labels(selected: Array, converted: Array, labels: int, precision: float, error: float) -> int | None:
    """How many more labels it takes until one of the starts succeeds, were its precision to stay as it is."""
    starts = [at for at in _starts(len(selected)) if converted[at] > precision * selected[at]]
    factors = np.geomspace(1.0, MOST, 1000)[:, np.newaxis]
    enough = (_tail(factors * converted[starts], factors * selected[starts], precision) <= error).any(axis=1)
    return int(np.ceil((factors[enough.argmax(), 0] - 1) * labels)) if enough.any() else None


def _evidence(probability: float, labels: ScoredLabels, flow: Volume) -> tuple[int, int, int, float, float]:
    above = labels.p >= probability
    return len(labels.p), int(above.sum()), int(labels.y[above].sum()), *flow.above(probability)


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise UsageError(f"{name} {value:g} must lie between 0 and 1, both excluded")


def _check_amount(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise UsageError(f"{name} {value:g} must be a positive number")


def check_flow(flow: Volume) -> None:
    """Raises UsageError where there is no lead to expect anything of."""
    if not flow.is_enough:
        raise UsageError("there is no open lead to expect a volume from; give the scores of at least one")
    _check_amount("leads per week", flow.per_week)


def check_labels(labels: ScoredLabels) -> None:
    """Raises UsageError without labels."""
    if not len(labels.p):
        raise UsageError("there is no labelled lead to learn a threshold from; wait until outcomes of some are known")
