"""Pictures of a model for people in marketing and sales: drawing only, the numbers come from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from features.wording import number, percent, short_percent
from training.measuring.evaluation import Bin
from training.measuring.metrics import Gains
from training.samples.log_odds import Array
from training.thresholds.threshold import Threshold
from training.thresholds.what_if import WhatIf

if TYPE_CHECKING:
    from training.judging.rolling import Rolling, Round

INK, BLUE, ORANGE, PALE = "#222222", "#1f5fa8", "#c8500a", "#b9cfe8"
SIZE = (8.0, 5.0)
DPI = 110
LONGEST_NAME = 60
ROOT_TICKS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
FEWEST = 10
"""Shares of fewer rows than that are noise and not drawn."""


def png(figure: Figure) -> bytes:
    """The picture as PNG; the same figure gives the same bytes (no date, no version inside)."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once: a second drawing would move things by a pixel
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def reliability(bins: Sequence[Bin]) -> Figure:
    """What was predicted against what happened, with 95 % intervals, and how many rows stand behind each point."""
    figure, (above, below) = _two_panels("Do predictions come true?", (3, 1))
    predicted = np.array([group.predicted for group in bins])
    values = [(group.observed.value, group.observed.low, group.observed.high) for group in bins]
    observed, low, high = np.array(values, dtype=np.float64).reshape(-1, 3).T
    top = min(1.0, 1.05 * max([*(group.end for group in bins), *high, 0.01]))
    above.plot([0, top], [0, top], color=INK, linewidth=1, linestyle="--", label="exactly as predicted")
    spread = [np.maximum(observed - low, 0), np.maximum(high - observed, 0)]
    above.errorbar(
        predicted, observed, yerr=spread, fmt="o", color=BLUE, capsize=3, label="what happened (95 % interval)"
    )
    start, width = np.array([(group.start, group.end - group.start) for group in bins]).reshape(-1, 2).T
    below.bar(start, [group.rows for group in bins], width=width, align="edge", color=PALE, edgecolor=BLUE)
    _set_root_scale(above, top)
    above.set(ylabel="Share that converted")
    below.set(xlabel="Predicted probability (low ones are drawn wider)", ylabel="Rows in group")
    above.legend(loc="upper left", frameon=False)
    _percent(above, "xy")
    _counts(below)
    return figure


def _set_root_scale(axes: Axes, top: float) -> None:
    for scale in (axes.set_xscale, axes.set_yscale):
        scale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0.0)), np.square))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([tick for tick in ROOT_TICKS if tick <= top]))
    axes.set(xlim=(0, top), ylim=(0, top))


def score_distribution(p: Array, thresholds: Sequence[Threshold]) -> Figure:
    """How many leads have which probability, and where the stages begin."""
    figure, axes = _panel("How are the scores spread?")
    top = min(1.0, 1.05 * max([p.max(initial=0.01), *(threshold.probability or 0.0 for threshold in thresholds)]))
    axes.hist(p, bins=np.linspace(0, top, 51).tolist(), color=PALE, edgecolor=BLUE, linewidth=0.5)
    axes.set_yscale("symlog", linthresh=10)
    axes.set(xlim=(0, top), xlabel="Probability of converting", ylabel="Leads (scale shortened above 10)")
    _percent(axes, "x")
    _counts(axes)
    _mark(axes, thresholds)
    return figure


def gains_curve(curve: Gains) -> Figure:
    """Share of all conversions found when the best scores are contacted first."""
    figure, axes = _panel("How many conversions do the best scores hold?")
    reached, won = (
        np.append(0.0, cumulative) / max(cumulative[-1], 1e-12) for cumulative in (curve.reached, curve.won)
    )
    rate = curve.won[-1] / curve.reached[-1]
    axes.plot([0, rate, 1], [0, 1, 1], color=INK, linewidth=1, linestyle=":", label="perfect foresight")
    axes.plot(reached, won, color=BLUE, linewidth=2, label="by score")
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--", label="at random")
    for share in (0.1, 0.3):
        captured = float(np.interp(share, reached, won))
        axes.plot([share], [captured], "o", color=ORANGE)
        text = f"the best {percent(share)} hold {percent(captured)}\n({number(captured / share, 1)} times chance)"
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axes.annotate(text, (share, captured), xytext=(12, -28), textcoords="offset points", color=ORANGE, bbox=box)
    axes.set(
        xlim=(0, 1), ylim=(0, 1.03), xlabel="Share of leads contacted, best first", ylabel="Share of conversions found"
    )
    axes.legend(loc="lower right", frameon=False)
    _percent(axes, "xy")
    return figure


def precision_recall(curve: Gains) -> Figure:
    """How many of the chosen convert, against how many of those who convert are chosen."""
    figure, axes = _panel("Being right against missing none")
    known = curve.reached >= min(FEWEST, curve.reached[-1])
    recall, right = curve.won[known] / max(curve.won[-1], 1e-12), curve.won[known] / curve.reached[known]
    axes.plot(recall, right, color=BLUE, linewidth=2, label="by score")
    axes.axhline(right[-1], color=INK, linewidth=1, linestyle="--", label="at random")
    axes.set(xlim=(0, 1), ylim=(0, 1.03))
    axes.set(xlabel="Share of conversions found (recall)", ylabel="Share of the chosen that converted (precision)")
    axes.legend(loc="upper right", frameon=False)
    _percent(axes, "xy")
    return figure


