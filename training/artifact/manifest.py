"""What model.json holds, typed: read strictly, and written back as it was; `standalone.py` reads the same without us.

Keys that artifacts of version 0.1 may lack have their defaults here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated

from data.contract import ColumnKind, DataError
from data.log.watermarks import Lag, Unobserved
from data.typed_json import Json, JsonObject, Null, Sparse, from_json, to_json
from data.vocabulary import Vocabulary
from features.feature_wording import Words
from features.labels import Target
from features.recipe import Bots, Catalogue
from training.artifact.usual import Usual
from training.calibration.calibrator import Calibrator, calibrator_from
from training.calibration.intercept import InterceptStep
from training.measuring.evaluation import Bin
from training.measuring.evidence import Evidence
from training.thresholds.minimum_labels import Need
from training.thresholds.threshold import Threshold, threshold_from

WHERE = "model.json"


def _thresholds(values: Sequence[object]) -> tuple[Threshold, ...]:
    return tuple(map(threshold_from, values))


def _plain_thresholds(thresholds: Sequence[Threshold]) -> list[JsonObject]:
    return [threshold.to_dict() for threshold in thresholds]


StoredCalibrator = Annotated[Calibrator, Json(calibrator_from, to_json)]
Thresholds = Annotated[tuple[Threshold, ...], Json(_thresholds, _plain_thresholds)]


@dataclass(frozen=True)
class Feature:
    """A column of the model's matrix; categories: its values in order of code, None for a number."""

    name: str
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True)
class FileEntry:
    """A file of the artifact."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Periods:
    """Periods of the horizon in which a hazard model looks: where they end, in days, and the log-odds of each.

    models: the number of each period's model, see `by_period`; none are given where all periods have the same.
    """

    ends: tuple[int, ...]
    offsets: tuple[float, ...]
    models: Sparse[tuple[int, ...]] = ()


@dataclass(frozen=True)
class ThinnedFrom:
    """What a thinned training set held, and what was read of it: one lead in `every` whole, to measure; to learn from
    the moments that converted, and one in `one_of` of the others."""

    moments: int
    every: int
    one_of: int


@dataclass(frozen=True)
class TrainedOn:
    """On which rows a model was trained.

    from_, to: dates of the first and the last moment; to_us: just after the last one, µs UTC. training_set, event_log,
    plan: digests. small: what was needed where too few leads had converted, None where enough had.
    lags: sources that ended before the others. unobserved: event types of which nothing was known any more. thinned:
    None where all rows were read. versions: of leadscore, Python and the libraries that it was trained with.
    since: from when on moments counted; weighting: by what. own_functions: the user's own that decided it, by name,
    with the sha256 of their files.
    """

    from_: str
    to: str
    to_us: int
    moments: int | None = None
    leads: int | None = None
    converted: int | None = None
    converted_leads: int | None = None
    model: str | None = None
    twin: str | None = None
    rates: str | None = None
    training_set: str | None = None
    event_log: str | None = None
    plan: str | None = None
    small: Need | None = None
    thinned: ThinnedFrom | None = None
    lags: Annotated[tuple[Lag, ...], "sparse"] = ()
    unobserved: Annotated[tuple[Unobserved, ...], "sparse"] = ()
    versions: Mapping[str, str] | None = None
    since: Annotated[str, "sparse"] = ""
    weighting: Annotated[str, "sparse"] = ""
    own_functions: Mapping[str, str] | None = None

    @property
    def conversions(self) -> int:
        """Leads that converted, at least 1; artifacts that do not tell count for one."""
        return max(self.converted_leads or 1, 1)


@dataclass(frozen=True)
class NewestSlice:
    """How the recipe did on the newest moments, which it had not seen; from_, to: their first and last date."""

    from_: str
    to: str
    rows: int
    leads: int
    positives: int
    base_rate: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class StoredVerdict:
    """What a way to recalibrate gained in its trial; se: None for infinite."""

    name: str
    gain: float
    se: float | None
    leads: int
    accepted: bool


@dataclass(frozen=True)
class DatedStep(InterceptStep):
    """A step of the rolling intercept; on: its date."""

    on: str


@dataclass(frozen=True)
class AsTrained:
    """What a recalibration has replaced."""

    calibrator: StoredCalibrator
    thresholds: Thresholds
    evidence: Evidence
    grounds: FileEntry | None = None


@dataclass(frozen=True)
class Adjustment:
    """What was laid over a model as it was trained: a line in log-odds, from labels of from_ to `to`, and why.

    leads, converted: behind those labels. withdrawn: stages whose promise they refuted.
    """

    way: str
    line: Calibrator
    from_: str
    to: str
    leads: int
    converted: int
    verdicts: tuple[StoredVerdict, ...]
    steps: tuple[DatedStep, ...]
    withdrawn: tuple[str, ...]
    trained: AsTrained


@dataclass(frozen=True)
class Manifest:
    """All of model.json.

    words: plain words of event types. bots: rules that label a machine's events. profile_columns: column -> `category`
    or `number`. grounds: the file of what thresholds rest on. judged: None where the recipe was not judged. usual: what
    features usually add, None for artifacts of before. own_features: columns that are functions of the user's own.
    """

    format: int
    target: Target
    vocabulary: Vocabulary
    catalogue: Catalogue
    words: Words
    bots: Bots
    profile_columns: Mapping[str, ColumnKind]
    features: tuple[Feature, ...]
    boosters: tuple[FileEntry, ...]
    code: FileEntry
    calibrator: StoredCalibrator
    thresholds: Thresholds
    evidence: Evidence
    trained_on: TrainedOn
    periods: Null[Periods] = None
    grounds: FileEntry | None = None
    judged: NewestSlice | None = None
    adjustment: Adjustment | None = None
    usual: Sparse[Usual | None] = None
    own_features: Annotated[tuple[str, ...], "sparse"] = ()

    def check_servable(self) -> None:
        """Raises DataError for a model that looks at functions of the user's own, which nobody computes elsewhere."""
        if self.own_features:
            names = ", ".join(self.own_features)
            raise DataError(
                f"the model looks at own features ({names}), which no server computes: make each of them a kind of "
                "feature (docs/features.md), take it out of features.own and train again"
            )

    @property
    def as_trained(self) -> Manifest:
        """Without what was laid over it since training."""
        if self.adjustment is None:
            return self
        trained = {field.name: getattr(self.adjustment.trained, field.name) for field in fields(AsTrained)}
        return replace(self, adjustment=None, **trained)

    def to_json(self) -> JsonObject:
        """Plain values for JSON, from which `manifest_from` makes the same."""
        plain: JsonObject = to_json(self)
        return plain


def manifest_from(values: object) -> Manifest:
    """The manifest that the content of a model.json makes. Raises DataError with the key and the value that do not."""
    return from_json(Manifest, values, WHERE)
