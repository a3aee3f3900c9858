"""Ways to bring a trained model up to date without training it, and the forward trial that each has to pass.

A way is fitted on labels that had matured at a time, and judged on the moments that came then. What it finds is a line
in log-odds, laid over the model's calibrator, so that boosters, artifact and server stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from features.numbers_in_words import number, signed
from training.calibration.calibrator import CalibrationTrial, Calibrator, best_accepted, fit_sigmoid, gain_and_error
from training.calibration.intercept import (
    FEWEST_CONVERTED,
    PERIOD,
    MaturedRows,
    edges_of,
    offset,
    rolling_steps,
)
from training.samples.independent import independent
from training.samples.log_odds import Array, logit, row_losses

ROLLING = "rolling intercept"
MOST_BLOCKS = 12
"""Blocks of time in a trial at most."""
FEWEST_FOR_LINE = 100
"""Converted leads from which a whole correction is fitted: the share of observed to expected conversions is then known
to 1.96 / sqrt(100) = 20 %; so many are also the usual advice for a validation (Collins et al., Stat. Med. 35, 2016)."""


@dataclass(frozen=True)
class RecalibrationMethod:
    """A way to recalibrate: a line in log-odds from rows of at least `fewest` converted leads, at a time (µs UTC)."""

    name: str
    fewest: int
    fit: Callable[[MaturedRows, int], Calibrator]


def roll(rows: MaturedRows, until: int, period: int = PERIOD) -> Calibrator:
    """The rolling intercept as it stands at `until` (µs UTC)."""
    shifts = [step.shift for step in rolling_steps(rows, edges_of(rows, until, period))]
    return Calibrator(ROLLING, 1.0, 1.0, shifts[-1] if shifts else 0.0)


def shift_whole(rows: MaturedRows, until: int) -> Calibrator:
    """The intercept under which as many convert as are expected, over all labels since training."""
    shift = offset(logit(rows.p), rows.y, independent(rows.weight, rows.lead))
    return Calibrator("intercept", 1.0, 1.0, shift)


def line(rows: MaturedRows, until: int) -> Calibrator:
    """Intercept and slope over all labels since training."""
    return fit_sigmoid(rows.p, rows.y, rows.weight, rows.lead)


ROLL = RecalibrationMethod(ROLLING, FEWEST_CONVERTED, roll)
WAYS = (
    ROLL,
    RecalibrationMethod("intercept", FEWEST_FOR_LINE, shift_whole),
    RecalibrationMethod("sigmoid", FEWEST_FOR_LINE, line),
)


def trial(way: RecalibrationMethod, rows: MaturedRows, edges: NDArray[np.int64]) -> CalibrationTrial:
    """What a way would have gained, log-loss per row, had it been in use from the first of `edges` (ascending, µs UTC).

    At each edge it is fitted on the labels known then, and judged on the moments up to the next edge. Where it has too
    few labels it changes nothing. The standard error is clustered by lead; nothing to judge on: infinite.
    """
    saved, counted = np.zeros(len(rows)), np.zeros(len(rows), np.bool_)
    for edge, until in pairwise([*edges.tolist(), np.iinfo(np.int64).max]):
        past, now = rows.of(rows.known_at <= edge), (rows.as_of >= edge) & (rows.as_of < until)
        counted |= now
        if past.converted >= way.fewest:
            saved[now] = _loss(rows.of(now)) - _loss(changed(rows.of(now), way.fit(past, edge)))
    return CalibrationTrial(way.name, *gain_and_error(saved[counted], rows.weight[counted], rows.lead[counted]))


def trial_edges(rows: MaturedRows, until: int, period: int = PERIOD) -> NDArray[np.int64]:
    """When a trial fits anew: from the first edge at which there are labels enough for a step, at most MOST_BLOCKS.

    None where no such edge comes.
    """
    edges = edges_of(rows, until, period)
    ready = [i for i, edge in enumerate(edges) if rows.of(rows.known_at <= edge).converted >= FEWEST_CONVERTED]
    ready = ready[: int(np.sum(edges <= rows.as_of.max(initial=0)))]
    return edges[ready][:: max(1, -(-len(ready) // MOST_BLOCKS))]


@dataclass(frozen=True)
class RecalibrationDecision:
    """What trials came to by `until` (µs UTC): the line to lay over the calibrator, None where it stays; and why."""

    line: Calibrator | None
    verdicts: tuple[CalibrationTrial, ...]
    reason: str
    until: int


def decide(
    ways: Sequence[RecalibrationMethod], trial_rows: MaturedRows, fresh: MaturedRows, until: int
) -> RecalibrationDecision:
    """The accepted way that gained most in its trial on `trial_rows`, fitted on `fresh` (the labels since training)."""
    able = [way for way in ways if fresh.converted >= way.fewest]
    if not able:
        return RecalibrationDecision(None, (), _too_few(ways, fresh), until)
    edges = trial_edges(trial_rows, until)
    verdicts = tuple(trial(way, trial_rows, edges) for way in able)
    best, evidence = best_accepted(verdicts), "; ".join(map(_summary, verdicts))
    if best is None:
        reason = f"nothing was better by more than one standard error: {evidence}"
        return RecalibrationDecision(None, verdicts, reason, until)
    way = able[verdicts.index(best)]
    return RecalibrationDecision(way.fit(fresh, until), verdicts, f"{way.name} is in use: {evidence}", until)


def changed(rows: MaturedRows, over: Calibrator) -> MaturedRows:
    """The rows with their probabilities moved along a line."""
    return replace(rows, p=over(rows.p))


def _loss(rows: MaturedRows) -> Array:
    return row_losses(rows.y, logit(rows.p))


def _too_few(ways: Sequence[RecalibrationMethod], fresh: MaturedRows) -> str:
    fewest, name = min((way.fewest, way.name) for way in ways)
    return (
        f"{fresh.converted} leads with a label that matured since training have converted; "
        f"{fewest - fresh.converted} more are needed for {name}"
    )


def _summary(verdict: CalibrationTrial) -> str:
    decision = "accepted" if verdict.accepted else "not accepted"
    error = f"standard error {number(verdict.se, 5)}, {number(verdict.leads)} leads"
    return f"{verdict.name} {signed(verdict.gain, 5)} ({error}), {decision}"