def what_if_curve(what_if: WhatIf, thresholds: Sequence[Threshold]) -> Figure:
    """What a threshold would bring, wherever it is set: how sure, and how much work."""
    figure, (above, below) = _two_panels("What if the threshold were elsewhere?", (3, 2))
    x = what_if.probability
    above.fill_between(x, what_if.low, what_if.high, color=PALE, label="95 % interval")
    above.plot(x, what_if.precision, color=BLUE, linewidth=2, label="converted, of those above it")
    above.plot(x, what_if.recall, color=ORANGE, linewidth=1.5, label="found, of all that converted")
    above.set(ylim=(0, 1.03), ylabel="Share")
    below.plot(x, what_if.leads_per_week, color=BLUE, linewidth=2, label="leads above it")
    below.plot(x, what_if.wins_per_week, color=ORANGE, linewidth=1.5, label="expected wins among them")
    below.set(xlim=(0, x.max(initial=0.01)), ylim=(0, None), xlabel="Threshold (probability)", ylabel="Per week")
    for axes in (above, below):
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    _percent(above, "xy")
    _mark(above, thresholds)
    return figure


def importances(names: Sequence[str], shares: Array, most: int = 20) -> Figure:
    """Which features the model leans on; `shares` are their parts of the whole."""
    figure, axes = _panel("What does the model look at?", height=1.5 + 0.27 * min(most, len(names)))
    order = np.argsort(-shares, kind="stable")[:most][::-1]
    labels = [names[at] if len(names[at]) <= LONGEST_NAME else names[at][: LONGEST_NAME - 1] + "…" for at in order]
    axes.barh(np.arange(len(order)), shares[order], color=PALE, edgecolor=BLUE)
    axes.set_yticks(np.arange(len(order)), labels)
    axes.set(xlabel="Share of the model's gain")
    _percent(axes, "x")
    return figure


def promised_realised(rounds: Sequence[Round]) -> Figure:
    """Mean probability of each period of a backtest beside the share that converted, with 95 % intervals."""
    figure, axes = _panel("Was the promise kept?", height=4.0)
    x = np.arange(len(rounds))
    seen = [(period.observed.value, period.observed.low, period.observed.high) for period in rounds]
    observed, low, high = np.array(seen, dtype=np.float64).reshape(-1, 3).T
    spread = [np.maximum(observed - low, 0), np.maximum(high - observed, 0)]
    axes.plot(x, [period.predicted for period in rounds], "s--", color=ORANGE, label="promised (mean probability)")
    axes.errorbar(x, observed, yerr=spread, fmt="o", color=BLUE, capsize=3, label="converted (95 % interval)")
    axes.set_xticks(x, [period.name for period in rounds])
    axes.set(ylim=(0, 1.25 * max(*high, *(period.predicted for period in rounds), 0.01)), xlabel="Trained at")
    axes.legend(loc="upper left", frameon=False, ncols=2)
    _percent(axes, "y")
    return figure


def losses_over_time(result: Rolling) -> Figure:
    """Log-loss of every contender minus the champion's at each origin of a backtest, with 95 % intervals."""
    others = result.places[1:]
    figure, axes = _panel("Who was ahead?", height=2.0 + 0.42 * len(others))
    names = [period.name for period in result.rounds]
    for at, contender in enumerate(others):
        for nth, apart in enumerate(contender.differences):
            value, low, high = (np.nan if end is None else end for end in (apart.value, apart.low, apart.high))
            y = at + 0.6 * (nth + 0.5) / len(names) - 0.3
            axes.plot([low, high], [y, y], color=PALE, linewidth=3, solid_capstyle="butt")
            axes.plot([value], [y], "o", color=BLUE, markersize=4)
    axes.axvline(0.0, color=INK, linewidth=1.2)
    axes.set_yticks(range(len(others)), [place.name for place in others])
    axes.invert_yaxis()
    axes.set(xlabel=f"Log-loss minus the champion's; from above: {', '.join(names)}")
    return figure


def _panel(title: str, height: float = SIZE[1]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(SIZE[0], height), layout="constrained")
    axes = figure.add_subplot()
    _entitle(figure, title)
    _plain(axes)
    return figure, axes


def _two_panels(title: str, heights: tuple[int, int]) -> tuple[Figure, tuple[Axes, Axes]]:
    figure = Figure(figsize=(SIZE[0], SIZE[1] + 1.2), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=heights)
    above = figure.add_subplot(grid[0])
    below = figure.add_subplot(grid[1], sharex=above)
    _entitle(figure, title)
    above.tick_params(labelbottom=False)
    _plain(above)
    _plain(below)
    return figure, (above, below)


def _entitle(figure: Figure, title: str) -> None:
    figure.suptitle(title, x=0.01, horizontalalignment="left", fontweight="bold", color=INK)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)


def _percent(axes: Axes, which: str) -> None:
    for letter, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if letter in which:
            axis.set_major_formatter(FuncFormatter(lambda value, _: short_percent(value)))


def _counts(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    if axes.get_yscale() == "linear":
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))


def _mark(axes: Axes, thresholds: Sequence[Threshold]) -> None:
    known = [(threshold.probability, threshold.stage) for threshold in thresholds if threshold.probability is not None]
    for at, (probability, stage) in enumerate(known):
        side = "right" if probability > 0.75 * axes.get_xlim()[1] else "left"
        place = (probability, 1.0 - 0.06 * at)
        text = f" {stage} from {percent(probability, 1)} "
        axes.axvline(probability, color=INK, linewidth=1.2)
        axes.annotate(text, place, xycoords=("data", "axes fraction"), va="top", ha=side, fontsize=9, color=INK)
