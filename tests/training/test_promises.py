"""A threshold is told in one honest sentence, in both languages, with every number that stands behind it."""

from __future__ import annotations

import re
from typing import get_args

import numpy as np
import pytest

from features.numbers_in_words import Language, chance
from training.thresholds.promise_text import sentence
from training.thresholds.rule_types import PrecisionRule, Record
from training.thresholds.threshold import Threshold
from training.thresholds.threshold_selection import by_capacity, by_precision, by_value
from training.thresholds.volume import CrossSection, ScoredLabels

RNG = np.random.default_rng(0)
P = RNG.beta(1, 6, 4_000)
LABELS = ScoredLabels(P, (RNG.random(4_000) < P).astype(np.float64))
FLOW = CrossSection(P, 250.0)
FEW = ScoredLabels(P[:60], LABELS.y[:60])
THRESHOLDS: dict[str, Threshold] = {
    "precision": by_precision("MQL", LABELS, FLOW, 0.25),
    "no precision yet": by_precision("SQL", FEW, FLOW, 0.3),
    "no precision ever": by_precision("SQL", LABELS, FLOW, 0.97),
    "capacity": by_capacity("SQL", LABELS, FLOW, 12.5),
    "mix": by_precision("SQL", LABELS, FLOW, 0.25, per_week=20),
    "value": by_value("SQL", LABELS, FLOW, 4_000, 800),
    "withdrawn": Threshold(
        "SQL", PrecisionRule(0.3, 0.95), None, 900, 0, 0, 0.0, 0.0, record=Record(3, 1, 4, "withdrawn", 400, ())
    ),
    "widened": Threshold(
        "SQL", PrecisionRule(0.3, 0.95), 0.4, 900, 90, 45, 9.0, 4.5, record=Record(3, 1, 4, "widened", 400, ())
    ),
    "no capacity": by_capacity("SQL", LABELS, CrossSection(np.full(100, 0.2), 300.0), 1.0),
}


@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("name", THRESHOLDS)
def test_every_threshold_can_be_told_without_gaps(name: str, language: Language) -> None:
    text = sentence(THRESHOLDS[name], 30, language)
    assert THRESHOLDS[name].stage in text
    assert not re.search(r"[{}]|None|nan|inf", text)
    assert text.strip().endswith(".")


def test_the_numbers_are_those_of_the_threshold() -> None:
    threshold = THRESHOLDS["precision"]
    text = sentence(threshold, 45)
    assert threshold.probability is not None
    for number in ("25%", "95%", "45 days", chance(threshold.probability), f"{threshold.labels:,}"):
        assert number in text


def test_a_refusal_says_how_many_labels_are_missing_or_that_labels_will_not_help() -> None:
    wanting, hopeless = THRESHOLDS["no precision yet"], THRESHOLDS["no precision ever"]
    assert wanting.probability is hopeless.probability is None
    assert wanting.missing_labels is not None
    assert f"{wanting.missing_labels:,} more" in sentence(wanting, 30)
    assert hopeless.missing_labels is None
    assert "Promise less" in sentence(hopeless, 30)


def test_mix_value_and_record_are_told() -> None:
    assert "No more than 20 leads a week" in sentence(THRESHOLDS["mix"], 30)
    assert "95% interval" in sentence(THRESHOLDS["value"], 30)
    assert "kept in 3 of 4 periods that followed; in 1 of them" in sentence(THRESHOLDS["widened"], 30)
    assert "is withdrawn" in sentence(THRESHOLDS["withdrawn"], 30)


def test_german_writes_numbers_as_germans_do() -> None:
    text = sentence(THRESHOLDS["capacity"], 30, "de")
    assert "12,5" in text or "12" in text
    assert "4.000 Leads" in text
    assert not re.search(r"\d\.\d ", text)
