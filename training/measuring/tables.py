"""What was measured, as tables of text: the same ones on a terminal, in the report and in the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from features.wording import number, percent, signed
from training.measuring.evaluation import Bin, Estimate, Evaluation


@dataclass(frozen=True)
class Table:
    """A title, the heads of the columns and a row of cells each; the first column names the row."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(evaluation: Evaluation, by_age: Mapping[str, Evaluation]) -> list[Table]:
    """All tables about a slice, the most telling first."""
    return [losses(evaluation), ranking(evaluation), calibration(evaluation), ages(by_age), bands(evaluation)]


def losses(evaluation: Evaluation) -> Table:
    """How far off each prediction is, and whether that is surely more than the champion."""
    rows = [
        [
            each.name,
            shown(each.metrics["log_loss"], 4),
            "" if i == 0 else apart(each.difference),
            shown(each.metrics["brier"], 3),
        ]
        for i, each in enumerate(evaluation.judgements)
    ]
    title = "How far off are predictions? Lower is better; above +0 the champion is better (95 % intervals, by lead)"
    return Table(title, ["prediction", "log-loss", "log-loss minus champion's", "Brier score"], rows)


def ranking(evaluation: Evaluation) -> Table:
    """How well each prediction tells who converts from who does not."""
    names = ("auc", "average_precision", "top_decile_lift")
    rows = [[each.name, *(shown(each.metrics[name], 3) for name in names)] for each in evaluation.judgements]
    return Table(
        "Who comes first? Higher is better", ["prediction", "AUC", "average precision", "top-decile lift"], rows
    )


def calibration(evaluation: Evaluation) -> Table:
    """Whether probabilities mean what they say; ECE stands beside what a perfect model of that size would show."""
    rows = [
        [
            each.name,
            shown(each.metrics["slope"], 2),
            shown(each.metrics["intercept"], 2),
            number(each.ece, 4),
            number(each.ece_floor.value or 0, 4),
        ]
        for each in evaluation.judgements
    ]
    title = "Do probabilities mean what they say? Slope 1 and intercept 0 are perfect"
    return Table(title, ["prediction", "slope", "intercept", "ECE", "ECE of a perfect model"], rows)


def ages(by_age: Mapping[str, Evaluation]) -> Table:
    """The champion by how long the lead had been known."""
    rows = [
        [
            group,
            number(each.rows),
            number(each.positives),
            shown(each.judgements[0].metrics["log_loss"], 4),
            shown(each.judgements[0].metrics["auc"], 3),
            apart(each.judgements[1].difference),
        ]
        for group, each in by_age.items()
    ]
    head = ["lead known for", "moments", "converted", "log-loss", "AUC", "base rate's minus it"]
    return Table("The champion by age of the lead", head, rows)


def bands(evaluation: Evaluation) -> Table:
    """What was predicted and what happened, per band of probability."""
    rows = [[*_band(each), share(each.observed)] for each in evaluation.bands]
    head = ["predicted", "moments", "leads", "mean prediction", "converted"]
    return Table("Do predictions come true? (95 % intervals)", head, rows)


def shown(each: Estimate, digits: int) -> str:
    """A number with its interval.

    >>> shown(Estimate(0.5, 0.25, 0.75), 2)
    '0.50 (0.25 to 0.75)'
    """
    if each.value is None:
        return "-"
    if each.low is None or each.high is None:
        return number(each.value, digits)
    return f"{number(each.value, digits)} ({number(each.low, digits)} to {number(each.high, digits)})"


def apart(each: Estimate) -> str:
    """A difference with its interval and its sign."""
    if each.value is None or each.low is None or each.high is None:
        return "-"
    return f"{signed(each.value, 4)} ({signed(each.low, 4)} to {signed(each.high, 4)})"


def share(each: Estimate) -> str:
    """A share with its interval, in percent."""
    if each.value is None or each.low is None or each.high is None:
        return "-"
    return f"{percent(each.value, 1)} ({number(100 * each.low, 1)} to {number(100 * each.high, 1)})"


def _band(each: Bin) -> list[str]:
    span = f"{number(100 * each.start)}-{percent(each.end)}"
    return [span, number(each.rows), number(each.leads), percent(each.predicted, 1)]
