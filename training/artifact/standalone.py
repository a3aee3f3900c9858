"""Scores with a leadscore artifact; needs only this file, numpy and lightgbm.

An artifact is a folder with `model.json` and LightGBM text models. This file travels inside it, and leadscore
itself scores through it, so that there is one implementation.

    model = load("artifact")
    model.predict(model.encode([{"count_any_7d": 3, "profile_country": "DE"}]))
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import lightgbm

Array = NDArray[np.float64]
T = TypeVar("T")
FORMAT = 1
SEAL = "model.json.sha256"
"""Beside model.json, the sha256 of it; what model.json names has its sha256 there."""
EDGE = 1e-6
"""Probabilities lie in [EDGE, 1 - EDGE]: no model knows that something is impossible or certain."""
POINTS = 16
"""Where a way is looked at to take the mean along it (Gauss & Legendre)."""
MOST_BYTES = 256 * 2**20
"""No file of an artifact is larger."""


class Target(TypedDict):
    """What of the target is needed to score: how many days a prediction looks ahead."""

    horizon_days: int


class FileEntry(TypedDict):
    """A file of the artifact."""

    file: str
    bytes: int
    sha256: str


class Named(TypedDict):
    """What every column of the matrix has."""

    name: str


class Feature(Named, total=False):
    """A column of the matrix; categories: its values in order of code, left out for a number."""

    categories: list[str]


class Timeline(TypedDict):
    """Where the periods of a hazard model end, in days, and the log-odds of each that trees start from."""

    ends: list[int]
    offsets: list[float]


class Periods(Timeline, total=False):
    """models: the number of each period's model, see `by_period`; left out where all periods have the same."""

    models: list[int]


class Line(TypedDict):
    """A calibrator: see `calibrated`."""

    a: float
    b: float
    c: float


class Contents(TypedDict):
    """What is read of model.json. periods: None for a model that knows its horizon alone."""

    format: int
    target: Target
    features: list[Feature]
    boosters: list[FileEntry]
    calibrator: Line
    periods: Periods | None


class ArtifactError(Exception):
    """An artifact that is damaged or of another format; the message names the file."""


def load(folder: str | Path) -> Model:
    """The model of an artifact, read as `read` does. Raises ArtifactError."""
    # Imported late: it brings pandas and scikit-learn, 100 MB that a server does without.
    import lightgbm

    contents, texts = read(folder)
    return Model(contents, [lightgbm.Booster(model_str=text) for text in texts])


def read(folder: str | Path) -> tuple[Contents, list[str]]:
    """Content of model.json and the boosters' texts, after comparing size and sha256 of every file with the manifest.

    LightGBM crashes the process on damaged text, so nothing is handed to it before its hash was seen to be right.
    Raises ArtifactError.
    """
    folder = Path(folder)
    try:
        contents = _contents(folder / "model.json")
        texts = [_verified(folder, entry) for entry in contents["boosters"]]
        _check(contents, texts)
    except ArtifactError as error:
        raise ArtifactError(f"{folder}: {error}") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{folder}: no readable artifact ({type(error).__name__}: {error})") from None
    return contents, texts


def _contents(path: Path) -> Contents:
    if path.stat().st_size > MOST_BYTES:
        raise ArtifactError(f"model.json has {path.stat().st_size:,} bytes, at most {MOST_BYTES:,} are read")
    content = path.read_bytes()
    if path.with_name(SEAL).read_bytes()[:64] != hashlib.sha256(content).hexdigest().encode():
        raise ArtifactError(f"model.json is damaged: its sha256 is not the one in {SEAL}")
    contents: Contents = json.loads(content.decode("utf-8"), parse_constant=_no_number)
    if contents["format"] != FORMAT:
        raise ArtifactError(f"format {contents['format']!r}, this reads {FORMAT}")
    return contents


def _no_number(text: str) -> float:
    raise ArtifactError(f"model.json holds {text}, which is no number")


def _verified(folder: Path, entry: FileEntry) -> str:
    """The text of a booster, read only when its name stays in the folder and its size is as announced."""
    name, path = entry["file"], folder / str(entry["file"])
    if not re.fullmatch(r"booster-\d{1,4}\.txt", str(name)):
        raise ArtifactError(f"model.json names {name!r}, which is no booster of this folder")
    if path.stat().st_size != entry["bytes"] or entry["bytes"] > MOST_BYTES:
        raise ArtifactError(f"{name} is damaged: its size is not the one in model.json")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise ArtifactError(f"{name} is damaged: its sha256 is not the one in model.json")
    return content.decode("ascii")


