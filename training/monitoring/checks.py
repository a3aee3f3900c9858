"""Tests of given scores against what became of them; every one tells how often it is wrong when all is well.

Moments of a lead share its outcome, so standard errors are clustered by lead; a promise is counted once per lead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import bdtr, expit, ndtr

from features.numbers_in_words import number, short_percent
from training.measuring.metrics import calibration_line, lead_codes
from training.monitoring.cohorts import MaturedScores
from training.samples.log_odds import logit

Kind = Literal["level", "slope", "promise"]
FEWEST = 20.0
"""Leads that must be expected to convert, and as many not to, so that the normal law of a test holds."""


@dataclass(frozen=True)
class Check:
    """One test. value: what was seen; expected: what it should be. p: two-sided, one-sided for a promise.

    failed: p lies below the error that this test may take. evidence: the same in words.
    """

    kind: Kind
    name: str
    value: float
    expected: float
    p: float
    failed: bool
    evidence: str


@dataclass(frozen=True)
class Promised:
    """A stage whose threshold promises a precision; `above` are the stages at or above it, that one included."""

    stage: str
    above: tuple[str, ...]
    precision: float


def enough(rows: MaturedScores) -> bool:
    """Whether enough leads are expected on either side; the moments of a lead count as one."""
    codes = lead_codes(rows.given.lead)
    mean = np.bincount(codes, rows.given.p) / np.bincount(codes) if len(rows) else np.zeros(0)
    return bool(min(mean.sum(), (1 - mean).sum()) >= FEWEST)


def level(rows: MaturedScores, error: float) -> Check:
    """Calibration in the large: as many convert as was promised in all."""
    off, codes = rows.y - rows.given.p, lead_codes(rows.given.lead)
    by_lead = np.bincount(codes, off)
    spread = float(np.sqrt(by_lead @ by_lead))
    p = _two_sided(float(off.sum()) / spread if spread > 0 else 0.0)
    seen, promised = float(rows.y.sum()), float(rows.given.p.sum())
    text = f"{number(seen)} of {number(len(rows))} scores came true, {number(promised)} were promised"
    text += f" (ratio {number(seen / promised, 2)})"
    return Check("level", "as many as promised", seen / promised, 1.0, p, p < error, f"{text}; p = {p:.2g}")


def slope(rows: MaturedScores, error: float) -> Check:
    """Slope of outcomes on log-odds: below 1 scores tell leads apart less well than they say (Cox 1958).

    A change of the base rate alone leaves it at 1. The error is a sandwich, clustered by lead.
    """
    z, codes = logit(rows.given.p), lead_codes(rows.given.lead)
    line = calibration_line(rows.y, rows.given.p, np.ones(len(rows)))
    if not np.isfinite(line).all():
        return Check("slope", "tells apart as promised", 1.0, 1.0, 1.0, False, "outcomes are all alike, no slope")
    x, mu = np.column_stack([z, np.ones_like(z)]), expit(line[0] * z + line[1])
    scores = np.column_stack([np.bincount(codes, (rows.y - mu) * column) for column in x.T])
    bread = np.linalg.pinv((x * (mu * (1 - mu))[:, np.newaxis]).T @ x)
    spread = float(np.sqrt((bread @ (scores.T @ scores) @ bread)[0, 0]))
    p = _two_sided((float(line[0]) - 1) / spread if spread > 0 else 0.0)
    text = f"slope {number(line[0], 2)} (standard error {number(spread, 2)}), 1 is perfect"
    return Check("slope", "tells apart as promised", float(line[0]), 1.0, p, p < error, f"{text}; p = {p:.2g}")


def promise(rows: MaturedScores, promised: Promised, error: float) -> Check | None:
    """Exact binomial test of a promised precision, on the first score of each lead in the stage; None without leads."""
    inside = np.flatnonzero(np.isin(rows.given.stage, promised.above))
    if not len(inside):
        return None
    _, first = np.unique(rows.given.lead[inside], return_index=True)
    won, leads = int(rows.y[inside[first]].sum()), len(first)
    p = float(bdtr(won, leads, promised.precision))
    share = short_percent(promised.precision)
    text = f"{number(won)} of {number(leads)} leads from {promised.stage} on converted, {share} were promised"
    name = f"{promised.stage} keeps its promise"
    return Check("promise", name, won / leads, promised.precision, p, p < error, f"{text}; p = {p:.2g}")


def _two_sided(z: float) -> float:
    return float(2 * ndtr(-abs(z)))
