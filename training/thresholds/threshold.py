"""Thresholds that keep their promise: by precision with a stated confidence, by sales capacity, by value.

A promise of precision is a statement about leads like the labelled ones (exchangeable with them). Where the world
drifts it weakens, so promises have to be watched on matured cohorts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from data.contract import DataError, UsageError
from data.typed_json import JsonObject, from_json, to_json
from training.measuring.metrics import binomial_interval
from training.samples.folds import hash_of_lead
from training.samples.log_odds import Array
from training.thresholds.replay import Arrivals
from training.thresholds.rules import CapacityRule, PrecisionRule, Record, Rule, StoredThreshold, ValueRule
from training.thresholds.stages import StageThreshold

CONFIDENCE = 0.95
GRID = 50
STARTS = 5
FEWEST = 10
"""A precision of fewer leads is noise and not shown."""
MOST = 1e4
"""Beyond that many times the labels at hand, more labels are no advice."""


@dataclass(frozen=True)
class ScoredLabels:
    """Evidence: calibrated probabilities `p` (n) and outcomes `y` (n, 0/1) of independent leads, see `one_per_lead`."""

    p: Array
    y: Array


class Volume(Protocol):
    """How many leads a stage brings, by where it begins: a `StageReplay` of past weeks, or a `Flow` without any."""

    @property
    def per_week(self) -> float:
        """Leads a week that come up at all."""

    @property
    def is_enough(self) -> bool:
        """Whether there is a lead to expect anything of."""

    def above(self, probability: float) -> tuple[float, float]:
        """Leads a week that enter for the first time, and how many of them convert, on average."""

    def busy(self, probability: float) -> float:
        """Leads that nine weeks of ten do not exceed, as far as weeks are known."""

    def fitting(self, per_week: float) -> float | None:
        """The lowest threshold that brings no more than that; 0 where all fit, None where none does."""


@dataclass(frozen=True)
class Flow:
    """A volume where past weeks are not known, as in a table without histories: each lead is seen once.

    p: probabilities (n) of leads at one moment each. per_week: how many such leads come up in a week.
    """

    p: Array
    per_week: float

    @property
    def is_enough(self) -> bool:
        """Whether there is a lead."""
        return len(self.p) > 0

    def above(self, probability: float) -> tuple[float, float]:
        """Leads per week at or above a probability, and how many of them are expected to convert.

        >>> Flow(np.array([0.1, 0.5]), per_week=10).above(0.5)
        (5.0, 2.5)
        """
        share = self.per_week / len(self.p)
        chosen = self.p >= probability
        return float(chosen.sum() * share), float(self.p[chosen].sum() * share)

    def busy(self, probability: float) -> float:
        """Leads in an average week: of others nothing is known."""
        return self.above(probability)[0]

    def fitting(self, per_week: float) -> float | None:
        """The lowest of the probabilities above which no more than that come up."""
        scores, counts = np.unique(self.p, return_counts=True)
        fits = scores[np.cumsum(counts[::-1])[::-1] * (self.per_week / len(self.p)) <= per_week]
        if not len(fits):
            return None
        return 0.0 if len(fits) == len(scores) else float(fits[0])


@dataclass(frozen=True)
class Threshold:
    """The probability from which a stage begins, what it promises and on what evidence.

    `probability` is None when the promise cannot be made; then `missing_labels` says about how many more labelled leads
    it takes at the precision seen, None if none would help. Of `labels` leads, `selected` lay at or above, of whom
    `converted` did. `record` says what became of past promises (see training/thresholds/track_record.py);
    `arrivals` what past weeks would have brought, None where they are not known.
    """

    stage: str
    rule: Rule
    probability: float | None
    labels: int
    selected: int
    converted: int
    leads_per_week: float
    wins_per_week: float
    missing_labels: int | None = None
    record: Record | None = None
    arrivals: Arrivals | None = None

    @property
    def per_week(self) -> float | None:
        """How many leads a week a mix or a capacity lets through at most; None for no limit."""
        if isinstance(self.rule, CapacityRule):
            return self.rule.target
        return self.rule.per_week if isinstance(self.rule, PrecisionRule) else None

    @property
    def confidence(self) -> float | None:
        """That of a promised precision, None for other rules."""
        return self.rule.confidence if isinstance(self.rule, PrecisionRule) else None

    @property
    def profit_per_week(self) -> tuple[float, float, float] | None:
        """What touching the leads above earns in a week, with its 95 % interval; None without amounts or evidence.

        The interval is that of the precision: of first entries where past weeks are known, else among the labels.

        >>> Threshold("SQL", ValueRule(0.1, win=1000, touch=100), 0.1, 900, 100, 40, 20.0, 8.0).profit_per_week
        (6000.0, 4066.0, 8056.0)
        """
        rule = self.rule
        if not isinstance(rule, ValueRule) or rule.win is None or rule.touch is None or not self.selected:
            return None
        converted, of = self.converted, self.selected
        if self.arrivals is not None and self.arrivals.entered:
            converted, of = self.arrivals.converted, self.arrivals.entered
        shares = (converted / of, *binomial_interval(converted / of, of).tolist())
        low_to_high = [round(self.leads_per_week * (share * rule.win - rule.touch), 0) for share in shares]
        return low_to_high[0], low_to_high[1], low_to_high[2]

    @property
    def expected_precision(self) -> float | None:
        """Share of the leads above that is expected to convert."""
        return self.wins_per_week / self.leads_per_week if self.leads_per_week else None

    def to_dict(self) -> JsonObject:
        """Plain values for JSON, see `StoredThreshold`."""
        rule = {"rule": self.rule.kind, "confidence": None, "per_week": None, **asdict(self.rule)}
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "rule"}
        plain: JsonObject = to_json(StoredThreshold(**own, **rule))
        return plain


def threshold_from(values: object) -> Threshold:
    """Inverse of `Threshold.to_dict`. Raises DataError for values that do not make one."""
    try:
        stored = from_json(StoredThreshold, values, "threshold")
    except DataError as error:
        raise DataError(f"{error}; train the model again") from None
    own = {field.name: getattr(stored, field.name) for field in fields(Threshold) if field.name != "rule"}
    return Threshold(rule=stored.rule_of(), **own)


def stage_thresholds(thresholds: Iterable[Threshold]) -> list[StageThreshold]:
    """Where stages begin, in the order given; a promise that cannot be made begins none."""
    starts = ((threshold.stage, threshold.probability) for threshold in thresholds)
    return [StageThreshold(stage, probability) for stage, probability in starts if probability is not None]


def by_precision(
    stage: str,
    labels: ScoredLabels,
    flow: Volume,
    precision: float,
    confidence: float = CONFIDENCE,
    per_week: float | None = None,
) -> Threshold:
    """The lowest threshold above which at least `precision` of leads convert, with `confidence`; none if unproven.

    With `per_week` (a mix) the lowest one of those proven that also lets through no more leads than that a week: the
    proof holds for every cut that was certified, so the choice among them is free.

    Learn then test (Angelopoulos et al., 2021): cuts are ranks fixed beforehand, tested from the strictest to the
    laxest by the exact binomial tail. A fifth of the permitted error begins at each of five starts and is carried on as
    long as tests succeed (the fallback procedure, Wiens 2003), so that bad luck at the very top is not the end.
    Raises UsageError for a precision or confidence outside (0, 1), and without labels or flow.
    """
    _check_flow(flow)
    _check_labels(labels)
    _check_share("precision", precision)
    _check_share("confidence", confidence)
    rule, error = PrecisionRule(precision, confidence, per_week), (1 - confidence) / STARTS
    cuts, selected, converted = _cuts(labels, int(np.ceil(np.log(error) / np.log(precision))))
    certified = _fallback(_tail(converted, selected, precision), error)
    if per_week is not None and certified.any():
        _check_amount("capacity", per_week)
        certified &= np.array([flow.busy(float(cut)) <= per_week for cut in cuts])
        if not certified.any():
            return _refused(stage, rule, len(labels.p), None)
    if not certified.any():
        missing = _missing_labels(selected, converted, len(labels.p), precision, error)
        return _refused(stage, rule, len(labels.p), missing)
    lowest = float(cuts[certified][-1])
    return Threshold(stage, rule, lowest, *_evidence(lowest, labels, flow))


def by_capacity(stage: str, labels: ScoredLabels, flow: Volume, per_week: float) -> Threshold:
    """The lowest threshold that no more than `per_week` leads a week enter for the first time, in nine weeks of ten.

    0 when sales can take them all; none when more leads than that share the highest probability.
    """
    _check_flow(flow)
    _check_amount("capacity", per_week)
    lowest = flow.fitting(per_week)
    if lowest is None:
        return _refused(stage, CapacityRule(per_week), len(labels.p), None)
    return Threshold(stage, CapacityRule(per_week), lowest, *_evidence(lowest, labels, flow))


def by_value(stage: str, labels: ScoredLabels, flow: Volume, win: float, touch: float) -> Threshold:
    """Where a touch that costs `touch` begins to pay off on average, when a win is worth `win`: at touch / win."""
    _check_flow(flow)
    _check_amount("value of a win", win)
    _check_amount("cost of a touch", touch)
    if touch >= win:
        raise UsageError(
            f"cost of a touch {touch:g} is not below the value of a win {win:g}: no lead is worth it; correct one"
        )
    share = touch / win
    return Threshold(stage, ValueRule(share, win, touch), share, *_evidence(share, labels, flow))


def one_per_lead(lead: NDArray[Any], time: NDArray[Any], seed: int = 0) -> NDArray[np.int64]:
    """Rows, at most one per lead, that make independent evidence; `lead` and `time` have shape (n).

    Moments of one lead share its outcome, so a test may count only one of them. Which one must not depend on the
    outcome: the newest moment of a lead that converted is the one just before, and even a random one of its moments
    counts converted leads, whose moments end early, too heavily. So a hash of the lead's id names a position, 1st,
    2nd, 3rd … in time, and the lead takes part if it got so far. Positions go up to what one lead in ten reaches.

    >>> one_per_lead(np.array(["a", "b", "a"]), np.array([3, 1, 2])).tolist()
    [1, 2]
    """
    if not len(lead):
        return np.zeros(0, dtype=np.int64)
    ids, codes = np.unique(lead, return_inverse=True)
    order = np.lexsort((time, codes))
    counts = np.bincount(codes)
    position = np.empty(len(codes), dtype=np.int64)
    position[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    positions = int(np.quantile(counts, 0.9, method="lower"))
    drawn = np.array([hash_of_lead(f"{seed}:{lead_id}") % positions for lead_id in ids.tolist()])
    return np.flatnonzero(position == drawn[codes])


@dataclass(frozen=True)
class WhatIf:
    """What each threshold would bring (m, from the highest down): volume, wins, precision with its interval, recall."""

    probability: Array
    leads_per_week: Array
    wins_per_week: Array
    precision: Array
    low: Array
    high: Array
    recall: Array


def what_if(labels: ScoredLabels, flow: Volume) -> WhatIf:
    """The consequences of about fifty thresholds; an interval holds for a threshold chosen without looking at it."""
    _check_flow(flow)
    _check_labels(labels)
    cuts, selected, converted = _cuts(labels, FEWEST)
    leads, wins = np.array([flow.above(cut) for cut in cuts]).reshape(-1, 2).T
    precision = converted / selected
    low, high = binomial_interval(precision, selected)
    return WhatIf(cuts, leads, wins, precision, low, high, converted / max(labels.y.sum(), 1))


def _cuts(labels: ScoredLabels, fewest: int) -> tuple[Array, Array, Array]:
    """Probabilities of the rank grid, strictest first; how many labels lie at or above, and how many of them converted.

    A cut lies just above the best lead left out: given that score, the leads above it are independent draws from all
    such leads, which makes the binomial test exact. Equal scores stay together.
    """
    order = np.argsort(-labels.p, kind="stable")
    scores, total = labels.p[order], len(order)
    ranks = np.geomspace(min(fewest, total), total, GRID).round().astype(np.int64)
    selected = np.unique(np.searchsorted(-scores, -scores[ranks - 1], side="right"))
    cuts = np.append(np.nextafter(scores, 1.0), 0.0)[selected]
    return cuts, selected.astype(np.float64), np.cumsum(labels.y[order])[selected - 1]


def _refused(stage: str, rule: Rule, labels: int, missing: int | None) -> Threshold:
    return Threshold(stage, rule, None, labels, 0, 0, 0.0, 0.0, missing)


def _starts(cuts: int) -> list[int]:
    return sorted({int(start) for start in np.linspace(0, cuts, STARTS, endpoint=False)})


def _fallback(tails: Array, error: float) -> NDArray[np.bool_]:
    starts = _starts(len(tails))
    certified, level = np.zeros(len(tails), dtype=np.bool_), 0.0
    for at, tail in enumerate(tails):
        level += error if at in starts else 0.0
        certified[at] = level > 0 and tail <= level
        level = level if certified[at] else 0.0
    return certified


def _tail(converted: Array, selected: Array, precision: float) -> Array:
    """Chance of at least so many conversions among the selected if the precision were only as promised."""
    return np.where(converted > 0, betainc(np.maximum(converted, 1e-9), selected - converted + 1, precision), 1.0)


def _missing_labels(selected: Array, converted: Array, labels: int, precision: float, error: float) -> int | None:
    """How many more labels it takes until one of the starts succeeds, were its precision to stay as it is."""
    starts = [at for at in _starts(len(selected)) if converted[at] > precision * selected[at]]
    factors = np.geomspace(1.0, MOST, 1000)[:, np.newaxis]
    enough = (_tail(factors * converted[starts], factors * selected[starts], precision) <= error).any(axis=1)
    return int(np.ceil((factors[enough.argmax(), 0] - 1) * labels)) if enough.any() else None


def _evidence(probability: float, labels: ScoredLabels, flow: Volume) -> tuple[int, int, int, float, float]:
    above = labels.p >= probability
    return len(labels.p), int(above.sum()), int(labels.y[above].sum()), *flow.above(probability)


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise UsageError(f"{name} {value:g} must lie between 0 and 1, both excluded")


def _check_amount(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise UsageError(f"{name} {value:g} must be a positive number")


def _check_flow(flow: Volume) -> None:
    if not flow.is_enough:
        raise UsageError("there is no open lead to expect a volume from; give the scores of at least one")
    _check_amount("leads per week", flow.per_week)


def _check_labels(labels: ScoredLabels) -> None:
    if not len(labels.p):
        raise UsageError("there is no labelled lead to learn a threshold from; wait until outcomes of some are known")
