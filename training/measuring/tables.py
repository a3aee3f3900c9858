"""What was measured, as tables of text: the same ones on a terminal, in the report and in the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from features.numbers_in_words import Language, number, percent, signed
from training.measuring.evaluation import Bin, Estimate, Evaluation
from training.measuring.metrics import MEASURES
from training.measuring.phrases import Phrases

t = Phrases(Path(__file__).with_suffix(".toml"))


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


def tables(evaluation: Evaluation, by_age: Mapping[str, Evaluation], language: Language = "en") -> list[Table]:
    """All tables about a slice, the most telling first."""
    makers = losses, ranking, lifts, calibration
    own = own_metrics(evaluation.judgements, language)
    return [*(make(evaluation, language) for make in makers), *own, ages(by_age, language), bands(evaluation, language)]


def losses(evaluation: Evaluation, language: Language = "en") -> Table:
    """How far off each prediction is, and whether that is surely more than the model's."""
    rows = [
        [
            t.known(judgement.name, language),
            shown(judgement.metrics["log_loss"], 4, language),
            "" if i == 0 else apart(judgement.difference, language),
            shown(judgement.metrics["brier"], 3, language),
        ]
        for i, judgement in enumerate(evaluation.judgements)
    ]
    return Table(t("losses", language), t.head("losses_head", language), rows)


def ranking(evaluation: Evaluation, language: Language = "en") -> Table:
    """How well each prediction tells who converts from who does not."""
    names = ("auc", "average_precision", "top_decile_lift")
    rows = [
        [t.known(judgement.name, language), *(shown(judgement.metrics[name], 3, language) for name in names)]
        for judgement in evaluation.judgements
    ]
    return Table(t("ranking", language), t.head("ranking_head", language), rows)


def lifts(evaluation: Evaluation, language: Language = "en") -> Table:
    """What working the leads from the highest score down brings, tenth by tenth."""
    rows, reached, base = [], 0.0, evaluation.base_rate
    for place, group in enumerate(reversed(evaluation.bins), start=1):
        converted = group.observed.value or 0.0
        reached += converted / base / len(evaluation.bins) if base else 0.0
        counts = number(group.rows, 0, language), number(group.leads, 0, language)
        said, came = percent(group.predicted, 1, language), share(group.observed, language)
        lift = number(converted / base, 1, language) if base else "-"
        rows.append([f"{place}", *counts, said, came, lift, percent(reached, 0, language)])
    return Table(t("lifts", language), t.head("lifts_head", language), rows)


def calibration(evaluation: Evaluation, language: Language = "en") -> Table:
    """Whether probabilities mean what they say; ECE stands beside what a perfect model of that size would show."""
    rows = [
        [
            t.known(judgement.name, language),
            shown(judgement.metrics["slope"], 2, language),
            shown(judgement.metrics["intercept"], 2, language),
            number(judgement.ece, 4, language),
            number(judgement.ece_floor.value or 0, 4, language),
        ]
        for judgement in evaluation.judgements
    ]
    return Table(t("calibration", language), t.head("calibration_head", language), rows)


def own_metrics(predictions: Sequence[Measured], language: Language = "en") -> list[Table]:
    """What metrics of the user's own say of each prediction, if there are any; the model's have intervals."""
    names = [name for name in predictions[0].metrics if name not in MEASURES]
    rows = [
        [t.known(measured.name, language), *(shown(measured.metrics[name], 4, language) for name in names)]
        for measured in predictions
    ]
    return [Table(t("own", language), [t("prediction", language), *names], rows)] if names else []


def ages(by_age: Mapping[str, Evaluation], language: Language = "en") -> Table:
    """The model by how long the lead had been known."""
    rows = [
        [
            t.known(group, language),
            number(evaluation.rows, 0, language),
            number(evaluation.positives, 0, language),
            shown(evaluation.judgements[0].metrics["log_loss"], 4, language),
            shown(evaluation.judgements[0].metrics["auc"], 3, language),
            apart(evaluation.judgements[1].difference, language),
        ]
        for group, evaluation in by_age.items()
    ]
    return Table(t("ages", language), t.head("ages_head", language), rows)


def bands(evaluation: Evaluation, language: Language = "en") -> Table:
    """What was predicted and what happened, per band of probability."""
    rows = [[*_band(band, language), share(band.observed, language)] for band in evaluation.bands]
    return Table(t("bands", language), t.head("bands_head", language), rows)


def shown(estimate: Estimate, digits: int, language: Language = "en") -> str:
    """A number with its interval.

    >>> shown(Estimate(0.5, 0.25, 0.75), 2), shown(Estimate(0.5, 0.25, 0.75), 2, "de")
    ('0.50 (0.25 to 0.75)', '0,50 (0,25 bis 0,75)')
    """
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return number(estimate.value, digits, language)
    value, low, high = (number(end, digits, language) for end in (estimate.value, estimate.low, estimate.high))
    return t("interval", language, value=value, low=low, high=high)


def apart(estimate: Estimate, language: Language = "en") -> str:
    """A difference with its interval and its sign."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "-"
    value, low, high = (signed(end, 4, language) for end in (estimate.value, estimate.low, estimate.high))
    return t("interval", language, value=value, low=low, high=high)


def share(estimate: Estimate, language: Language = "en") -> str:
    """A share with its interval, in percent."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "-"
    low, high = (number(100 * end, 1, language) for end in (estimate.low, estimate.high))
    return t("interval", language, value=percent(estimate.value, 1, language), low=low, high=high)


def _band(band: Bin, language: Language) -> list[str]:
    span = f"{number(100 * band.start, 0, language)}-{percent(band.end, 0, language)}"
    counts = number(band.rows, 0, language), number(band.leads, 0, language)
    return [span, *counts, percent(band.predicted, 1, language)]
