"""Pictures of a model for people in marketing and sales: drawing only, the numbers come from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from features.numbers_in_words import Language, number, percent
from training.measuring.evaluation import Bin
from training.measuring.metrics import Gains
from training.report.panels import BLUE, INK, ORANGE, PALE, in_counts, in_percent, mark, panel, shortened, two_panels
from training.report.texts import t
from training.samples.log_odds import Array
from training.thresholds.threshold import Threshold
from training.thresholds.what_if import WhatIf

ROOT_TICKS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
FEWEST = 10
"""Shares of fewer rows than that are noise and not drawn."""


def reliability(bins: Sequence[Bin], language: Language = "en") -> Figure:
    """What was predicted against what happened, with 95 % intervals, and how many rows stand behind each point."""
    figure, (above, below) = two_panels(t("draw_reliability", language), (3, 1))
    predicted = np.array([group.predicted for group in bins])
    values = [(group.observed.value, group.observed.low, group.observed.high) for group in bins]
    observed, low, high = np.array(values, dtype=np.float64).reshape(-1, 3).T
    top = min(1.0, 1.05 * max([*(group.end for group in bins), *high, 0.01]))
    above.plot([0, top], [0, top], color=INK, linewidth=1, linestyle="--", label=t("as_predicted", language))
    spread = [np.maximum(observed - low, 0), np.maximum(high - observed, 0)]
    above.errorbar(predicted, observed, yerr=spread, fmt="o", color=BLUE, capsize=3, label=t("happened", language))
    start, width = np.array([(group.start, group.end - group.start) for group in bins]).reshape(-1, 2).T
    below.bar(start, [group.rows for group in bins], width=width, align="edge", color=PALE, edgecolor=BLUE)
    _set_root_scale(above, top)
    above.set(ylabel=t("share_converted", language))
    below.set(xlabel=t("predicted_wide", language), ylabel=t("rows_in_group", language))
    above.legend(loc="upper left", frameon=False)
    in_percent(above, "xy", language)
    in_counts(below, language)
    return figure


def _set_root_scale(axes: Axes, top: float) -> None:
    for scale in (axes.set_xscale, axes.set_yscale):
        scale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0.0)), np.square))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([tick for tick in ROOT_TICKS if tick <= top]))
    axes.set(xlim=(0, top), ylim=(0, top))


def score_distribution(p: Array, thresholds: Sequence[Threshold], language: Language = "en") -> Figure:
    """How many leads have which probability, and where the stages begin."""
    figure, axes = panel(t("draw_scores", language))
    top = min(1.0, 1.05 * max([p.max(initial=0.01), *(threshold.probability or 0.0 for threshold in thresholds)]))
    axes.hist(p, bins=np.linspace(0, top, 51).tolist(), color=PALE, edgecolor=BLUE, linewidth=0.5)
    axes.set_yscale("symlog", linthresh=10)
    axes.set(xlim=(0, top), xlabel=t("probability", language), ylabel=t("leads_shortened", language))
    in_percent(axes, "x", language)
    in_counts(axes, language)
    mark(axes, thresholds, language)
    return figure


def gains_curve(curve: Gains, language: Language = "en") -> Figure:
    """Share of all conversions found when the best scores are contacted first."""
    figure, axes = panel(t("draw_gains", language))
    reached, won = (
        np.append(0.0, cumulative) / max(cumulative[-1], 1e-12) for cumulative in (curve.reached, curve.won)
    )
    rate = curve.won[-1] / curve.reached[-1]
    axes.plot([0, rate, 1], [0, 1, 1], color=INK, linewidth=1, linestyle=":", label=t("foresight", language))
    axes.plot(reached, won, color=BLUE, linewidth=2, label=t("by_score", language))
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--", label=t("at_random", language))
    for share in (0.1, 0.3):
        captured = float(np.interp(share, reached, won))
        axes.plot([share], [captured], "o", color=ORANGE)
        times = number(captured / share, 1, language)
        told = {"share": percent(share, 0, language), "captured": percent(captured, 0, language), "times": times}
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axes.annotate(
            t("best_hold", language, **told),
            (share, captured),
            xytext=(12, -28),
            textcoords="offset points",
            color=ORANGE,
            bbox=box,
        )
    axes.set(xlim=(0, 1), ylim=(0, 1.03), xlabel=t("contacted", language), ylabel=t("found", language))
    axes.legend(loc="lower right", frameon=False)
    in_percent(axes, "xy", language)
    return figure


def precision_recall(curve: Gains, language: Language = "en") -> Figure:
    """How many of the chosen convert, against how many of those who convert are chosen."""
    figure, axes = panel(t("draw_precision", language))
    known = curve.reached >= min(FEWEST, curve.reached[-1])
    recall, right = curve.won[known] / max(curve.won[-1], 1e-12), curve.won[known] / curve.reached[known]
    axes.plot(recall, right, color=BLUE, linewidth=2, label=t("by_score", language))
    axes.axhline(right[-1], color=INK, linewidth=1, linestyle="--", label=t("at_random", language))
    axes.set(xlim=(0, 1), ylim=(0, 1.03))
    axes.set(xlabel=t("recall", language), ylabel=t("precision", language))
    axes.legend(loc="upper right", frameon=False)
    in_percent(axes, "xy", language)
    return figure


def what_if_curve(what_if: WhatIf, thresholds: Sequence[Threshold], language: Language = "en") -> Figure:
    """What a threshold would bring, wherever it is set: how sure, and how much work."""
    figure, (above, below) = two_panels(t("draw_what_if", language), (3, 2))
    x = what_if.probability
    above.fill_between(x, what_if.low, what_if.high, color=PALE, label=t("interval_95", language))
    above.plot(x, what_if.precision, color=BLUE, linewidth=2, label=t("of_above", language))
    above.plot(x, what_if.recall, color=ORANGE, linewidth=1.5, label=t("of_all", language))
    above.set(ylim=(0, 1.03), ylabel=t("share_axis", language))
    below.plot(x, what_if.leads_per_week, color=BLUE, linewidth=2, label=t("leads_above", language))
    below.plot(x, what_if.wins_per_week, color=ORANGE, linewidth=1.5, label=t("wins_above", language))
    below.set(
        xlim=(0, x.max(initial=0.01)),
        ylim=(0, None),
        xlabel=t("threshold_axis", language),
        ylabel=t("per_week", language),
    )
    for axes in (above, below):
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    in_percent(above, "xy", language)
    mark(above, thresholds, language)
    return figure


def importances(names: Sequence[str], shares: Array, most: int = 20, language: Language = "en") -> Figure:
    """Which features the model leans on; `shares` are their parts of the whole."""
    figure, axes = panel(t("importances", language), height=1.5 + 0.27 * min(most, len(names)))
    order = np.argsort(-shares, kind="stable")[:most][::-1]
    labels = [shortened(names[at]) for at in order]
    axes.barh(np.arange(len(order)), shares[order], color=PALE, edgecolor=BLUE)
    axes.set_yticks(np.arange(len(order)), labels)
    axes.set(xlabel=t("share_of_gain", language))
    in_percent(axes, "x", language)
    return figure
