"""A champion's calibrator laid anew over the same boosters, from labels that have matured since it was trained.

What comes of it is a model version of its own, with digest and reason: a server takes it up like any other champion,
and every answer still belongs to one version. It starts from the model as it was trained, whatever lay over that, so
that the same labels give the same version, however often and whenever this is done.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from data.contract import US_PER_DAY, DataError
from data.typed_json import JsonObject, to_json
from features.training_set import TrainingSet
from training.artifact.loaded_model import LoadedModel
from training.artifact.manifest import Adjustment, AsTrained, DatedStep, Manifest, StoredVerdict
from training.calibration.calibrator import CalibrationTrial, Calibrator, composed
from training.calibration.intercept import MaturedRows, edges_of, rolling_steps
from training.champion_choice import succeeds
from training.facts import day
from training.measuring.evidence import evidence_of
from training.measuring.metrics import binomial_interval
from training.model.artifact_predictions import predict
from training.recipe.train import Say, grounds_of
from training.registration import register
from training.registry.artifact_files import rewrite_artifact
from training.registry.registered import Registered
from training.registry.registry import Registry
from training.registry.run_folder import JUDGE, MODEL, RECORDS, finished, run_draft
from training.samples.sample import Sample, read_sample
from training.thresholds.rule_types import CapacityRule, PrecisionRule
from training.thresholds.threshold import Threshold
from training.thresholds.threshold_evidence import ThresholdEvidence
from training.thresholds.threshold_selection import by_capacity
from training.thresholds.volume import ScoredLabels, Volume
from training.updating.recalibration_trial import (
    ROLLING,
    WAYS,
    RecalibrationDecision,
    RecalibrationMethod,
    changed,
    decide,
)

EXAMPLE_ROWS = 5
STAGES = 4
"""How many stages a recalibration tells of."""


@dataclass(frozen=True)
class Adjusted:
    """What a recalibration came to: the champion that is in place now, the one that was, why, and the details."""

    name: str
    version: str
    before: str
    reason: str
    manifest: Manifest
    decision: RecalibrationDecision
    grounds: ThresholdEvidence | None = None

    def to_dict(self) -> JsonObject:
        """Plain values for JSON."""
        adjustment = to_json(self.manifest.adjustment) or {}
        adjustment.pop("trained", None)
        return {
            **{name: getattr(self, name) for name in ("name", "version", "before", "reason")},
            "calibrator": self.manifest.calibrator.to_dict(),
            "verdicts": [verdict.to_dict() for verdict in self.decision.verdicts],
            "adjustment": adjustment,
        }


def recalibrate(
    training_set: TrainingSet,
    registry: Registry,
    ways: Sequence[RecalibrationMethod] = WAYS,
    say: Say = lambda text: None,
) -> Adjusted:
    """Tries `ways` on the champion; what passes becomes the new champion, and without any the model is as trained.

    The trial runs on what the champion's judge said of the moments after those that it learnt from: it is blind to the
    newest slice too, so that there are labels to try on from the start. Raises DataError when there is no champion, or
    when the training set is not one of its target and features.
    """
    name = registry.model_name(training_set.recipe.target.name)
    say("reading champion and training set")
    champion = registry.champion(name)
    now, model, blind = champion.load(), as_trained(champion.load()), champion.load_judge()
    _check(champion, model, training_set)
    sample = read_sample(training_set)
    say("scoring the moments that came after training")
    fresh, trial_rows = matured_since(model, sample), matured_since(blind, sample)
    say("trying what can be done")
    decision = decide(ways, trial_rows, fresh, training_set.recipe.observed_until)
    manifest, grounds = model.manifest, None
    if decision.line is not None:
        moved = changed(fresh, decision.line)
        line = decision.line
        grounds = grounds_of(sample, moved, moved.p, lambda rows: line(predict(model, rows)))
        manifest = _adjusted(model.manifest, decision, decision.line, fresh, moved, grounds)
    if manifest.calibrator == now.manifest.calibrator:
        return Adjusted(name, champion.version, champion.version, f"kept: {decision.reason}", now.manifest, decision)
    say("registering in MLflow")
    made = Adjusted(name, "", champion.version, decision.reason, manifest, decision, grounds)
    return _register(registry, champion, made, sample)


def as_trained(model: LoadedModel) -> LoadedModel:
    """The model without what was laid over it since training."""
    return LoadedModel(model.manifest.as_trained, model.boosters)


def matured_since(model: LoadedModel, sample: Sample) -> MaturedRows:
    """What a model says of the mature moments of a sample that are newer than all that it has learnt from.

    Leads that it knows from earlier moments take part: leaving them out would leave young leads only. What the model
    remembers of them makes it look a little better than it is, so corrections come out small rather than large.
    """
    rows = sample.of(sample.mature & (sample.as_of >= model.manifest.trained_on.to_us))
    delay = model.manifest.target.window.certain_after_days * US_PER_DAY
    return MaturedRows(predict(model, rows), rows.y, rows.weight, rows.lead, rows.as_of, rows.as_of + delay)


def recheck(threshold: Threshold, labels: ScoredLabels, flow: Volume) -> Threshold:
    """A threshold after recalibration: the same promise, its evidence and its volume from the labels since training.

    A probability means the same as before, so a cut by precision or by value stays where it was, and one by capacity is
    drawn again; a mix rises where it would now let through more than its leads per week. A precision that the labels
    refute (95 % interval) is withdrawn.
    """
    rule = threshold.rule
    if isinstance(rule, CapacityRule):
        return by_capacity(threshold.stage, labels, flow, rule.target)
    if threshold.probability is None:
        return threshold
    probability = threshold.probability
    if threshold.per_week is not None:
        room = by_capacity(threshold.stage, labels, flow, threshold.per_week).probability
        probability = 1.0 if room is None else max(probability, room)
    above = labels.p >= probability
    selected, converted = int(above.sum()), int(labels.y[above].sum())
    leads, wins = flow.above(probability)
    refuted = selected > 0 and binomial_interval(converted / selected, selected)[1] < rule.target
    return replace(
        threshold,
        probability=None if refuted and isinstance(rule, PrecisionRule) else probability,
        labels=len(labels.p),
        selected=selected,
        converted=converted,
        leads_per_week=leads,
        wins_per_week=wins,
    )


def _adjusted(
    trained: Manifest,
    decision: RecalibrationDecision,
    line: Calibrator,
    fresh: MaturedRows,
    moved: MaturedRows,
    grounds: ThresholdEvidence,
) -> Manifest:
    """The manifest of the adjusted model: calibrator, thresholds, evidence, and the history of what was done."""
    after = tuple(
        grounds.with_arrivals(recheck(threshold, grounds.labels, grounds.volume)) for threshold in trained.thresholds
    )
    pairs = zip(trained.thresholds, after, strict=True)
    adjustment = Adjustment(
        way=line.name,
        line=line,
        from_=day(int(fresh.as_of.min())),
        to=day(int(fresh.as_of.max())),
        leads=len(np.unique(fresh.lead)),
        converted=fresh.converted,
        verdicts=tuple(map(_stored, decision.verdicts)),
        steps=_steps(line, fresh, decision.until),
        withdrawn=tuple(b.stage for a, b in pairs if b.probability is None and a.probability is not None),
        trained=AsTrained(trained.calibrator, trained.thresholds, trained.evidence, trained.grounds),
    )
    return replace(
        trained,
        calibrator=composed(trained.calibrator, line),
        thresholds=after,
        evidence=evidence_of(moved.p, moved.y, moved.weight, moved.lead),
        adjustment=adjustment,
    )


def _steps(line: Calibrator, fresh: MaturedRows, until: int) -> tuple[DatedStep, ...]:
    steps = rolling_steps(fresh, edges_of(fresh, until)) if line.name == ROLLING else ()
    return tuple(DatedStep(**asdict(step), on=day(step.at)) for step in steps)


def _register(registry: Registry, champion: Registered, made: Adjusted, sample: Sample) -> Adjusted:
    manifest, target = made.manifest, made.manifest.target.name
    way = "none" if manifest.adjustment is None else manifest.adjustment.way
    tags, metrics = {"recalibrates": champion.version, "recalibrated_by": way}, dict[str, float]()
    for verdict in made.decision.verdicts:
        key = f"recalibration.{verdict.name.replace(' ', '_')}"
        metrics |= {f"{key}.gain": verdict.gain, f"{key}.accepted": float(verdict.accepted)}
    example = sample.features.select([feature.name for feature in manifest.features]).slice(0, EXAMPLE_ROWS)
    with run_draft(registry.workspace, target) as draft:
        rewrite_artifact(champion.folder, draft / MODEL, manifest, made.grounds)
        shutil.copytree(champion.judge, draft / JUDGE)
        (draft / RECORDS / "recalibration.json").write_text(json.dumps(made.to_dict(), indent=2), encoding="utf-8")
        run = finished(draft, target, example, None, metrics, tags, champion.version, made.reason)
    registered = register(registry, run, lambda: succeeds(registry, run))
    return replace(made, version=registered.version)


def _check(champion: Registered, model: LoadedModel, training_set: TrainingSet) -> None:
    """Whether the training set has the champion's target and features. Raises DataError."""
    recipe, manifest = training_set.recipe, model.manifest
    missing = [definition for definition in manifest.catalogue if definition not in recipe.catalogue]
    if manifest.target != recipe.target or missing:
        raise DataError(
            f"version {champion.version} was trained for another target or with {len(missing)} features that the "
            "settings do not name: give the settings that it was trained with, or train again"
        )


def _stored(verdict: CalibrationTrial) -> StoredVerdict:
    se = verdict.se if math.isfinite(verdict.se) else None
    return StoredVerdict(verdict.name, verdict.gain, se, verdict.leads, verdict.accepted)
