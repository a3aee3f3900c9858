"""Who is judged beside whom: the champion's recipe, the baselines, and the recipe with one choice undone each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from training.calibration.calibrator import IDENTITY
from training.model.baselines import BASELINES, FREQUENCY, RECENCY, Fit
from training.recipe.plan import TrainingPlan
from training.recipe.train import Classifier, fit_model, learnt_from
from training.samples.independent import one_per_lead
from training.samples.log_odds import Array
from training.samples.recent import recent
from training.samples.sample import Sample
from training.samples.weighting import weighed

Predict = Callable[[Sample], Array]
Recipe = Callable[[Sample, TrainingPlan], Predict]
CHAMPION, BASE_RATE = "champion", "base rate"
PROFILE = "profile_"


@dataclass(frozen=True)
class Contender:
    """A way to predict: `fit` takes all that was known at a past date and returns probabilities for moments, whose
    outcomes it is not told.

    The sample that `fit` gets holds moments that were not mature then; their `y` is NaN unless they had converted.
    tells: in words, what is tried. Add a contender by adding one to the list that is passed to `backtest`.
    """

    name: str
    tells: str
    fit: Callable[[Sample], Predict]


def standard(plan: TrainingPlan, columns: Sequence[str]) -> list[Contender]:
    """The champion's recipe first, then the baselines; one that reads columns which are not there is left out."""
    reads = {"points rule": {RECENCY, FREQUENCY}}
    fits = {name: fit for name, fit in BASELINES.items() if reads.get(name, set()) <= set(columns)}
    return [champion(plan), *(_baseline(name, fit, plan) for name, fit in fits.items())]


def champion(plan: TrainingPlan) -> Contender:
    """The recipe that `train` follows: what is left open is decided on each past anew."""
    return _chosen(CHAMPION, "the recipe in use", lambda past, plan: _predict(fit_model(past, plan)), plan)


def ablations(plan: TrainingPlan, columns: Sequence[str]) -> list[Contender]:
    """The recipe with one design choice undone each, as far as the columns allow."""
    profile = [name for name in columns if name.startswith(PROFILE)]
    behaviour = [name for name in columns if name not in profile]
    variants: list[tuple[str, str, Recipe]] = [
        ("not calibrated", "raw probabilities of the trees", _uncalibrated),
        ("one model", "one booster instead of the mean of several", _single),
        ("class weights", "both classes weigh the same", _balanced),
    ]
    if profile and behaviour:
        variants += [_without("without profile", behaviour), _without("without behaviour", profile)]
    if FREQUENCY in columns:  # only histories have several moments of a lead, and open ones
        variants += [
            ("one moment per lead", "learns from one moment of each lead", _one_moment),
            ("fixed horizon", "learns from known outcomes only", _fixed),
            ("hazard model", "learns from open leads too", _hazard),
            ("open is lost", "not converted yet counts as never", _open_is_lost),
        ]
    return [_chosen(*variant, plan) for variant in variants]


def _chosen(name: str, tells: str, fit: Recipe, plan: TrainingPlan) -> Contender:
    """A contender that is fitted by the plan as it is for each past."""

    def fitted(past: Sample) -> Predict:
        rows = recent(past, plan.since)
        return fit(rows, plan.decided(rows))

    return Contender(name, tells, fitted)


def _baseline(name: str, fit: Fit, plan: TrainingPlan) -> Contender:
    def fitted(past: Sample) -> Predict:
        known = weighed(past.of(past.mature), plan.weighting)
        predict = fit(known.features, known.y, known.weight, known.as_of).predict
        return lambda rows: predict(rows.features)

    return Contender(name, "baseline", fitted)


def _predict(model: Classifier) -> Predict:
    return lambda rows: model.predict_proba(rows.features)[:, 1]


def _uncalibrated(past: Sample, plan: TrainingPlan) -> Predict:
    model = copy(fit_model(past, plan))
    model.calibrator_ = IDENTITY
    return _predict(model)


def _single(past: Sample, plan: TrainingPlan) -> Predict:
    model = copy(fit_model(past, plan))
    model.boosters_ = [mix[0] for mix in model.mixes]
    return _predict(model)


def _balanced(past: Sample, plan: TrainingPlan) -> Predict:
    known = past.of(past.mature)
    won = known.weight @ known.y
    odds = (known.weight.sum() - won) / max(won, 1e-9)
    return _predict(fit_model(replace(past, weight=past.weight * np.where(past.y > 0, odds, 1.0)), plan))


def _one_moment(past: Sample, plan: TrainingPlan) -> Predict:
    seen = learnt_from(past, plan)
    rows = np.zeros(len(seen), np.bool_)
    rows[one_per_lead(seen.lead, seen.as_of)] = True
    return _predict(fit_model(seen.of(rows), plan))


def _fixed(past: Sample, plan: TrainingPlan) -> Predict:
    return _predict(fit_model(past, replace(plan, model="fixed")))


def _hazard(past: Sample, plan: TrainingPlan) -> Predict:
    return _predict(fit_model(past, replace(plan, model="hazard")))


def _open_is_lost(past: Sample, plan: TrainingPlan) -> Predict:
    return _fixed(replace(past, y=np.nan_to_num(past.y), mature=np.ones(len(past), np.bool_)), plan)


def _without(name: str, columns: Sequence[str]) -> tuple[str, str, Recipe]:
    """The recipe on some of the columns."""

    def fitted(past: Sample, plan: TrainingPlan) -> Predict:
        predict = _predict(fit_model(past.with_features(past.features.select(columns)), plan))
        return lambda rows: predict(rows.with_features(rows.features.select(columns)))

    return name, f"the {len(columns)} other columns", fitted
