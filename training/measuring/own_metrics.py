"""Metrics of the user's own beside ours: what each prediction comes to, with an interval by lead for the model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Predicted:
    """Labels, probabilities, weights and lead ids (n each) of a prediction on one slice of time."""

    y: Array
    p: Array
    weight: Array
    lead: NDArray[Any]


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
    slices = {name: [Predicted(y, p, weight, lead)] for name, p in predictions.items()}
    ours = estimates(own, {judgement.name: slices[judgement.name] for judgement in evaluation.judgements})
    judgements = tuple(_with(judgement, ours[judgement.name]) for judgement in evaluation.judgements)
    return replace(evaluation, judgements=judgements)


def estimates(
    own: Sequence[OwnFunction], predictions: Mapping[str, Sequence[Predicted]]
) -> dict[str, dict[str, Estimate]]:
    """For each prediction what every metric says of it, by name: the mean over slices, each counting the same.

    The first prediction is the model's, and has an interval: by lead, drawn for all slices at once. Raises UsageError
    as `with_own_metrics` does.
    """
    names = [metric.short_name for metric in own]
    for name in names:
        if name in MEASURES or names.count(name) > 1:
            raise UsageError(f"training.metrics: the name {name!r} is taken; call the function something else")
    return {
        name: {metric.short_name: _interval(metric, slices) if place == 0 else _point(metric, slices) for metric in own}
        for place, (name, slices) in enumerate(predictions.items())
    }


def measured(metric: OwnFunction, y: Array, p: Array, weight: Array) -> float:
    """What an own metric says of labels, probabilities and weights (n). Raises UsageError: file, line, error."""
    try:
        value = metric.load()(y.copy(), p.copy(), weight.copy())
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"metric {metric.name!r}: {metric.blame(error)}") from None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"metric {metric.name!r} returned a {type(value).__name__}; return a number") from None


def _with(judgement: Judgement, own: Mapping[str, Estimate]) -> Judgement:
    return replace(judgement, metrics={**judgement.metrics, **own})


def _point(metric: OwnFunction, slices: Sequence[Predicted]) -> Estimate:
    return Estimate(_finite(_mean(metric, slices, [rows.weight for rows in slices])), None, None)


def _interval(metric: OwnFunction, slices: Sequence[Predicted]) -> Estimate:
    codes = lead_codes(np.concatenate([rows.lead for rows in slices]))
    rng, ends = np.random.default_rng(0), np.cumsum([len(rows.y) for rows in slices])[:-1]
    drawn = np.empty(RESAMPLES)
    for resample in range(RESAMPLES):
        times = np.split(rng.poisson(1.0, codes.max() + 1)[codes], ends)
        drawn[resample] = _mean(metric, slices, [rows.weight * n for rows, n in zip(slices, times, strict=True)])
    low, high = interval(drawn)
    return Estimate(_point(metric, slices).value, _finite(low), _finite(high))


def _mean(metric: OwnFunction, slices: Sequence[Predicted], weights: Sequence[Array]) -> float:
    return float(
        np.mean([measured(metric, rows.y, rows.p, weight) for rows, weight in zip(slices, weights, strict=True)])
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
