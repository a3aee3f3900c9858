"""The report of a run: its facts, its pictures, and the files that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.log.watermarks import Observed
from features.feature_wording import in_words
from features.labels import Target
from features.numbers_in_words import Language
from features.training_set import TrainingSet
from training.artifact.manifest import TrainedOn
from training.facts import day
from training.measuring.metrics import gains
from training.recipe.train import Fitted, Judged
from training.records import Shares
from training.report import data_plots, plots
from training.report.account import Background, TrainingAccount
from training.report.model_card import model_card
from training.report.panels import png
from training.report.report import html
from training.report.texts import t


@dataclass(frozen=True)
class Telling:
    """How a run is told of. observed: what sources told, as the event log counts it. segments: columns to judge by."""

    language: Language = "en"
    observed: Sequence[Observed] = ()
    segments: Sequence[str] = ()


def account_of(
    name: str, digest: str, target: Target, trained_on: TrainedOn, judged: Judged, fitted: Fitted
) -> TrainingAccount:
    """The facts of a run for report and model card."""
    return TrainingAccount(
        name,
        digest,
        target,
        trained_on,
        day(int(judged.rows.as_of.min())),
        day(int(judged.rows.as_of.max())),
        judged.evaluation,
        judged.by_age,
        fitted.thresholds,
        fitted.model.calibrator_,
    )


def feature_words(training_set: TrainingSet, language: Language) -> dict[str, str]:
    """What each column of a training set measures; own functions are called as their users call them."""
    recipe = training_set.recipe
    own = {function.short_name: function.short_name for function in recipe.own}
    return {feature.name: in_words(feature, language, recipe.words) for feature in training_set.catalogue} | own


def gain_shares(fitted: Fitted, words: Mapping[str, str], language: Language = "en") -> list[tuple[str, float]]:
    """Each feature in words, with its share of what the trees gained."""
    names = [words.get(name, name) for name in fitted.model.encoder_.names]
    names += [t("days_ahead", language)] * (fitted.model.periods is not None)
    gain = np.sum([booster.feature_importance("gain") for booster in fitted.model.boosters_], axis=0)
    return list(zip(names, (gain / max(gain.sum(), 1e-12)).tolist(), strict=True))


def draw(judged: Judged, fitted: Fitted, importances: Shares, account: TrainingAccount) -> dict[str, bytes]:
    """The pictures of a run as PNG, by file name."""
    rows, language = judged.rows, account.language
    curve = gains(rows.y, judged.p, rows.weight)
    names, shares = zip(*importances, strict=True)
    figures = {
        "reliability": plots.reliability(judged.evaluation.bands, language),
        "gains": plots.gains_curve(curve, language),
        "precision-recall": plots.precision_recall(curve, language),
        "scores": plots.score_distribution(fitted.grounds.flow.p, fitted.thresholds, language),
        "what-if": plots.what_if_curve(fitted.grounds.curve, fitted.thresholds, language),
        "importances": plots.importances(list(names), np.array(shares), language=language),
    }
    drawn = {name: png(figure) for name, figure in figures.items()}
    return drawn | (draw_background(account.background, account) if account.background else {})


def draw_background(background: Background, account: TrainingAccount) -> dict[str, bytes]:
    """The same about the data and what the model rests on; what is empty is not drawn."""
    language, drawn = account.language, dict[str, bytes]()
    if background.curve.points:
        drawn["curve"] = png(data_plots.learning(background.curve.points, language))
    if background.shuffled:
        drawn["shuffled"] = png(data_plots.permuted(background.shuffled, account.words, language))
    return drawn | {"months": png(data_plots.by_month(background.profile.months, language))}


def write_report(
    folder: Path, account: TrainingAccount, pictures: Mapping[str, bytes], backtest: str, backtest_card: str
) -> None:
    """Report, model card and pictures of a run, in a new folder."""
    folder.mkdir()
    for name, picture in pictures.items():
        (folder / f"{name}.png").write_bytes(picture)
    (folder / "report.html").write_text(html(account, pictures, backtest), encoding="utf-8")
    (folder / "model_card.md").write_text(model_card(account, backtest_card), encoding="utf-8")
