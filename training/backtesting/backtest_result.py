"""What a backtest came to: contenders at each origin and on average, segments, bands over time, and an alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from data.own_functions import OwnFunction
from data.typed_json import JsonObject
from training.backtesting.backtest import Backtest, JudgedPeriod
from training.backtesting.contenders import BASE_RATE, CHAMPION
from training.backtesting.inflation import Inflation, inflation
from training.measuring.evaluation import BANDS, Bin, Estimate, evaluate, realised
from training.measuring.metrics import BLOCK, MEASURES, RESAMPLES, Slice, interval, slice_of
from training.measuring.own_metrics import Predicted, estimates
from training.recipe.segments import segments_of
from training.samples.log_odds import Array

SEGMENT_RESAMPLES = 200


@dataclass(frozen=True)
class JudgedOrigin:
    """One origin: who was learnt from and judged; `bands` are the champion's promises and what came of them."""

    name: str
    learnt: int
    learnt_positives: int
    judged: int
    leads: int
    positives: int
    predicted: float
    bands: tuple[Bin, ...]
    observed: Estimate


@dataclass(frozen=True)
class ContenderResult:
    """How a contender did: log-loss at each origin, `MEASURES` on average over the origins, each counting the same.

    metrics: also what functions of the user's own say, with an interval for the champion.
    differences, difference: its log-loss minus the champion's on the same moments, above 0 the champion is better.
    Intervals are by lead, drawn for all origins at once; they tell nothing of how origins differ from each other.
    """

    name: str
    tells: str
    losses: tuple[Estimate, ...]
    differences: tuple[Estimate, ...]
    metrics: Mapping[str, Estimate]
    difference: Estimate


@dataclass(frozen=True)
class SegmentResult:
    """The champion on a part of the moments: `whole` holds what was promised and realised; others as in
    `ContenderResult`."""

    whole: Bin
    positives: int
    log_loss: Estimate
    auc: Estimate
    ahead_of_base_rate: Estimate


@dataclass(frozen=True)
class BacktestResult:
    """The result. segments: segment -> value -> the champion there, all periods together."""

    digest: str
    origins: tuple[JudgedOrigin, ...]
    contenders: tuple[ContenderResult, ...]
    segments: Mapping[str, Mapping[str, SegmentResult]]
    inflation: Inflation
    skipped: tuple[str, ...]

    def to_dict(self) -> JsonObject:
        """Plain values for JSON."""
        return asdict(self)

    def rows(self) -> list[JsonObject]:
        """A row for each contender and measure, on average over the origins, and for its log-loss at each of them."""
        return [
            {"prediction": contender.name, "measure": measure, "origin": origin, **asdict(estimate)}
            for contender in self.contenders
            for measure, origin, estimate in (
                *((measure, None, estimate) for measure, estimate in contender.metrics.items()),
                ("log_loss_minus_champion", None, contender.difference),
                *(("log_loss", part.name, loss) for part, loss in zip(self.origins, contender.losses, strict=True)),
            )
        ]


def summarise(
    backtest: Backtest,
    segments: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    own: Sequence[OwnFunction] = (),
) -> BacktestResult:
    """Measures a backtest, also by metrics of the user's `own`. `segments`: columns to split by; by default age of the
    lead, channel and country. Raises UsageError for a metric of the user's that fails."""
    names = [contender.name for contender in backtest.contenders]
    draws, points = bootstrap_periods(backtest.periods, names, resamples, seed), _points(backtest.periods, names)
    theirs = estimates(own, {name: [_predicted(period, name) for period in backtest.periods] for name in names})
    contenders = tuple(
        _contender(name, contender.tells, points[i], points[0], draws[i], draws[0], theirs[name])
        for i, (name, contender) in enumerate(zip(names, backtest.contenders, strict=True))
    )
    return BacktestResult(
        backtest.digest,
        tuple(_origin(period) for period in backtest.periods),
        contenders,
        _segments(backtest.periods, segments, seed),
        inflation([(period.rows, period.predictions[CHAMPION]) for period in backtest.periods]),
        backtest.skipped,
    )


