"""The report of a run: its facts, its pictures, and the files that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from features.labels import Target
from features.training_set import TrainingSet
from features.words import in_words
from training.artifact.manifest import TrainedOn
from training.facts import day
from training.measuring.metrics import gains
from training.recipe.train import Fitted, Judged
from training.records import Shares
from training.report import plots
from training.report.model_card import model_card
from training.report.report import TrainingAccount, html


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
        fitted.model.calibration_choice_,
    )


def gain_shares(fitted: Fitted, training_set: TrainingSet) -> list[tuple[str, float]]:
    """Each feature in plain words, with its share of what the trees gained."""
    words = training_set.recipe.words
    names = [in_words(definition, words=words) for definition in training_set.catalogue]
    names += [function.short_name for function in training_set.recipe.own]
    names += ["days ahead"] * (fitted.model.periods is not None)
    gain = np.sum([booster.feature_importance("gain") for booster in fitted.model.boosters_], axis=0)
    return list(zip(names, (gain / max(gain.sum(), 1e-12)).tolist(), strict=True))


def draw(judged: Judged, fitted: Fitted, importances: Shares) -> dict[str, bytes]:
    """The pictures of a run as PNG, by file name."""
    rows = judged.rows
    curve = gains(rows.y, judged.p, rows.weight)
    names, shares = zip(*importances, strict=True)
    figures = {
        "reliability": plots.reliability(judged.evaluation.bands),
        "gains": plots.gains_curve(curve),
        "precision-recall": plots.precision_recall(curve),
        "scores": plots.score_distribution(fitted.flow.p, fitted.thresholds),
        "what-if": plots.what_if_curve(fitted.grounds.curve, fitted.thresholds),
        "importances": plots.importances(list(names), np.array(shares)),
    }
    return {name: plots.png(figure) for name, figure in figures.items()}


def write_report(
    folder: Path, account: TrainingAccount, pictures: Mapping[str, bytes], backtest: str, backtest_card: str
) -> None:
    """Report, model card and pictures of a run, in a new folder."""
    folder.mkdir()
    for name, picture in pictures.items():
        (folder / f"{name}.png").write_bytes(picture)
    (folder / "report.html").write_text(html(account, pictures, backtest), encoding="utf-8")
    (folder / "model_card.md").write_text(model_card(account, backtest_card), encoding="utf-8")
