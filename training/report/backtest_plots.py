"""Pictures of a backtest: drawing only, the numbers come from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from features.numbers_in_words import Language
from training.backtesting.backtest_result import BacktestResult, JudgedOrigin
from training.report.panels import BLUE, INK, ORANGE, PALE, in_percent, panel
from training.report.texts import named, t


def promised_realised(origins: Sequence[JudgedOrigin], language: Language = "en") -> Figure:
    """Mean probability of each period of a backtest beside the share that converted, with 95 % intervals."""
    figure, axes = panel(t("promised-realised", language), height=4.0)
    x = np.arange(len(origins))
    seen = [(period.observed.value, period.observed.low, period.observed.high) for period in origins]
    observed, low, high = np.array(seen, dtype=np.float64).reshape(-1, 3).T
    spread = [np.maximum(observed - low, 0), np.maximum(high - observed, 0)]
    axes.plot(x, [period.predicted for period in origins], "s--", color=ORANGE, label=t("promised_mean", language))
    axes.errorbar(x, observed, yerr=spread, fmt="o", color=BLUE, capsize=3, label=t("converted_95", language))
    axes.set_xticks(x, [period.name for period in origins])
    axes.set(
        ylim=(0, 1.25 * max(*high, *(period.predicted for period in origins), 0.01)), xlabel=t("trained_at", language)
    )
    axes.legend(loc="upper left", frameon=False, ncols=2)
    in_percent(axes, "y", language)
    return figure


def losses_over_time(result: BacktestResult, language: Language = "en") -> Figure:
    """Log-loss of every contender minus the champion's at each origin of a backtest, with 95 % intervals."""
    others = result.contenders[1:]
    figure, axes = panel(t("losses", language), height=2.0 + 0.42 * len(others))
    names = [period.name for period in result.origins]
    for at, contender in enumerate(others):
        for nth, apart in enumerate(contender.differences):
            value, low, high = (np.nan if end is None else end for end in (apart.value, apart.low, apart.high))
            y = at + 0.6 * (nth + 0.5) / len(names) - 0.3
            axes.plot([low, high], [y, y], color=PALE, linewidth=3, solid_capstyle="butt")
            axes.plot([value], [y], "o", color=BLUE, markersize=4)
    axes.axvline(0.0, color=INK, linewidth=1.2)
    axes.set_yticks(range(len(others)), [named(contender.name, language) for contender in others])
    axes.invert_yaxis()
    axes.set(xlabel=t("loss_apart", language, periods=", ".join(names)))
    return figure
