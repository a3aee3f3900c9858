"""From a training set to a model that was judged on the newest slice, and the same recipe fitted to all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.contract import US_PER_DAY, DataError
from data.own_functions import OwnFunction
from features.numbers_in_words import number
from features.training_set import TrainingSet
from training.artifact.standalone import calibrated
from training.calibration.calibrator import Calibrator, composed
from training.calibration.intercept import MaturedRows, newest_step, newest_step_trial
from training.measuring.evaluation import Evaluation, evaluate, evaluate_groups
from training.measuring.evidence import Evidence, evidence_of
from training.measuring.own_metrics import with_own_metrics
from training.model.baselines import BASELINES
from training.model.classifier import LeadConversionClassifier
from training.model.hazard import HazardClassifier
from training.model.prior import PriorClassifier
from training.recipe.plan import TrainingPlan
from training.samples.folds import before_cut, newest_slice
from training.samples.independent import one_per_lead
from training.samples.log_odds import Array
from training.samples.recent import recent
from training.samples.sample import Sample, read_sample
from training.samples.weighting import weighed
from training.thresholds.threshold import Threshold
from training.thresholds.threshold_evidence import Pending, ThresholdEvidence
from training.thresholds.track_record import Story
from training.thresholds.volume import CrossSection

RECENT_DAYS = 84
FEWEST_ON_A_SIDE = 5
"""Converted leads on either side of a split: with fewer, resampled leads would often hold none."""
THIS = "this model"
"""The name of what is judged, beside the baselines': whether it becomes champion is not known yet."""
AGE_GROUPS = ((7, "0-7 days"), (30, "08-30 days"), (90, "31-90 days"), (10**9, "over 90 days"))
Say = Callable[[str], None]
Classifier = LeadConversionClassifier | HazardClassifier | PriorClassifier


@dataclass(frozen=True)
class Split:
    """What there is to learn from before the cut, as known at it, and rows to judge on from it on; `cut` in µs UTC."""

    cut: int
    past: Sample
    judged: Sample

    @cached_property
    def learn(self) -> Sample:
        """The part of the past whose outcome was known at the cut, weighing what it weighs in learning."""
        rows = self.past.mature & (self.past.taught > 0)
        return replace(self.past.of(rows), weight=self.past.taught[rows], thinned=None)


@dataclass(frozen=True)
class Judged:
    """How the judge did, the recipe blind to `rows`, the newest slice; `p` is what it says of them."""

    rows: Sample
    p: Array
    evaluation: Evaluation
    by_age: dict[str, Evaluation]


@dataclass(frozen=True)
class Fitted:
    """A model on all mature moments, with thresholds and evidence from its out-of-fold predictions."""

    model: Classifier
    thresholds: tuple[Threshold, ...]
    evidence: Evidence
    grounds: ThresholdEvidence


def rows_of(training_set: TrainingSet, plan: TrainingPlan) -> Sample:
    """The moments of a training set that a plan looks at. Raises DataError, UsageError."""
    return recent(read_sample(training_set, plan.most_moments), plan.since)


def split_by_time(sample: Sample, plan: TrainingPlan) -> Split:
    """Splits at the newest slice of the mature rows, purged by the label window and grouped by lead.

    Raises DataError, with the number that is missing, when a side has too few converted moments, or when the
    label window is longer than the data.
    """
    mature = sample.known
    if not len(mature):
        days = (sample.as_of.max() - sample.as_of.min()) / US_PER_DAY
        certain = sample.window.certain_after_days
        raise DataError(
            f"no moment is mature: a label is certain {certain} days after its moment, the moments span "
            f"{number(days, 0)} days; shorten horizon_days or wait for more data"
        )
    cut = newest_slice(mature.as_of, mature.weight, plan.newest_share)
    either = sample.mature | (sample.as_of < cut)
    counts = before_cut(sample.as_of[either], sample.lead[either], cut, sample.is_whole[either])
    past, judged = (_counted(sample, either, count) for count in counts)
    split = Split(cut, past.known_at(cut), judged)
    for name, side in (("to learn from", split.learn), ("to judge on", split.judged)):
        leads, fewest = len(np.unique(side.lead[side.y > 0])), 1 if plan.model == "prior" else FEWEST_ON_A_SIDE
        if leads < fewest or side.y.all():
            raise DataError(
                f"{leads} leads converted among {len(side)} moments {name}; at least {fewest} that did and some that "
                "did not are needed: use more data or a longer horizon"
            )
    return split


