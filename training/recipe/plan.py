"""How one model is to be made: the plan of a training, and what each stage's threshold is asked to keep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from data.own_functions import OwnFunction
from training.model.members import Hyperparameters
from training.samples.sample import Sample
from training.samples.thinning import MOST_MOMENTS
from training.samples.weighting import Weighting
from training.thresholds.threshold import Threshold
from training.thresholds.threshold_selection import by_capacity, by_precision, by_value
from training.thresholds.volume import ScoredLabels, Volume

LATER = ("since", "weighting", "metrics", "tuning_metric")
"""Fields that a digest tells only where they are set: plans of before they were there keep theirs."""


@dataclass(frozen=True)
class Promise:
    """What a stage's threshold is asked to keep: a precision with a confidence, a weekly volume, both, or a value.

    value, cost: what a win is worth and what a touch costs, in one currency.
    """

    stage: str
    precision: float | None = None
    confidence: float = 0.95
    per_week: float | None = None
    value: float | None = None
    cost: float | None = None

    def threshold(self, labels: ScoredLabels, flow: Volume) -> Threshold:
        """The threshold that keeps it, or that says why there is none."""
        if self.precision is not None:
            return by_precision(self.stage, labels, flow, self.precision, self.confidence, self.per_week)
        if self.value is not None and self.cost is not None:
            return by_value(self.stage, labels, flow, self.value, self.cost)
        return by_capacity(self.stage, labels, flow, self.per_week or 0.0)


@dataclass(frozen=True)
class TrainingPlan:
    """How to train: share of the newest moments that judge, the classifier's parameters, the promises.

    fewest_converted: leads that must have converted, 0 leaves it to `minimum_labels`; small: what is done where fewer
    have. model: `fixed` learns from mature moments, `hazard` from open ones too, `prior` is for few conversions.
    `auto` learns from open moments where the data tell when outcomes came, as a plain table does not.
    twin, rates: which members the mean is over, see training/model/members.py. newest_step: whether the intercept
    takes a step after the newest moments; `auto`: where that would have helped at past dates. most_moments: a training
    set with more is thinned as training/samples/thinning.py says. since: from when on moments count, see
    training/samples/recent.py; weighting: how much, see training/samples/weighting.py. metrics: functions of the user's
    own that are reported; tuning_metric: one that tuning shall make as large as it can, instead of the log-loss.
    """

    newest_share: float = 0.2
    fewest_converted: int = 0
    parameters: Hyperparameters = field(default_factory=Hyperparameters)
    promises: Sequence[Promise] = ()
    model: Literal["auto", "hazard", "fixed", "prior"] = "fixed"
    twin: Literal["auto", "yes", "no"] = "no"
    rates: Literal["yes", "no"] = "no"
    newest_step: Literal["auto", "yes", "no"] = "no"
    small: Literal["refuse", "prior"] = "refuse"
    most_moments: int = MOST_MOMENTS
    since: str = ""
    weighting: Weighting = ""
    metrics: Sequence[OwnFunction] = ()
    tuning_metric: OwnFunction | None = None

    def decided(self, sample: Sample) -> TrainingPlan:
        """The plan for a sample, with the kind of model and the members named."""
        kind = ("hazard" if sample.tells_when else "fixed") if self.model == "auto" else self.model
        return replace(self, model=kind, twin="yes" if self.twin == "auto" else self.twin)

    @property
    def digest(self) -> str:
        """sha256 of all that decides the model; on how many threads it is fitted does not."""
        parameters = self.parameters.copy()
        parameters.pop("n_jobs", None)
        own = {"weighting": _told(self.weighting), "tuning_metric": _told(self.tuning_metric), "since": self.since}
        plain = asdict(replace(self, parameters=parameters, metrics=(), weighting="", tuning_metric=None))
        plain = {key: value for key, value in plain.items() if key not in LATER}
        plain |= {key: value for key, value in own.items() if value}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

    @property
    def own_functions(self) -> dict[str, str]:
        """Functions of the user's own that decide the model, by name, with the sha256 of their files."""
        own = (self.weighting, self.tuning_metric)
        return {function.name: function.digest for function in own if isinstance(function, OwnFunction)}

    def load_own(self) -> None:
        """Runs the files of all functions of the user's own, before anything is computed for one that is broken.

        Raises UsageError: file, line and what went wrong.
        """
        for function in (self.weighting, self.tuning_metric, *self.metrics):
            if isinstance(function, OwnFunction):
                function.load()


def _told(choice: Weighting | None) -> str:
    """A column, or a function with the sha256 of its file; empty for none."""
    return f"{choice.name} {choice.digest}" if isinstance(choice, OwnFunction) else choice or ""