def _check(contents: Contents, texts: list[str]) -> None:
    """Whether the parts of an artifact fit together. Raises ArtifactError."""
    if not texts:
        raise ArtifactError("model.json names no booster")
    periods = contents.get("periods")
    features = len([feature["name"] for feature in contents["features"]]) + (periods is not None)
    for text in texts:
        match = re.search(r"^max_feature_idx=(\d+)$", text, re.MULTILINE)
        if match is None or int(match[1]) + 1 != features:
            raise ArtifactError(f"a booster does not read the {features} features of model.json")
    if periods is not None and not _is_timeline(periods["ends"], periods["offsets"]):
        raise ArtifactError("the periods of model.json do not follow each other, or lack a number")
    if periods is not None and not _are_models(periods.get("models", []), len(periods["ends"]), len(texts)):
        raise ArtifactError(f"the models of the periods of model.json do not share {len(texts)} boosters evenly")
    line = contents["calibrator"]
    a, b, c = float(line["a"]), float(line["b"]), float(line["c"])
    if not (a > 0 and b > 0 and all(map(math.isfinite, (a, b, c)))):
        raise ArtifactError(f"the calibrator ({a}, {b}, {c}) would turn the ranking around or give no number")


def _is_timeline(ends: Sequence[float], offsets: Sequence[float]) -> bool:
    in_order = all(a < b for a, b in zip((0, *ends), ends, strict=False))
    return 0 < len(ends) == len(offsets) and in_order and all(map(math.isfinite, (*ends, *offsets)))


def _are_models(models: Sequence[int], periods: int, boosters: int) -> bool:
    if not models:
        return True
    whole = all(type(model) is int for model in models)  # JSON may say 0.0, which is no place in a list
    in_order = whole and models[0] == 0 and all(b - a in (0, 1) for a, b in itertools.pairwise(models))
    return len(models) == periods and in_order and boosters % (models[-1] + 1) == 0


class Model:
    """Boosters, category maps and calibrator of one artifact. `about` is the content of model.json."""

    def __init__(self, contents: Contents, boosters: list[lightgbm.Booster]) -> None:
        self.about = contents
        self.boosters = boosters
        self.periods = contents.get("periods")
        self.line = contents["calibrator"]
        self.ends = [contents["target"]["horizon_days"]] if self.periods is None else self.periods["ends"]
        self.features = [feature["name"] for feature in contents["features"]]
        self.codes: list[dict[float | str, float] | None] = [
            {name: float(code) for code, name in enumerate(feature["categories"])} if "categories" in feature else None
            for feature in contents["features"]
        ]

    def encode(self, rows: Sequence[Mapping[str, float | str | None]]) -> Array:
        """float64[n, features] from rows of {feature: value}; what is missing, null or an unseen category is NaN."""
        matrix = np.full((len(rows), len(self.features)), np.nan)
        for i, row in enumerate(rows):
            for j, (name, codes) in enumerate(zip(self.features, self.codes, strict=True)):
                value = row.get(name)
                if value is not None:
                    matrix[i, j] = value if codes is None else codes.get(value, np.nan)
        return matrix

    def raw(self, matrix: Array) -> Array:
        """float64[n]: mean of the boosters' log-odds, for the whole horizon."""
        if self.periods is not None:
            return within(hazards(self._of_periods, matrix, self.periods["offsets"]), self.ends, self.ends[-1])
        return np.asarray(np.mean([b.predict(matrix, raw_score=True, num_threads=1) for b in self.boosters], axis=0))

    def predict(self, matrix: Array) -> Array:
        """float64[n]: calibrated probabilities of an encoded matrix."""
        return calibrated(self.raw(matrix), self.line)

    def predict_within(self, matrix: Array, days: float) -> Array:
        """float64[n]: calibrated probabilities of converting within so many days.

        Never falling in days. Raises ValueError for days that the model does not know: one without periods knows its
        horizon alone.
        """
        if self.periods is not None:
            odds = hazards(self._of_periods, matrix, self.periods["offsets"])
            return calibrated(within(odds, self.ends, days), self.line)
        if days != self.ends[-1]:
            raise ValueError(f"within {days!r} days: this model knows a horizon of {self.ends[-1]} days alone")
        return self.predict(matrix)

    def contributions(self, matrix: Array) -> Array:
        """float64[n, features + 1]: what each feature adds to the log-odds before calibration; last comes the base.

        SHAP values of trees (Lundberg et al. 2018), averaged over the boosters, and over periods as `explained` does.
        """
        if self.periods is None:
            return _shap(self.boosters, matrix)
        parts = enumerate(self._of_periods)
        shap = [_shap(part, np.column_stack([matrix, np.full(len(matrix), float(k))])) for k, part in parts]
        return explained(np.stack(shap, axis=1), self.periods["offsets"])

    @property
    def _of_periods(self) -> list[list[lightgbm.Booster]]:
        models = [] if self.periods is None else self.periods.get("models", [])
        return by_period(self.boosters, len(self.ends), models)


