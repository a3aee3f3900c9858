"""A threshold: the probability from which a stage begins, what it promises and on what evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

from data.contract import DataError
from data.typed_json import JsonObject, from_json, to_json
from training.measuring.metrics import binomial_interval
from training.thresholds.replay import StageEntries
from training.thresholds.rule_types import CapacityRule, PrecisionRule, Record, Rule, StoredThreshold, ValueRule
from training.thresholds.stages import StageThreshold


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
    arrivals: StageEntries | None = None

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
