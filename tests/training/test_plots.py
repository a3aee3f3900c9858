"""Pictures show the numbers they were given, in words for people, and the same picture is the same file."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.special import expit

from training.measuring.evaluation import Evaluation, evaluate
from training.measuring.metrics import gains
from training.model.permutation import Shuffled
from training.monitoring.data_profile import MonthProfile
from training.recipe.learning_curve import SharePoint
from training.report.data_plots import by_month, learning, permuted
from training.report.panels import LONGEST_NAME, png
from training.report.plots import (
    gains_curve,
    importances,
    precision_recall,
    reliability,
    score_distribution,
    what_if_curve,
)
from training.thresholds.threshold_selection import by_capacity, by_precision
from training.thresholds.volume import CrossSection, ScoredLabels
from training.thresholds.what_if import what_if

RNG = np.random.default_rng(0)
P = expit(RNG.normal(-2, 1.3, 1_500))
Y = (RNG.random(1_500) < P).astype(np.float64)
LABELS, FLOW = ScoredLabels(P, Y), CrossSection(P, 200.0)
THRESHOLDS = [by_precision("MQL", LABELS, FLOW, 0.2), by_capacity("SQL", LABELS, FLOW, 5.0)]
CURVE = gains(Y, P, np.ones(1_500))


POINTS = (SharePoint(0.5, 500, 60, 0.31), SharePoint(1.0, 1_000, 120, 0.3, 0.01, 0.004))

SHUFFLED = [Shuffled("age", (0.01, 0.03)), Shuffled("x" * 90, (-0.01, 0.01))]


def evaluation() -> Evaluation:
    return evaluate(Y, np.ones(1_500), np.arange(1_500), {"champion": P}, resamples=10)


DRAWINGS: dict[str, Callable[[], Figure]] = {
    "reliability": lambda: reliability(evaluation().bins),
    "scores": lambda: score_distribution(P, THRESHOLDS),
    "gains": lambda: gains_curve(CURVE),
    "precision-recall": lambda: precision_recall(CURVE),
    "what-if": lambda: what_if_curve(what_if(LABELS, FLOW), THRESHOLDS),
    "curve": lambda: learning(POINTS),
    "shuffled": lambda: permuted(
        [Shuffled("age", (0.01, 0.03)), Shuffled("x" * 90, (-0.01, 0.01))], {"age": "how old"}
    ),
    "months": lambda: by_month([MonthProfile("2024-05", 90, 50, 40, 4), MonthProfile("2024-06", 90, 60, 0, 0)]),
    "importances": lambda: importances(["age", "recency_any", "x" * 90], np.array([0.2, 0.5, 0.3])),
}


def words(figure: Figure) -> str:
    """All that can be read in a figure."""
    figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(match=Text) if isinstance(text, Text))


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_same_picture_is_the_same_file_without_date_or_version(name: str) -> None:
    figure = DRAWINGS[name]()
    once, again, anew = png(figure), png(figure), png(DRAWINGS[name]())
    assert once == again == anew
    assert once.startswith(b"\x89PNG")
    assert not any(chunk in once for chunk in (b"tEXt", b"iTXt", b"tIME"))


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_picture_has_a_title_and_named_axes(name: str) -> None:
    figure = DRAWINGS[name]()
    assert figure.get_suptitle()
    assert figure.axes[-1].get_xlabel()


def test_reliability_shows_every_bin_where_it_belongs() -> None:
    bins = evaluation().bins
    above, below = reliability(bins).axes
    points = above.containers[0].lines[0]  # type: ignore[attr-defined]
    assert points.get_xdata().tolist() == [part.predicted for part in bins]
    assert points.get_ydata().tolist() == [part.observed.value for part in bins]
    assert [bar.get_height() for bar in below.containers[0]] == [part.rows for part in bins]
    for part in bins:
        assert part.observed.high is not None
        assert part.observed.high <= above.get_ylim()[1]


def test_thresholds_are_drawn_where_they_are_and_named() -> None:
    for name in ("scores", "what-if"):
        text = words(DRAWINGS[name]())
        for threshold in THRESHOLDS:
            assert threshold.probability is not None
            assert f"{threshold.stage} from {100 * threshold.probability:.1f}%" in text


def test_the_histogram_holds_every_lead() -> None:
    bars = score_distribution(P, []).axes[0].patches
    assert sum(bar.get_height() for bar in bars) == len(P)  # type: ignore[attr-defined]


def test_gains_tell_what_the_best_tenth_holds() -> None:
    best = Y[np.argsort(-P)[:150]].sum() / Y.sum()
    assert f"the best 10% hold {100 * best:.0f}%" in words(gains_curve(CURVE))


def test_importances_are_sorted_and_long_names_cut() -> None:
    figure = DRAWINGS["importances"]()
    names = [yticklabel.get_text() for yticklabel in figure.axes[0].get_yticklabels()]
    assert names == ["age", "x" * (LONGEST_NAME - 1) + "…", "recency_any"]


def test_the_curve_stands_where_its_points_are_with_the_luck_of_each_doubling() -> None:
    (axes,) = learning(POINTS).axes
    line = axes.containers[0].lines[0]  # type: ignore[attr-defined]
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([500, 1_000], [0.31, 0.3])


def test_every_fold_is_a_dot_and_the_mean_a_bar() -> None:
    (axes,) = DRAWINGS["shuffled"]().axes
    assert [round(bar.get_width(), 6) for bar in axes.patches] == [0.02, 0.0]  # type: ignore[attr-defined]
    assert "how old" in words(axes.figure)  # type: ignore[arg-type]


def test_pictures_speak_german_with_a_comma() -> None:
    text = words(gains_curve(CURVE, "de"))
    assert "die besten 10\N{NO-BREAK SPACE}% enthalten" in text
    assert "Anteil der gefundenen Konversionen" in text
    assert re.search(r"\d,\d-mal der Zufall", text)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_alone_can_be_drawn(label: float) -> None:
    y, p = np.full(30, label), np.linspace(0.1, 0.9, 30)
    curve, evidence = gains(y, p, np.ones(30)), ScoredLabels(p, y)
    bins = evaluate(y, np.ones(30), np.arange(30), {"champion": p}, resamples=5).bins
    refused = by_precision("SQL", ScoredLabels(p, np.zeros(30)), CrossSection(p, 5), 0.9)
    drawn = [
        reliability(bins),
        gains_curve(curve),
        precision_recall(curve),
        what_if_curve(what_if(evidence, FLOW), [refused]),
    ]
    assert all(png(image) for image in drawn)


def test_a_constant_score_can_be_drawn() -> None:
    p = np.full(50, 0.02)
    bins = evaluate(np.arange(50) % 5 == 0, np.ones(50), np.arange(50), {"champion": p}, resamples=5).bins
    for figure in (reliability(bins), score_distribution(p, []), gains_curve(gains(Y[:50], p, np.ones(50)))):
        assert png(figure)


def test_drawing_touches_no_global_state() -> None:
    check = "import sys, training.report.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
