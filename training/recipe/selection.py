"""Which kind of model: each must earn its place on leads that came later, or the simpler one stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from data.contract import DataError
from features.wording import number, signed
from training.calibration.calibrator import Verdict, gain_and_error
from training.recipe.train import Say, Split, TrainingPlan, fit_model, split_by_time, step_of
from training.samples.log_odds import Array, logit, row_losses
from training.samples.sample import Sample

FORWARD_SHARE, FOLDS = 0.25, 2
Choose = Callable[[Sample], TrainingPlan]
"""How a past is to be trained on."""


def choose(past: Sample, plan: TrainingPlan, say: Say = lambda text: None) -> tuple[TrainingPlan, tuple[Verdict, ...]]:
    """The plan with `auto` decided, and what each candidate gained over the simpler one.

    A candidate is taken when its log-loss on the newest quarter of the past is lower by more than one standard error,
    clustered by lead. The judging slice has no say. Models of two folds stand for those of all folds.
    """
    if "auto" not in (plan.model, plan.twin, plan.newest_step):
        return plan, ()
    say("comparing kinds of model on the past")
    best = plan.decided
    try:
        split = split_by_time(past, replace(best, newest_share=FORWARD_SHARE))
    except DataError as error:
        say(f"no comparison, the simpler kind is taken: {error}")
        return best, ()
    best, verdicts = _tried(split, best, "model", "hazard") if plan.model == "auto" else (best, ())
    if plan.twin == "auto":
        best, more = _tried(split, best, "twin", "yes")
        verdicts += more
    if plan.newest_step == "auto":
        verdict = _step_tried(split, best)
        best = replace(best, newest_step="yes") if verdict.accepted else best
        verdicts += (verdict,)
    return best, verdicts


def chooser(plan: TrainingPlan) -> Choose:
    """Chooses as `choose` does; asked again for the same past it has the answer."""
    cached: list[tuple[Sample, TrainingPlan]] = []

    def chosen(past: Sample) -> TrainingPlan:
        if not cached or cached[0][0] is not past:
            cached[:] = [(past, choose(past, plan)[0])]
        return cached[0][1]

    return chosen


def sentence(verdict: Verdict) -> str:
    """What a trial came to.

    >>> sentence(Verdict("twin = yes", 0.002, 0.001, 500))
    'twin = yes saves +0.00200 log-loss (standard error 0.00100) on 500 leads that came later: taken'
    """
    taken = "taken" if verdict.accepted else "not taken, one standard error is asked for"
    return (
        f"{verdict.name} saves {signed(verdict.gain, 5)} log-loss (standard error {number(verdict.se, 5)}) on "
        f"{number(verdict.leads)} leads that came later: {taken}"
    )


def _tried(split: Split, plan: TrainingPlan, key: str, value: str) -> tuple[TrainingPlan, tuple[Verdict, ...]]:
    """The better of two plans, the one with `key` = `value` only if it is so by more than one standard error."""
    other = replace(plan, **{key: value})  # type: ignore[arg-type] # one of the plan's own words
    saved = _losses(split, plan) - _losses(split, other)
    verdict = Verdict(f"{key} = {value}", *gain_and_error(saved, split.judged.weight, split.judged.lead))
    return (other if verdict.accepted else plan), (verdict,)


def _step_tried(split: Split, plan: TrainingPlan) -> Verdict:
    """What a step of the intercept after the newest moments saves; the same model is judged with and without."""
    rows, model = split.judged, fit_model(split.past, _quick(plan))
    z = logit(model.predict_proba(rows.features)[:, 1])
    saved = row_losses(rows.y, z) - row_losses(rows.y, z + step_of(model, split.past, plan))
    return Verdict("newest_step = yes", *gain_and_error(saved, rows.weight, rows.lead))


def _quick(plan: TrainingPlan) -> TrainingPlan:
    return replace(plan, parameters={**plan.parameters, "n_folds": FOLDS})


def _losses(split: Split, plan: TrainingPlan) -> Array:
    p = fit_model(split.past, _quick(plan)).predict_proba(split.judged.features)[:, 1]
    return row_losses(split.judged.y, logit(p))
