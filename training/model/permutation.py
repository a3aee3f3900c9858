"""What a model loses when a feature is shuffled (Breiman 2001), fold by fold, so that chance can be seen."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from training.model.boosted import Boosted
from training.samples.folds import fold_of_leads
from training.samples.log_odds import Array, logit, row_losses
from training.samples.sample import Sample
from training.samples.subsample import subsample

MOST_FEATURES = 20
"""Features that are shuffled, those in which the trees gained most."""
MOST_ROWS = 1_000
"""Moments of a fold that are looked at, those that converted first."""


@dataclass(frozen=True)
class Shuffled:
    """How much worse the log-loss is without what a feature tells. by_fold: of each fold's members, on other leads."""

    feature: str
    by_fold: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the folds."""
        return float(np.mean(self.by_fold))

    @property
    def is_steady(self) -> bool:
        """Whether it helps in every fold."""
        return min(self.by_fold) > 0


def permutation_importance(model: Boosted, rows: Sample) -> tuple[Shuffled, ...]:
    """The features that a model misses most, the most important one first.

    rows: labelled moments that it has not seen. Their leads are dealt out to the folds, and the members of a fold are
    judged on its share. What features tell alike stands in for each other, so that none of them is missed much.
    """
    folds = max(1, len(model.mixes[0]) // (1 + model.twin))
    fold = fold_of_leads(rows.lead, rows.as_of, folds)
    names = _most_used(model)
    lost = np.array([_lost(_members(model, nth, folds), rows.of(fold == nth), names) for nth in np.unique(fold)])
    results = [Shuffled(name, tuple(of_folds)) for name, of_folds in zip(names, lost.T.tolist(), strict=True)]
    return tuple(sorted(results, key=lambda result: -result.mean))


def _most_used(model: Boosted) -> list[str]:
    names, shares = model.encoder_.names, model.feature_importances_
    order = np.argsort(-shares, kind="stable")[:MOST_FEATURES]
    return [names[at] for at in order if shares[at] > 0]


def _members(model: Boosted, fold: int, folds: int) -> Boosted:
    """The model of those members alone that left a fold out."""
    part = copy(model)
    part.boosters_ = model.boosters_[fold::folds]
    return part


def _lost(members: Boosted, rows: Sample, names: list[str]) -> Array:
    """float64[names]: mean log-loss with each feature shuffled, minus that without."""
    chosen, weight = subsample(rows.y, rows.weight, rows.as_of, MOST_ROWS)
    table, y, rng = rows.features.take(pa.array(chosen)), rows.y[chosen], np.random.default_rng(0)
    # All at once: to read the trees takes longer than to walk them.
    tables = [table, *(_shuffled(table, name, weight, rng) for name in names)]
    p = members.predict_proba(pa.concat_tables(tables))[:, 1].reshape(len(tables), -1)
    losses = np.array([np.average(row_losses(y, logit(said)), weights=weight) for said in p])
    return np.asarray(losses[1:] - losses[0])


def _shuffled(table: pa.Table, name: str, weight: Array, rng: np.random.Generator) -> pa.Table:
    """The table with a column drawn anew from its values, each as often as its row weighs."""
    drawn = rng.choice(len(table), len(table), p=weight / weight.sum())
    place = table.column_names.index(name)
    return table.set_column(place, table.schema.field(name), table.column(name).take(pa.array(drawn)))
