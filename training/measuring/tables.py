"""What was measured, as tables of text: the same ones on a terminal, in the report and in the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from features.wording import number, percent, signed
from training.measuring.evaluation import Bin, Estimate, Evaluation
from training.measuring.metrics import MEASURES


@dataclass(frozen=True)
class Table:
    """A title, the heads of the columns and a row of cells each; the first column names the row."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Measured(Protocol):
    """A prediction, and what metrics say of it."""

    @property
    def name(self) -> str:
        """What predicts."""

    @property
    def metrics(self) -> Mapping[str, Estimate]:
        """Estimates by the names of metrics."""


def tables(evaluation: Evaluation, by_age: Mapping[str, Evaluation]) -> list[Table]:
    """All tables about a slice, the most telling first."""
    makers = losses, ranking, lifts, calibration
    own = own_metrics(evaluation.judgements)
    return [*(make(evaluation) for make in makers), *own, ages(by_age), bands(evaluation)]


def losses(evaluation: Evaluation) -> Table:
    """How far off each prediction is, and whether that is surely more than the model's."""
    rows = [
        [
            judgement.name,
            shown(judgement.metrics["log_loss"], 4),
            "" if i == 0 else apart(judgement.difference),
            shown(judgement.metrics["brier"], 3),
        ]
        for i, judgement in enumerate(evaluation.judgements)
    ]
    title = "How far off are predictions? Lower is better; above +0 this model is better (95 % intervals, by lead)"
    return Table(title, ["prediction", "log-loss", "log-loss minus this model's", "Brier score"], rows)


def ranking(evaluation: Evaluation) -> Table:
    """How well each prediction tells who converts from who does not."""
    names = ("auc", "average_precision", "top_decile_lift")
    rows = [
        [judgement.name, *(shown(judgement.metrics[name], 3) for name in names)] for judgement in evaluation.judgements
    ]
    return Table(
        "Who comes first? Higher is better", ["prediction", "AUC", "average precision", "top-decile lift"], rows
    )


def lifts(evaluation: Evaluation) -> Table:
    """What working the leads from the highest score down brings, tenth by tenth."""
    rows, reached = [], 0.0
    for place, group in enumerate(reversed(evaluation.bins), start=1):
        converted = group.observed.value or 0.0
        reached += converted / evaluation.base_rate / len(evaluation.bins) if evaluation.base_rate else 0.0
        lift = number(converted / evaluation.base_rate, 1) if evaluation.base_rate else "-"
        counts = number(group.rows), number(group.leads)
        rows.append([f"{place}", *counts, percent(group.predicted, 1), share(group.observed), lift, percent(reached)])
    head = ["tenth", "moments", "leads", "mean prediction", "converted", "lift", "of all conversions so far"]
    return Table("What is gained by working the highest scores first?", head, rows)


def calibration(evaluation: Evaluation) -> Table:
    """Whether probabilities mean what they say; ECE stands beside what a perfect model of that size would show."""
    rows = [
        [
            judgement.name,
            shown(judgement.metrics["slope"], 2),
            shown(judgement.metrics["intercept"], 2),
            number(judgement.ece, 4),
            number(judgement.ece_floor.value or 0, 4),
        ]
        for judgement in evaluation.judgements
    ]
    title = "Do probabilities mean what they say? Slope 1 and intercept 0 are perfect"
    return Table(title, ["prediction", "slope", "intercept", "ECE", "ECE of a perfect model"], rows)


def own_metrics(predictions: Sequence[Measured]) -> list[Table]:
    """What metrics of the user's own say of each prediction, if there are any; the model's have intervals."""
    names = [name for name in predictions[0].metrics if name not in MEASURES]
    rows = [[measured.name, *(shown(measured.metrics[name], 4) for name in names)] for measured in predictions]
    return [Table("By metrics of your own", ["prediction", *names], rows)] if names else []


def ages(by_age: Mapping[str, Evaluation]) -> Table:
    """The model by how long the lead had been known."""
    rows = [
        [
            group,
            number(evaluation.rows),
            number(evaluation.positives),
            shown(evaluation.judgements[0].metrics["log_loss"], 4),
            shown(evaluation.judgements[0].metrics["auc"], 3),
            apart(evaluation.judgements[1].difference),
        ]
        for group, evaluation in by_age.items()
    ]
    head = ["lead known for", "moments", "converted", "log-loss", "AUC", "base rate's minus it"]
    return Table("This model by age of the lead", head, rows)


def bands(evaluation: Evaluation) -> Table:
    """What was predicted and what happened, per band of probability."""
    rows = [[*_band(band), share(band.observed)] for band in evaluation.bands]
    head = ["predicted", "moments", "leads", "mean prediction", "converted"]
    return Table("Do predictions come true? (95 % intervals)", head, rows)


def shown(estimate: Estimate, digits: int) -> str:
    """A number with its interval.

    >>> shown(Estimate(0.5, 0.25, 0.75), 2)
    '0.50 (0.25 to 0.75)'
    """
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return number(estimate.value, digits)
    return f"{number(estimate.value, digits)} ({number(estimate.low, digits)} to {number(estimate.high, digits)})"


def apart(estimate: Estimate) -> str:
    """A difference with its interval and its sign."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "-"
    return f"{signed(estimate.value, 4)} ({signed(estimate.low, 4)} to {signed(estimate.high, 4)})"


def share(estimate: Estimate) -> str:
    """A share with its interval, in percent."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "-"
    return f"{percent(estimate.value, 1)} ({number(100 * estimate.low, 1)} to {number(100 * estimate.high, 1)})"


def _band(band: Bin) -> list[str]:
    span = f"{number(100 * band.start)}-{percent(band.end)}"
    return [span, number(band.rows), number(band.leads), percent(band.predicted, 1)]
