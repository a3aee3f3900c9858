"""A training set as pandas has it: features and labels by row, for estimators that are not ours."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from features.training_set import TrainingSet
from features.training_shard import KEYS
from training.samples.sample import Watched


@dataclass(frozen=True)
class Frame:
    """Rows in order of (time, lead), all with one index from 0 on.

    X: features, numbers as float and categories as pandas' `category`. y: float, 1 and 0, NaN where the outcome is not
    known yet. weight: float. lead: text, the groups that no split may tear apart. time: UTC. censored: bool, where `y`
    is NaN. event_days: days until conversion, NaN where none was seen; observed_days: how long each row was watched;
    horizon_days: how far `y` looks ahead.

    >>> frame = Workspace.open(Path("var")).frame().known  # doctest: +SKIP
    >>> cross_val_score(estimator, frame.X, frame.y, groups=frame.lead, cv=GroupKFold())  # doctest: +SKIP
    """

    X: pd.DataFrame
    y: pd.Series
    weight: pd.Series
    lead: pd.Series
    time: pd.Series
    censored: pd.Series
    event_days: pd.Series
    observed_days: pd.Series
    horizon_days: int

    @property
    def seen(self) -> pd.Series:
        """1 where a conversion was seen, 0 where none was, or none so far: y of HazardClassifier, beside `watched`."""
        return (self.event_days < self.horizon_days).astype("int8").rename("seen")

    @property
    def watched(self) -> Watched:
        """What HazardClassifier is told by name, so that it does not take open leads for lost ones.

        >>> HazardClassifier().fit(frame.X, frame.seen, groups=frame.lead, **frame.watched)  # doctest: +SKIP
        """
        return {
            "event_days": self.event_days,
            "observed_days": self.observed_days,
            "horizon_days": self.horizon_days,
        }

    @property
    def known(self) -> Frame:
        """The rows whose outcome is known, with an index of their own; `y` is of whole numbers."""
        columns = {name: part for name, part in vars(self).items() if name != "horizon_days"}
        parts = {name: part[~self.censored].reset_index(drop=True) for name, part in columns.items()}
        return replace(self, **{**parts, "y": parts["y"].astype("int8")})

    def __len__(self) -> int:
        return len(self.y)


def frame_of(training_set: TrainingSet) -> Frame:
    """All rows of a training set; about as much memory as its features take. Raises DataError when it is damaged."""
    rows = training_set.read().to_pandas()
    return Frame(
        rows.drop(columns=[*KEYS]),
        rows["label"].astype("float64").rename("converts"),
        rows["weight"].astype("float64"),
        rows["lead_id"].astype("str"),
        pd.to_datetime(rows["as_of"], utc=True),
        rows["label"].isna().rename("censored"),
        rows["event_days"].astype("float64"),
        rows["observed_days"].astype("float64"),
        training_set.recipe.target.window.horizon_days,
    )