def _counted(sample: Sample, rows: NDArray[np.bool_], count: Array) -> Sample:
    """Those of the rows (bool[n]) that count, which weigh so much more."""
    chosen = rows.copy()
    chosen[rows] = count > 0
    part = sample.of(chosen)
    return replace(part, weight=part.weight * count[count > 0])


def judge(split: Split, plan: TrainingPlan, say: Say = lambda text: None) -> tuple[Classifier, Judged]:
    """Fits the recipe and the baselines on the past and judges all of them on the newest slice."""
    say("fitting the judge on the past")
    model = fit_model(split.past, plan)
    p = model.predict_proba(split.judged.features)[:, 1]
    return model, judged_as(split, p, fit_baselines(split, plan, say), plan.metrics)


def judged_as(split: Split, p: Array, others: Mapping[str, Array], own: Sequence[OwnFunction] = ()) -> Judged:
    """Judges predictions `p` of the newest slice beside those of the baselines, also by metrics of the user's own."""
    rows, predictions = split.judged, {THIS: p, **others}
    evaluation = evaluate(rows.y, rows.weight, rows.lead, predictions)
    evaluation = with_own_metrics(evaluation, own, rows.y, rows.weight, rows.lead, predictions)
    shown = dict(list(predictions.items())[:2])  # the champion beside the base rate: by age nobody asks for more
    by_age = evaluate_groups(age_groups(rows.features), rows.y, rows.weight, rows.lead, shown)
    return Judged(rows, p, evaluation, by_age)


def fit_baselines(split: Split, plan: TrainingPlan, say: Say = lambda text: None) -> dict[str, Array]:
    """Predictions of every baseline for the newest slice, fitted on the past, weighed as the plan weighs it."""
    predictions = dict[str, Array]()
    learn = weighed(split.learn, plan.weighting)
    features, judged = learn.features, split.judged.features
    for name, fit in BASELINES.items():
        say(f"fitting baseline: {name}")
        baseline = fit(features, learn.y, learn.weight, learn.as_of)
        predictions[name] = baseline.predict(judged)
    return predictions


def fit_champion(sample: Sample, plan: TrainingPlan) -> Fitted:
    """Fits the recipe on all rows, and thresholds on one out-of-fold prediction per lead of the mature ones."""
    plan = plan.decided(sample)
    model, mature = fit_model(sample, plan), sample.known
    oof = out_of_fold(model, sample, plan)
    grounds = grounds_of(sample, mature, oof, lambda rows: np.asarray(model.predict_proba(rows.features)[:, 1]))
    thresholds = tuple(grounds.threshold(promise.threshold) for promise in plan.promises)
    evidence = evidence_of(oof, mature.y, mature.weight, mature.lead)
    return Fitted(model, thresholds, evidence, grounds)


def grounds_of(
    sample: Sample, known: Sample | MaturedRows, p: Array, predict: Callable[[Sample], Array]
) -> ThresholdEvidence:
    """What thresholds rest on: probabilities `p` of known rows of a sample; `predict` says those of its other rows.

    Of leads that it was fitted to as well. What a model remembers of them says little about how many come: on the
    simulated funnel as many as by models that did not see them.
    """
    pending, chosen = sample.pending, one_per_lead(known.lead, known.as_of)
    # Leads by number, as the artifact keeps them: which moment of a lead counts is drawn by its name.
    number = np.unique(np.concatenate([known.lead, pending.lead]), return_inverse=True)[1].astype(np.int32)
    days = sample.window.certain_after_days
    return ThresholdEvidence(
        Story(p, known.y, number[: len(p)], known.as_of, days, sample.every),
        np.isin(np.arange(len(p)), chosen),
        flow_of(sample, predict),
        Pending(predict(pending), number[len(p) :], pending.as_of),
    )


