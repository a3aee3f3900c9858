"""Pictures of what a model has learnt from and rests on: drawing only, the numbers come from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from features.numbers_in_words import Language, number
from training.model.permutation import Shuffled
from training.monitoring.data_profile import MonthProfile
from training.recipe.learning_curve import SURE, SharePoint
from training.report.panels import BLUE, INK, ORANGE, PALE, in_counts, in_percent, panel, shortened, two_panels
from training.report.texts import t


def learning(points: Sequence[SharePoint], language: Language = "en") -> Figure:
    """Log-loss by the number of leads; each bar is what the last doubling saved, give or take its luck."""
    figure, axes = panel(t("curve", language), height=4.0)
    leads, losses = [point.leads for point in points], [point.log_loss for point in points]
    spread = [SURE * (point.se or 0.0) for point in points]
    axes.errorbar(leads, losses, yerr=spread, fmt="o-", color=BLUE, capsize=3, label=t("learner", language))
    axes.set_xscale("log", base=2)
    axes.set_xticks(leads, [number(count, 0, language) for count in leads])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 4, language)))
    axes.set(xlabel=t("learnt_axis", language), ylabel=t("log_loss_axis", language))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
    return figure


def permuted(shuffled: Sequence[Shuffled], words: Mapping[str, str], language: Language = "en") -> Figure:
    """What is lost without each feature: a dot for each fold, the mean as a bar."""
    figure, axes = panel(t("shuffled", language), height=1.5 + 0.27 * len(shuffled))
    places = np.arange(len(shuffled))[::-1]
    axes.barh(places, [result.mean for result in shuffled], color=PALE, edgecolor=BLUE)
    for place, result in zip(places, shuffled, strict=True):
        axes.plot(result.by_fold, [place] * len(result.by_fold), "o", color=ORANGE, markersize=4)
    axes.axvline(0.0, color=INK, linewidth=1)
    axes.set_yticks(places, [shortened(words.get(result.feature, result.feature)) for result in shuffled])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 4, language)))
    axes.set(xlabel=t("lost_axis", language))
    return figure


def by_month(months: Sequence[MonthProfile], language: Language = "en") -> Figure:
    """Leads of each month, and the share of those with known outcome that converted."""
    figure, (above, below) = two_panels(t("months", language), (2, 3))
    x = np.arange(len(months))
    known = np.array([month.known for month in months])
    share = np.array([month.converted for month in months]) / np.where(known > 0, known, np.nan)
    above.bar(x, [month.leads for month in months], color=PALE, edgecolor=BLUE)
    below.plot(x, share, "o-", color=BLUE)
    above.set(ylabel=t("leads_axis", language))
    below.set(ylim=(0, None), ylabel=t("share_converted", language), xlabel=t("month", language))
    every = max(1, len(months) // 12)
    below.set_xticks(x[::every], [month.month for month in months[::every]], rotation=45)
    in_counts(above, language)
    in_percent(below, "y", language)
    return figure