def bootstrap_periods(periods: Sequence[JudgedPeriod], names: Sequence[str], resamples: int, seed: int) -> Array:
    """`MEASURES` under resampled leads, (contenders, origins, resamples, 7); a lead counts alike at all origins."""
    leads = np.unique(np.concatenate([period.rows.lead for period in periods]))
    lead_columns = [np.searchsorted(leads, np.unique(period.rows.lead)) for period in periods]
    slices = [[_slice(period, name) for period in periods] for name in names]
    rng, step = np.random.default_rng(seed), max(1, BLOCK // len(leads))
    blocks = []
    for at in range(0, resamples, step):
        times = rng.poisson(1.0, (min(step, resamples - at), len(leads))).astype(np.float64)
        drawn = [np.ascontiguousarray(times[:, columns]) for columns in lead_columns]
        blocks.append(
            [[period_slice.under(counts) for period_slice, counts in zip(row, drawn, strict=True)] for row in slices]
        )
    return np.concatenate([np.asarray(block) for block in blocks], axis=2)


def _slice(period: JudgedPeriod, name: str) -> Slice:
    rows = period.rows
    return slice_of(rows.y, period.predictions[name], rows.weight, rows.lead)


def _points(periods: Sequence[JudgedPeriod], names: Sequence[str]) -> Array:
    """`MEASURES` as they are, (contenders, origins, 7)."""
    slices = [[_slice(period, name) for period in periods] for name in names]
    return np.array(
        [[period_slice.under(np.ones((1, len(period_slice.sums))))[0] for period_slice in row] for row in slices]
    )


def _predicted(period: JudgedPeriod, name: str) -> Predicted:
    rows = period.rows
    return Predicted(rows.y, period.predictions[name], rows.weight, rows.lead)


def _contender(
    name: str, tells: str, points: Array, base: Array, draws: Array, base_draws: Array, own: Mapping[str, Estimate]
) -> ContenderResult:
    """points, base: (origins, 7) of the contender and of the champion; draws, base_draws: (origins, resamples, 7)."""
    loss = MEASURES.index("log_loss")
    apart, apart_draws = points[:, loss] - base[:, loss], draws[..., loss] - base_draws[..., loss]
    return ContenderResult(
        name,
        tells,
        tuple(_estimate(point, drawn) for point, drawn in zip(points[:, loss], draws[..., loss], strict=True)),
        tuple(_estimate(point, drawn) for point, drawn in zip(apart, apart_draws, strict=True)),
        {measure: _estimate(points[:, j].mean(), draws[..., j].mean(axis=0)) for j, measure in enumerate(MEASURES)}
        | dict(own),
        _estimate(apart.mean(), apart_draws.mean(axis=0)),
    )


def _origin(period: JudgedPeriod) -> JudgedOrigin:
    rows, p = period.rows, period.predictions[CHAMPION]
    bands = realised(rows.y, p, rows.weight, rows.lead, np.searchsorted(BANDS[1:-1], p, side="right"), BANDS)
    (whole,) = realised(rows.y, p, rows.weight, rows.lead, np.zeros(len(p), np.int64), (0.0, 1.0))
    return JudgedOrigin(
        period.origin.name,
        period.learnt,
        period.learnt_positives,
        len(rows),
        len(np.unique(rows.lead)),
        int(rows.y.sum()),
        whole.predicted,
        bands,
        whole.observed,
    )


def _segments(
    periods: Sequence[JudgedPeriod], wanted: Sequence[str] | None, seed: int
) -> dict[str, dict[str, SegmentResult]]:
    """Every moment counts with what the model of its time said."""
    named = segments_of([period.rows for period in periods], wanted)
    return {name: _by_value(values, periods, seed) for name, values in named.items()}


def _by_value(values: NDArray[np.str_], periods: Sequence[JudgedPeriod], seed: int) -> dict[str, SegmentResult]:
    y, weight, lead = (
        np.concatenate([getattr(period.rows, name) for period in periods]) for name in ("y", "weight", "lead")
    )
    p, base = (np.concatenate([period.predictions[name] for period in periods]) for name in (CHAMPION, BASE_RATE))
    results = {}
    for value in np.unique(values):
        at = values == value
        of = evaluate(y[at], weight[at], lead[at], {CHAMPION: p[at], BASE_RATE: base[at]}, SEGMENT_RESAMPLES, seed)
        (whole,) = realised(y[at], p[at], weight[at], lead[at], np.zeros(at.sum(), np.int64), (0.0, 1.0))
        metrics, ahead = of.judgements[0].metrics, of.judgements[1].difference
        results[str(value)] = SegmentResult(whole, of.positives, metrics["log_loss"], metrics["auc"], ahead)
    return results


def _estimate(value: float, draws: Array) -> Estimate:
    low, high = (float(end) if np.isfinite(end) else None for end in interval(draws))
    return Estimate(float(value) if np.isfinite(value) else None, low, high)