def out_of_fold(model: Classifier, sample: Sample, plan: TrainingPlan) -> Array:
    """Calibrated probabilities of the known rows of a sample, by boosters that did not see their leads."""
    known = sample.mature & sample.is_whole
    return calibrated(model.oof_raw_[known[_teaches(sample, plan)]], model.calibrator_.to_dict())


def fit_model(sample: Sample, plan: TrainingPlan) -> Classifier:
    """The classifier of a plan, fitted on those rows of a sample that it can learn from."""
    plan = plan.decided(sample)
    return with_step(_fitted(sample, plan), sample, plan)


def with_step(model: Classifier, sample: Sample, plan: TrainingPlan) -> Classifier:
    """A fitted model after the newest step, where the plan asks for it, or past dates speak for it."""
    if plan.newest_step == "auto":
        rows = sample.known
        oof = out_of_fold(model, sample, plan)
        trial = newest_step_trial(oof, rows.y, rows.weight, rows.lead, rows.as_of, rows.since)
        model.trials_ = (trial,)
        return stepped(model, sample, plan) if trial.accepted else model
    return stepped(model, sample, plan) if plan.newest_step == "yes" else model


def stepped(model: Classifier, sample: Sample, plan: TrainingPlan) -> Classifier:
    """A model, fitted to a sample by a plan, after the step that the newest rows ask for; the one given is changed."""
    step = Calibrator("newest step", 1.0, 1.0, step_of(model, sample, plan))
    model.calibrator_ = composed(model.calibrator_, step)
    return model


def step_of(model: Classifier, sample: Sample, plan: TrainingPlan) -> float:
    """The step in log-odds that the newest mature rows of a sample ask for, of a model fitted to it."""
    rows = sample.known
    return newest_step(out_of_fold(model, sample, plan), rows.y, rows.weight, rows.lead, rows.as_of)


def _fitted(sample: Sample, plan: TrainingPlan) -> Classifier:
    rows, parameters = weighed(learnt_from(sample, plan), plan.weighting), plan.parameters.copy()
    parameters["twin"], parameters["rates"] = plan.twin == "yes", plan.rates == "yes"
    when = rows.lead, rows.as_of, rows.since
    if plan.model == "hazard":
        model = HazardClassifier(**parameters)
        return model.fit(rows.features, rows.seen, rows.weight, *when, rows.thinned, **rows.watched)
    y = rows.y.astype(np.int64)
    if plan.model == "prior":
        return PriorClassifier(**parameters).fit(rows.features, y, rows.taught, *when)
    return LeadConversionClassifier(**parameters).fit(rows.features, y, rows.weight, *when, rows.thinned)


def learnt_from(sample: Sample, plan: TrainingPlan) -> Sample:
    """The rows that the model of a plan is fitted on: all of them, or those with a known outcome."""
    rows = _teaches(sample, plan)
    return sample if rows.all() else sample.of(rows)  # features are large: not copied where nothing is left out


def _teaches(sample: Sample, plan: TrainingPlan) -> NDArray[np.bool_]:
    return np.ones(len(sample), np.bool_) if plan.model == "hazard" else sample.mature


def age_groups(features: pa.Table) -> NDArray[np.str_]:
    """str[n]: how long each row's lead was known, in words that sort by age."""
    age = features.column("age").to_numpy() if "age" in features.column_names else np.zeros(len(features))
    limits = [limit for limit, _ in AGE_GROUPS]
    names = np.array([name for _, name in AGE_GROUPS])
    return names[np.searchsorted(limits, np.nan_to_num(age), side="left")]


def flow_of(sample: Sample, predict: Callable[[Sample], Array]) -> CrossSection:
    """Leads that came up in the last weeks, each at one moment, and how many of them were new per week."""
    sample = sample if sample.thinned is None else sample.of(sample.is_whole)
    since = sample.as_of.max() - RECENT_DAYS * US_PER_DAY
    recent = sample.of(sample.as_of > since)
    recent = recent.of(np.isin(np.arange(len(recent)), one_per_lead(recent.lead, recent.as_of)))
    before = np.unique(sample.lead[sample.as_of <= since])
    new = len(np.setdiff1d(np.unique(sample.lead[sample.as_of > since]), before))
    return CrossSection(predict(recent), sample.every * max(new, 1) / (RECENT_DAYS / 7))
