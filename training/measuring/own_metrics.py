"""Metrics of the user's own beside ours: what each prediction comes to, with an interval by lead for the model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.contract import UsageError
from data.own_functions import OwnFunction
from training.measuring.evaluation import Estimate, Evaluation, Judgement
from training.measuring.metrics import MEASURES, interval, lead_codes
from training.samples.log_odds import Array

RESAMPLES = 200
"""Fewer than for our own, which are compiled."""


def with_own_metrics(
    evaluation: Evaluation,
    own: Sequence[OwnFunction],
    y: Array,
    weight: Array,
    lead: NDArray[Any],
    predictions: Mapping[str, Array],
) -> Evaluation:
    """The evaluation of these predictions, whose judgements also hold what own functions say of them, by their names.

    A metric is called with y, p and weight (n) and returns a number. Raises UsageError for one that has the name of
    ours or of another one, that fails, or returns something else.
    """
    names = [metric.short_name for metric in own]
    for name in names:
        if name in MEASURES or names.count(name) > 1:
            raise UsageError(f"training.metrics: the name {name!r} is taken; call the function something else")
    judgements: list[Judgement] = []
    for judgement in evaluation.judgements:
        p, is_model = predictions[judgement.name], not judgements
        measured = {metric.short_name: _estimate(metric, y, p, weight, lead if is_model else None) for metric in own}
        judgements.append(_with(judgement, measured))
    return replace(evaluation, judgements=tuple(judgements))


def measured(metric: OwnFunction, y: Array, p: Array, weight: Array) -> float:
    """What an own metric says of labels, probabilities and weights (n). Raises UsageError: file, line, error."""
    try:
        value = metric.load()(y.copy(), p.copy(), weight.copy())
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"metric {metric.name!r}: {metric.blame(error)}: {error}") from None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"metric {metric.name!r} returned a {type(value).__name__}; return a number") from None


def _with(judgement: Judgement, own: Mapping[str, Estimate]) -> Judgement:
    return replace(judgement, metrics={**judgement.metrics, **own})


def _estimate(metric: OwnFunction, y: Array, p: Array, weight: Array, lead: NDArray[Any] | None) -> Estimate:
    """lead: by which rows are drawn again, None for no interval."""
    value = measured(metric, y, p, weight)
    if lead is None:
        return Estimate(value if np.isfinite(value) else None, None, None)
    rng, codes = np.random.default_rng(0), lead_codes(lead)
    drawn = np.array(
        [measured(metric, y, p, weight * rng.poisson(1.0, codes.max() + 1)[codes]) for _ in range(RESAMPLES)]
    )
    low, high = interval(drawn)
    return Estimate(*(float(end) if np.isfinite(end) else None for end in (value, low, high)))
