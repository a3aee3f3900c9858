"""What a report says about a model: every metric with its interval, beside the baselines, on one slice of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.typed_json import JsonObject
from training.measuring.metrics import (
    BINS,
    MEASURES,
    RESAMPLES,
    binomial_interval,
    bootstrap,
    calibration_line,
    ece,
    ece_floor,
    equal_bins,
    interval,
    lead_codes,
    measures,
    slice_of,
)
from training.samples.log_odds import Array, clip

BANDS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; None for what cannot be said."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Judgement:
    """One prediction on the slice.

    `metrics` holds the names of `MEASURES`; `difference` is its log-loss minus the champion's on the same rows: above 0
    the champion is better. `ece_floor` says what a perfectly calibrated model of that size would show instead of
    `ece`: the average and the range of 95 % of cases.
    """

    name: str
    metrics: Mapping[str, Estimate]
    difference: Estimate
    ece: float
    ece_floor: Estimate


@dataclass(frozen=True)
class Bin:
    """Rows whose probability lies from `start` to `end`, what was predicted for them and what happened."""

    start: float
    end: float
    rows: int
    leads: int
    predicted: float
    observed: Estimate


@dataclass(frozen=True)
class Evaluation:
    """All that was measured on a slice; `judgements` begin with the champion, whose `bins` and `bands` these are."""

    rows: int
    leads: int
    positives: int
    base_rate: float
    judgements: tuple[Judgement, ...]
    bins: tuple[Bin, ...]
    bands: tuple[Bin, ...]

    def to_dict(self) -> JsonObject:
        """Plain values for JSON; what cannot be said is None."""
        return asdict(self)


def evaluate(
    y: Array,
    weight: Array,
    lead: NDArray[Any],
    predictions: Mapping[str, Array],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Judges predictions on the same rows: labels (n, 0/1), weights ≥ 0 (n), lead ids (n), probabilities by name (n).

    The first prediction is the champion. Intervals are bootstrapped by lead. Raises ValueError for no rows, for
    unequal lengths, and for labels or probabilities out of range.
    """
    y, weight = np.asarray(y, dtype=np.float64), np.asarray(weight, dtype=np.float64)
    named = {name: np.asarray(p, dtype=np.float64) for name, p in predictions.items()}
    _check(y, weight, lead, named)
    draws = bootstrap([slice_of(y, p, weight, lead) for p in named.values()], resamples, seed)
    losses = draws[:, :, MEASURES.index("log_loss")]
    points = [measures(y, p, weight) for p in named.values()]
    judgements = tuple(
        Judgement(
            name,
            {measure: _estimate(points[i][measure], draws[i, :, j]) for j, measure in enumerate(MEASURES)},
            _estimate(points[i]["log_loss"] - points[0]["log_loss"], losses[i] - losses[0]),
            ece(y, p, weight),
            _floor(ece_floor(p, weight, lead, seed=seed)),
        )
        for i, (name, p) in enumerate(named.items())
    )
    champion = next(iter(named.values()))
    bins = realised(y, champion, weight, lead, equal_bins(champion, weight, BINS))
    bands = realised(y, champion, weight, lead, np.searchsorted(BANDS[1:-1], champion, side="right"), BANDS)
    return Evaluation(
        len(y),
        len(np.unique(lead)),
        int(y.sum()),
        float(np.average(y, weights=weight)),
        judgements,
        bins,
        bands,
    )


def evaluate_groups(
    group: NDArray[Any], y: Array, weight: Array, lead: NDArray[Any], predictions: Mapping[str, Array]
) -> dict[str, Evaluation]:
    """`evaluate` within each group (n, e.g. the age of a lead in words), in the order of their names."""
    evaluations = {}
    for name in np.unique(group):
        rows = group == name
        evaluations[str(name)] = evaluate(
            y[rows], weight[rows], lead[rows], {key: p[rows] for key, p in predictions.items()}
        )
    return evaluations


def realised(
    y: Array,
    p: Array,
    weight: Array,
    lead: NDArray[Any],
    member: NDArray[np.int64],
    edges: Sequence[float] | None = None,
) -> tuple[Bin, ...]:
    """What happened in each bin that has rows; `member` (n) names the bin of a row.

    A bin spans its `edges`, or else the probabilities it holds. Its interval is Clopper & Pearson's at the number of
    leads that it is worth: rows of one lead count as one, however many there are.
    """
    return tuple(_bins(y, p, weight, lead_codes(lead), member, edges))


def _bins(
    y: Array, p: Array, weight: Array, lead: NDArray[np.int64], member: NDArray[np.int64], edges: Sequence[float] | None
) -> Iterator[Bin]:
    for at in np.unique(member):
        rows = np.flatnonzero(member == at)
        total = weight[rows].sum()
        if total == 0:
            continue
        mass = np.bincount(lead[rows], weight[rows])
        observed = float(weight[rows] @ y[rows] / total)
        low, high = binomial_interval(observed, total**2 / (mass @ mass)).tolist()
        start, end = (p[rows].min(), p[rows].max()) if edges is None else (edges[at], edges[at + 1])
        predicted = float(weight[rows] @ p[rows] / total)
        leads = int((mass > 0).sum())
        yield Bin(float(start), float(end), len(rows), leads, predicted, Estimate(observed, low, high))


@dataclass(frozen=True)
class BesideTruth:
    """A model beside the true probability of every row.

    `divergence` is the mean Kullback-Leibler divergence of the model from the truth: the log-loss in excess of the best
    possible that is to be expected, free of the luck of labels. `slope` is measured on labels, `true_slope` on truth.
    """

    log_loss: float
    best_log_loss: float
    divergence: float
    slope: float | None
    true_slope: float | None

    def to_dict(self) -> JsonObject:
        """Plain values for JSON."""
        return asdict(self)


def against_truth(p: Array, truth: Array, weight: Array, y: Array) -> BesideTruth:
    """Compares probabilities (n) with the true ones (n), as a simulation knows them.

    >>> fair = np.full(4, 0.5)
    >>> against_truth(fair, fair, np.ones(4), np.array([0.0, 1.0, 1.0, 0.0])).divergence
    0.0
    """
    p, truth = clip(p), clip(truth)
    divergence = truth * np.log(truth / p) + (1 - truth) * np.log((1 - truth) / (1 - p))
    return BesideTruth(
        measures(y, p, weight)["log_loss"],
        measures(y, truth, weight)["log_loss"],
        float(np.average(divergence, weights=weight)),
        _known(calibration_line(y, p, weight)[0]),
        _known(calibration_line(truth, p, weight)[0]),
    )


def _estimate(value: float, draws: Array) -> Estimate:
    low, high = interval(draws)
    return Estimate(_known(value), _known(low), _known(high))


def _floor(draws: Array) -> Estimate:
    low, high = interval(draws)
    return Estimate(float(draws.mean()), float(low), float(high))


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _check(y: Array, weight: Array, lead: NDArray[Any], predictions: Mapping[str, Array]) -> None:
    if not (len(y) and predictions and weight.sum() > 0):
        raise ValueError(f"nothing to judge: {len(y)} rows, {len(predictions)} predictions, weight {weight.sum()}")
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("labels must be 0 or 1; drop censored rows before judging")
    for name, values in {"weight": weight, "lead": lead, **predictions}.items():
        if len(values) != len(y):
            raise ValueError(f"{name} has {len(values)} rows, the labels have {len(y)}")
    for name, p in predictions.items():
        if not ((p >= 0) & (p <= 1)).all():
            raise ValueError(f"prediction {name!r} holds values that are no probabilities")
