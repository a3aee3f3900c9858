"""One model version, ready to answer: everything that a score needs, made once and never changed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from data.compiled import njit
from data.contract import DataError, UsageError
from data.sources.mapping import BotRule
from data.visibility import is_visible
from features.kernel import Moments, compute_arrays
from features.words import LANGUAGES, Language
from serving.messages.problems import Refused
from serving.messages.schemas import ModelName, ScoreRequest, ThresholdUsed
from serving.messages.times import written_us
from serving.scoring.bands import Bands
from serving.scoring.effective_thresholds import InForce, in_force
from serving.scoring.reasons import Explainer
from serving.scoring.request_histories import Reader, Told, lead_place
from serving.scoring.scorer import UNQUALIFIED, Scorer
from serving.trees.matrix import MatrixPlan
from serving.trees.predictor import Predictor
from training.artifact.standalone import ArtifactError
from training.registry.artifact_files import digest_of
from training.samples.log_odds import Array
from training.thresholds.model_warning import caution_of
from training.thresholds.threshold_evidence import Grounds, read_grounds


@dataclass(frozen=True)
class Scored:
    """What a model says of m moments.

    probability: float64[m]. interval: m pairs. stage: m names. matrix: float64[m, features].
    fit, engagement: m log-odds that profile and behaviour add to the trees' mean.
    counted: visible events of people, m numbers. newest: when the latest of them occurred, µs UTC.
    """

    probability: Array
    interval: list[tuple[float, float]]
    stage: list[str]
    matrix: Array
    fit: list[float]
    engagement: list[float]
    counted: list[int]
    newest: list[int | None]


class Live:
    """A loaded artifact with the name and version that it goes by; safe to use from any thread.

    folder: where it lies, None for nowhere. run: id of the MLflow run that made it, "" where that is not known.
    """

    def __init__(self, predictor: Predictor, name: str, version: str, digest: str, folder: Path | None = None) -> None:
        about = predictor.about
        self.model = ModelName(name, version, digest)
        self.predictor = predictor
        self.folder = folder
        self.run = ""
        self.scorer = Scorer(predictor)
        self.definitions = {each.name: each for each in self.scorer.catalogue}
        self.target = self.scorer.target
        self.bands = Bands(self.scorer.evidence)
        self.places = MatrixPlan(self.scorer.catalogue, about["features"])
        self.reader = Reader(self.scorer.plan.vocabulary.types, [BotRule(**each) for each in about["bots"]])
        self.profile_columns: dict[str, str] = about["profile_columns"]
        self.known_types = frozenset(self.reader.types)
        self.caution = caution_of(about)
        self._follow(in_force(self.scorer.thresholds, version))

    @staticmethod
    def load(folder: Path, name: str, version: str) -> Live:
        """Loads an artifact, files compared with their hashes first. Raises DataError when it cannot be served."""
        try:
            return Live(Predictor.load(folder), name, version, digest_of(folder), folder)
        except (ArtifactError, DataError, UsageError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{folder} cannot be served ({type(error).__name__}: {error}); train again") from None

    def under(self, thresholds: InForce) -> Live:
        """The same model under other thresholds."""
        other = copy.copy(self)
        other._follow(thresholds)
        return other

    @cached_property
    def grounds(self) -> Grounds:
        """What its thresholds rest on, read when it is first asked for. Raises DataError when it has none."""
        if self.folder is None:
            raise DataError(f"version {self.model.version} lies in no folder; it holds no grounds of thresholds")
        return read_grounds(self.folder, self.predictor.about)

    @cached_property
    def explainers(self) -> dict[Language, Explainer]:
        """Who gives reasons, by language."""
        return {language: Explainer(self.scorer, language) for language in LANGUAGES}

    def told(self, requests: Sequence[ScoreRequest], as_of: Sequence[int]) -> Told:
        """The leads of requests as histories; `as_of` are their moments, µs UTC. Raises Refused."""
        for each in requests:
            self._check_profile(each)
        valid_from = np.array(
            [
                moment
                if lead.known_since is None
                else written_us(lead.known_since, f"{lead_place(i, len(requests))}.known_since")
                for i, (lead, moment) in enumerate(zip(requests, as_of, strict=True))
            ],
            dtype=np.int64,
        )
        histories = self.reader.histories([each.events for each in requests], valid_from)
        return Told(histories, [each.profile for each in requests])

    def score(self, told: Told, as_of: Sequence[int]) -> Scored:
        """Scores every lead at its own moment (µs UTC)."""
        moments = self.moments(as_of)
        computed = compute_arrays(self.scorer.plan, told.histories, moments)
        matrix = self.places.matrix(computed, told.histories, told.versions)
        _, fit, engagement, probability = self.predictor.all(matrix).T
        p = probability.tolist()
        stage = [self.stage(each) for each in p]
        interval = self.bands.intervals(p)
        return Scored(probability, interval, stage, matrix, fit.tolist(), engagement.tolist(), *_seen(told, moments))

    def within(self, matrix: Array, days: Sequence[int]) -> list[dict[str, float]]:
        """For each row the probabilities of converting within so many days, by days; they never fall.

        Raises Refused for days that the model does not know.
        """
        try:
            found = [self.predictor.within(matrix, each).tolist() for each in days]
        except ValueError as error:
            raise Refused("conflict", f"horizons: {error}") from None
        names = [str(each) for each in days]
        return [dict(zip(names, row, strict=True)) for row in zip(*found, strict=True)]

    def moments(self, as_of: Sequence[int]) -> Moments:
        """One moment per lead."""
        return Moments(np.arange(len(as_of), dtype=np.int32), np.array(as_of, dtype=np.int64))

    def stage(self, probability: float) -> str:
        """The highest stage whose threshold a probability reaches."""
        reached = [stage for threshold, stage in self.steps if probability >= threshold]
        return reached[-1] if reached else UNQUALIFIED

    def unused(self, request: ScoreRequest) -> list[str]:
        """Profile columns and event types that this model does not read, sorted."""
        columns = request.profile.keys() - self.profile_columns.keys()
        types = {each.event_type for each in request.events} - self.known_types
        return sorted(columns | types)

    def _follow(self, thresholds: InForce) -> None:
        self.in_force = thresholds
        self.thresholds = [
            ThresholdUsed(each.stage, each.probability, each.rule, each.target, each.confidence)
            for each in thresholds.thresholds
        ]
        # Ascending, so that the last one reached is the highest.
        self.steps = sorted((each.probability, each.stage) for each in thresholds.stages)

    def _check_profile(self, request: ScoreRequest) -> None:
        for column, kind in self.profile_columns.items():
            value = request.profile.get(column)
            if value is not None and isinstance(value, str) != (kind == "category"):
                wanted = "text" if kind == "category" else "a number"
                raise Refused("invalid", f"profile.{column}: this model expects {wanted}; convert it")


def _seen(told: Told, moments: Moments) -> tuple[list[int], list[int | None]]:
    """How many events of people each lead shows at its moment, and when the latest of them occurred."""
    each = told.histories
    counted, newest = _look(each.starts, each.known_at, each.occurred_at, each.bot, moments.as_of)
    return counted.tolist(), [at if count else None for count, at in zip(counted, newest.tolist(), strict=True)]


@njit()
def _look(starts, known_at, occurred_at, bot, as_of):  # type: ignore[no-untyped-def]
    counted, newest = np.zeros((2, len(as_of)), np.int64)
    for lead in range(len(as_of)):
        for i in range(starts[lead], starts[lead + 1]):
            if is_visible(known_at[i], as_of[lead]) and not bot[i]:
                newest[lead] = max(newest[lead], occurred_at[i]) if counted[lead] else occurred_at[i]
                counted[lead] += 1
    return counted, newest