def by_period(boosters: Sequence[T], periods: int, models: Sequence[int]) -> list[list[T]]:
    """The boosters of each period. models: the number of its model, those of the first come first; none: one for all.

    >>> by_period(["a", "b"], 3, []), by_period(["a", "b"], 3, [0, 0, 1])
    ([['a', 'b'], ['a', 'b'], ['a', 'b']], [['a'], ['a'], ['b']])
    """
    models = models or [0] * periods
    size = len(boosters) // (models[-1] + 1)
    return [list(boosters[model * size : (model + 1) * size]) for model in models]


def _shap(boosters: Sequence[lightgbm.Booster], matrix: Array) -> Array:
    by_booster = [booster.predict(matrix, pred_contrib=True, num_threads=1) for booster in boosters]
    return np.asarray(np.mean(by_booster, axis=0))


def hazards(
    boosters: Sequence[Sequence[lightgbm.Booster]], matrix: Array, offsets: Sequence[float] | Array, threads: int = 1
) -> Array:
    """float64[n, periods]: log-odds of converting in each period, having not done so before.

    boosters: those of each period, see `by_period`; their last column is the number of the period. `offsets` are the
    log-odds of the periods that trees start from.
    """
    rows = np.column_stack([matrix, np.zeros(len(matrix))])
    odds = np.empty((len(matrix), len(offsets)))
    for period, offset in enumerate(offsets):
        rows[:, -1] = period
        raw = [booster.predict(rows, raw_score=True, num_threads=threads) for booster in boosters[period]]
        odds[:, period] = np.mean(raw, axis=0) + offset
    return odds


def within(odds: Array, ends: Sequence[int], days: float) -> Array:
    """float64[n]: log-odds of converting within so many days, from those of each period, float64[n, periods].

    Within a period, which ends at so many `ends` days, the hazard is constant. Raises ValueError for days out of range.
    """
    if not 0 < days <= ends[-1]:
        raise ValueError(f"within {days!r} days: the model knows horizons above 0 and up to {ends[-1]} days")
    starts = np.array((0, *ends[:-1]))
    share = np.clip((days - starts) / (np.array(ends) - starts), 0, 1)
    total = (np.logaddexp(0.0, odds) * share).sum(axis=1)
    return np.asarray(total + np.log(-np.expm1(-total)))


def explained(shap: Array, offsets: Sequence[float] | Array) -> Array:
    """float64[n, features + 1]: what features add to the log-odds of the whole horizon; last comes the base.

    shap: float64[n, periods, features + 2], SHAP values of the log-odds in each period, the period's own before the
    last. On the straight way from the base to a row each period has a share in the log-odds of the whole, and what a
    feature adds in a period counts by it (Aumann & Shapley 1974), so that all still add up. What the period itself adds
    is no merit of a lead and belongs to the base.
    """
    base = shap[:, :, -2:].sum(axis=2) + np.asarray(offsets)
    added = shap[:, :, :-2].sum(axis=2)
    features = (shares(base, added)[:, :, np.newaxis] * shap[:, :, :-2]).sum(axis=1)
    ends = range(1, len(offsets) + 1)
    rest = within(base + added, ends, len(offsets)) - features.sum(axis=1)
    return np.column_stack([features, rest])


def shares(base: Array, added: Array) -> Array:
    """float64[n, periods]: how much the log-odds of the whole move with those of each period on the way to a row.

    The mean over the straight way from `base` to `base + added`, float64[n, periods] each.
    """
    points, weights = np.polynomial.legendre.leggauss(POINTS)
    odds = base + (points[:, np.newaxis, np.newaxis] + 1) / 2 * added
    total = np.logaddexp(0.0, odds).sum(axis=2, keepdims=True)
    slope = 1 / (1 + np.exp(-odds)) / -np.expm1(-total)
    return np.asarray((weights[:, np.newaxis, np.newaxis] / 2 * slope).sum(axis=0))


def calibrated(raw: Array, calibrator: Line) -> Array:
    """Probabilities from log-odds: sigmoid(a ln p - b ln(1 - p) + c), Kull et al. 2017; a line where a = b."""
    a, b, c = calibrator["a"], calibrator["b"], calibrator["c"]
    log_p, log_q = -np.logaddexp(0.0, -raw), -np.logaddexp(0.0, raw)
    logit = a * log_p - b * log_q + c
    return np.asarray(np.clip(1.0 / (1.0 + np.exp(-np.clip(logit, -700, 700))), EDGE, 1 - EDGE))
