"""What an artifact tells of its training: on which rows, judged on which, with what."""

from __future__ import annotations

import numpy as np

from data.contract import US_PER_SECOND
from data.own_functions import OwnFunction
from features.training_set import TrainingSet
from training.artifact.manifest import NewestSlice, ThinnedFrom, TrainedOn
from training.recipe.plan import TrainingPlan
from training.recipe.train import Judged
from training.registry.provenance import versions
from training.samples.sample import Sample
from training.samples.thinning import Thinned


def trained_on(training_set: TrainingSet, rows: Sample, asked: str, plan: TrainingPlan) -> TrainedOn:
    """On which rows, by which plan and with which software; asked: the digest of the plan as it was given."""
    return TrainedOn(
        from_=day(int(rows.as_of.min())),
        to=day(int(rows.as_of.max())),
        to_us=int(rows.as_of.max()) + 1,
        moments=len(rows),
        leads=len(np.unique(rows.lead)),
        converted=int(np.nansum(rows.y)),
        converted_leads=len(np.unique(rows.lead[rows.y == 1])),
        model=plan.model,
        twin=plan.twin,
        rates=plan.rates,
        training_set=training_set.digest,
        event_log=training_set.recipe.log_digest,
        plan=asked,
        thinned=None if rows.thinned is None else thinned_from(rows.thinned),
        lags=training_set.recipe.lags,
        unobserved=training_set.recipe.unobserved,
        versions=versions(),
        since=plan.since,
        weighting=plan.weighting.name if isinstance(plan.weighting, OwnFunction) else plan.weighting,
        own_functions=plan.own_functions or None,
    )


def seen_by(judged: Judged) -> NewestSlice:
    """How the recipe did on the newest slice, as an artifact tells of it: what was predicted, and what happened."""
    rows, evaluation = judged.rows, judged.evaluation
    span = day(int(rows.as_of.min())), day(int(rows.as_of.max()))
    counts = evaluation.rows, evaluation.leads, evaluation.positives
    return NewestSlice(*span, *counts, evaluation.base_rate, evaluation.bins)


def thinned_from(thinned: Thinned) -> ThinnedFrom:
    """As an artifact tells of it."""
    return ThinnedFrom(thinned.moments, thinned.every, thinned.one_of)


def day(at: int) -> str:
    """The date (UTC) of a time in µs.

    >>> day(86_400_000_000)
    '1970-01-02'
    """
    return str(np.datetime64(at // US_PER_SECOND, "s").astype("datetime64[D]"))
