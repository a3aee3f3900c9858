"""One model version, ready to answer: everything that a score needs, made once and never changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from data.compiled import njit
from data.contract import DataError, UsageError
from data.visibility import is_visible
from features.kernel import Moments, compute_arrays
from serving.messages.problems import Refused
from serving.messages.schemas import ModelName, ScoreRequest, ThresholdUsed
from serving.messages.times import written_us
from serving.scoring.chain import Chain, by_moment, coherent, unless_reached
from serving.scoring.effective_thresholds import EffectiveThresholds, effective_thresholds
from serving.scoring.reason_selection import Explainer
from serving.scoring.request_histories import Reader, RequestHistories, lead_place
from serving.scoring.scorer import Scorer, Scores
from serving.trees.matrix import MatrixPlan
from serving.trees.predictor import Predictor
from training.artifact.standalone import ArtifactError
from training.registry.artifact_files import digest_of, read_grounds
from training.samples.log_odds import Array
from training.thresholds.model_warning import model_warning
from training.thresholds.threshold_evidence import ThresholdEvidence


@dataclass(frozen=True)
class ServedScores(Scores):
    """Scores of the n leads of a request.

    fit, engagement: n log-odds that profile and behaviour add to the trees' mean. counted: visible events of people, n
    numbers. newest: when the latest of them occurred, µs UTC. chain: of each lead the probabilities of the steps of the
    chain, in its order; None where there is none.
    """

    fit: list[float]
    engagement: list[float]
    counted: list[int]
    newest: list[int | None]
    chain: list[dict[str, float]] | None


class ServedModel:
    """A loaded artifact with the name and version that it goes by; safe to use from any thread.

    folder: where it lies, None for nowhere. run: id of the MLflow run that made it, "" where that is not known.
    made_at: when that was, µs UTC, 0 likewise.
    chain: the other steps of the chain that it is of, and itself, in its order; {} where it is of none. They come and
    go with it.
    """

    def __init__(self, predictor: Predictor, name: str, version: str, digest: str, folder: Path | None = None) -> None:
        manifest = predictor.manifest
        self.model = ModelName(name, version, digest)
        self.predictor = predictor
        self.folder = folder
        self.run, self.made_at = "", 0
        self.chain: Mapping[str, ServedModel] = {}
        self.scorer = Scorer(predictor)
        self.definitions = self.scorer.definitions
        self.target = self.scorer.target
        self.places = MatrixPlan(self.scorer.catalogue, manifest.features)
        self.reader = Reader(self.scorer.plan.vocabulary.types, manifest.bots)
        self.profile_columns = manifest.profile_columns
        self.known_types = frozenset(self.reader.types)
        self.warning = model_warning(manifest.trained_on.small, "en", manifest.trained_on.lags)
        self._follow(effective_thresholds(self.scorer.thresholds, version))

    @staticmethod
    def load(folder: Path, name: str, version: str) -> ServedModel:
        """Loads an artifact, files compared with their hashes first. Raises DataError when it cannot be served."""
        try:
            return ServedModel(Predictor.load(folder), name, version, digest_of(folder), folder)
        except (ArtifactError, DataError, UsageError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{folder} cannot be served ({type(error).__name__}: {error}); train again") from None

    def in_chain(self, steps: Sequence[ServedModel]) -> ServedModel:
        """The same model as a step of a chain: all of its steps in order. Raises DataError where it is none of them."""
        chain = {step.target.name: step for step in steps}
        if steps and self.target.name not in chain:
            raise DataError(f"the chain {', '.join(chain)} has no step {self.target.name}; train again")
        other = copy.copy(self)
        other.chain = chain
        return other

    @property
    def digests(self) -> tuple[str, ...]:
        """Of all models that serve together."""
        return tuple(step.model.digest for step in self.chain.values()) or (self.model.digest,)

    @property
    def steps(self) -> Chain | None:
        """The chain for those who score histories; None where it is of none."""
        scorers = {name: step.scorer for name, step in self.chain.items()}
        return Chain(self.target.name, scorers, " ".join(self.digests)) if scorers else None

    def under(self, thresholds: EffectiveThresholds) -> ServedModel:
        """The same model under other thresholds."""
        other = copy.copy(self)
        other._follow(thresholds)
        return other

    @cached_property
    def grounds(self) -> ThresholdEvidence:
        """What its thresholds rest on, read when it is first asked for. Raises DataError when it has none."""
        if self.folder is None:
            raise DataError(f"version {self.model.version} lies in no folder; it holds no grounds of thresholds")
        return read_grounds(self.folder, self.predictor.manifest)

    @cached_property
    def explainer(self) -> Explainer:
        """Who finds the reasons of scores."""
        return Explainer(self.scorer)

    def request_histories(self, requests: Sequence[ScoreRequest], as_of: Sequence[int]) -> RequestHistories:
        """The leads of requests as histories; `as_of` are their moments, µs UTC. Raises Refused."""
        for request in requests:
            self._check_profile(request)
        valid_from = np.array(
            [
                moment
                if lead.known_since is None
                else written_us(lead.known_since, f"{lead_place(i, len(requests))}.known_since")
                for i, (lead, moment) in enumerate(zip(requests, as_of, strict=True))
            ],
            dtype=np.int64,
        )
        histories = self.reader.histories([request.events for request in requests], valid_from)
        return RequestHistories(histories, [request.profile for request in requests])

    def score(self, leads: RequestHistories, as_of: Sequence[int]) -> ServedScores:
        """Scores every lead at its own moment (µs UTC)."""
        moments = self.moments(as_of)
        computed = compute_arrays(self.scorer.plan, leads.histories, moments)
        matrix = self.places.matrix(computed, leads.histories, leads.versions)
        _, fit, engagement, probability = self.predictor.all(matrix).T
        scores = self.scorer.judged(probability, matrix, self.stages)
        counted, newest = _seen(leads, moments)
        parts = {"fit": fit.tolist(), "engagement": engagement.tolist(), "counted": counted, "newest": newest}
        return ServedScores(**vars(scores), **parts, chain=self._chained(leads, moments, probability))

    def within(self, matrix: Array, days: Sequence[int]) -> list[dict[str, float]]:
        """For each row the probabilities of converting within so many days, by days; they never fall.

        Raises Refused for days that the model does not know.
        """
        try:
            columns = [self.predictor.within(matrix, horizon).tolist() for horizon in days]
        except ValueError as error:
            raise Refused("conflict", f"horizons: {error}") from None
        names = [str(horizon) for horizon in days]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def moments(self, as_of: Sequence[int]) -> Moments:
        """One moment per lead."""
        return Moments(np.arange(len(as_of), dtype=np.int32), np.array(as_of, dtype=np.int64))

    def unused(self, request: ScoreRequest) -> list[str]:
        """Profile columns and event types that this model does not read, sorted."""
        columns = request.profile.keys() - self.profile_columns.keys()
        types = {event.event_type for event in request.events} - self.known_types
        return sorted(columns | types)

    def _chained(self, leads: RequestHistories, moments: Moments, main: Array) -> list[dict[str, float]] | None:
        chain = self.steps
        if chain is None:
            return None
        steps = {self.target.name: main}
        for name, step in self.chain.items():
            if name != self.target.name:
                computed = compute_arrays(step.scorer.plan, leads.histories, moments)
                p = step.predictor.predict(step.places.matrix(computed, leads.histories, leads.versions))
                steps[name] = unless_reached(leads.histories, moments, self.target, step.target, p)
        return by_moment(coherent(self.target.name, {name: steps[name] for name in self.chain}, chain.weight))

    def _follow(self, thresholds: EffectiveThresholds) -> None:
        self.effective_thresholds = thresholds
        self.thresholds = [
            ThresholdUsed(
                threshold.stage, threshold.probability, threshold.rule.kind, threshold.rule.target, threshold.confidence
            )
            for threshold in thresholds.thresholds
        ]
        self.stages = thresholds.stages

    def _check_profile(self, request: ScoreRequest) -> None:
        for column, kind in self.profile_columns.items():
            value = request.profile.get(column)
            if value is not None and isinstance(value, str) != (kind == "category"):
                wanted = "text" if kind == "category" else "a number"
                raise Refused("invalid", f"profile.{column}: this model expects {wanted}; convert it")


def _seen(leads: RequestHistories, moments: Moments) -> tuple[list[int], list[int | None]]:
    """How many events of people each lead shows at its moment, and when the latest of them occurred."""
    events = leads.histories
    counted, newest = _look(events.starts, events.known_at, events.occurred_at, events.bot, moments.as_of)
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
