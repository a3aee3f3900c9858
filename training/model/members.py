"""The members of a mix: which fold each leaves out, how it is set, and what grew."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import lightgbm


class Hyperparameters(TypedDict, total=False):
    """What can be set of a classifier by its name; what is not there has the classifier's default."""

    n_folds: int
    learning_rate: float
    num_leaves: int
    min_leaf: int
    l2: float
    max_rounds: int
    column_share: float
    random_state: int
    n_jobs: int
    twin: bool
    rates: bool


Parameters = Mapping[str, str | float | Sequence[Sequence[int]]]
"""Parameters of LightGBM's by name."""
TWIN = {"extra_trees": True, "extra_seed": 6}
"""What sets a twin apart: its splits are drawn at random and only the best of the drawn is taken (Geurts 2006)."""


@dataclass(frozen=True)
class Member:
    """One model of the mix. fold: which it does not see, and stops early on. rates: whether it sees running rates."""

    fold: int
    twin: bool
    rates: bool


@dataclass(frozen=True)
class Grown:
    """A booster, and the log-loss of the fold that it did not see after each of its trees and of those that were
    dropped."""

    booster: lightgbm.Booster
    losses: tuple[float, ...]


def stump(data: lightgbm.Dataset, parameters: Parameters) -> lightgbm.Booster:
    """The model of rows that cannot be split in two: their base rate."""
    return portable(lightgbm.train({**parameters, "min_gain_to_split": 1e30}, data, 1).model_to_string())


def portable(text: str) -> lightgbm.Booster:
    """The booster of a text, without the line that tells on how many threads it was trained."""
    return lightgbm.Booster(model_str=re.sub(r"\[num_threads: \d+\]\n", "", text))
