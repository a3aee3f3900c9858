"""The canvas of all pictures: panels, axes that read as people do, marks of thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from features.numbers_in_words import Language, number, percent, short_percent
from training.report.texts import t
from training.thresholds.threshold import Threshold

INK, BLUE, ORANGE, PALE = "#222222", "#1f5fa8", "#c8500a", "#b9cfe8"
SIZE = (8.0, 5.0)
DPI = 110
LONGEST_NAME = 66


def png(figure: Figure) -> bytes:
    """The picture as PNG; the same figure gives the same bytes (no date, no version inside)."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once: a second drawing would move things by a pixel
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def shortened(name: str) -> str:
    """A name as long as there is room beside an axis."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def panel(title: str, height: float = SIZE[1]) -> tuple[Figure, Axes]:
    """A picture of one panel."""
    figure = Figure(figsize=(SIZE[0], height), layout="constrained")
    axes = figure.add_subplot()
    _entitle(figure, title)
    _plain(axes)
    return figure, axes


def two_panels(title: str, heights: tuple[int, int]) -> tuple[Figure, tuple[Axes, Axes]]:
    """A picture of two panels, one above the other, that share the level axis."""
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


def in_percent(axes: Axes, which: str, language: Language = "en") -> None:
    """Ticks of the axes named by their letters as shares in percent."""
    for letter, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if letter in which:
            axis.set_major_formatter(FuncFormatter(lambda value, _: short_percent(value, language)))


def in_counts(axes: Axes, language: Language = "en") -> None:
    """Ticks of the upright axis as whole numbers."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 0, language)))
    if axes.get_yscale() == "linear":
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))


def mark(axes: Axes, thresholds: Sequence[Threshold], language: Language = "en") -> None:
    """Where stages begin, on a level axis of probabilities."""
    known = [(threshold.probability, threshold.stage) for threshold in thresholds if threshold.probability is not None]
    for at, (probability, stage) in enumerate(known):
        side = "right" if probability > 0.75 * axes.get_xlim()[1] else "left"
        place = (probability, 1.0 - 0.06 * at)
        text = f" {t('stage_from', language, stage=stage, probability=percent(probability, 1, language))} "
        axes.axvline(probability, color=INK, linewidth=1.2)
        axes.annotate(text, place, xycoords=("data", "axes fraction"), va="top", ha=side, fontsize=9, color=INK)
