"""A training set in memory, in order of time: what models are fitted to and judged on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from data.contract import US_PER_DAY, DataError
from features.labels import LabelWindow
from features.training_set import TrainingSet
from features.training_shard import KEYS
from training.samples.log_odds import Array
from training.samples.thinning import Thinned, read_thinned

ONE_DAY = LabelWindow(gap_days=0, horizon_days=1, settle_days=0)
"""The window of rows whose labels do not tell when the outcome came."""


class Watched(TypedDict):
    """What the classifier that learns from open leads is told by name, beside X and y."""

    event_days: ArrayLike
    observed_days: ArrayLike
    horizon_days: int


@dataclass(frozen=True)
class Sample:
    """Rows in order of (as_of, lead).

    table: features, of which `rows` (int64[n], all where None) are meant; `features` has n rows. y: float64[n], 0/1,
    NaN where unknown. weight: float64[n]. lead: str[n]. as_of: int64[n], µs UTC. mature: bool[n]. event_days,
    observed_days: float64[n], see features/moments.py. window: when outcomes count, and when labels are certain.
    thinned: what rows stand for where not all were read.
    """

    table: pa.Table
    y: Array
    weight: Array
    lead: NDArray[np.str_]
    as_of: NDArray[np.int64]
    mature: NDArray[np.bool_]
    event_days: Array
    observed_days: Array
    window: LabelWindow
    thinned: Thinned | None = None
    rows: NDArray[np.int64] | None = None

    @staticmethod
    def of_labels(
        features: pa.Table, y: Array, weight: Array, lead: NDArray[np.str_], as_of: NDArray[np.int64]
    ) -> Sample:
        """Rows whose outcome is known, but not when it came: all of the horizon is one day, and it was observed."""
        known = np.ones(len(y))
        return Sample(features, y, weight, lead, as_of, known > 0, np.where(y > 0, 0.0, np.nan), known, ONE_DAY)

    def __len__(self) -> int:
        return len(self.y)

    def of(self, rows: NDArray[np.bool_]) -> Sample:
        """The rows where the mask is true."""
        return Sample(
            self.table,
            self.y[rows],
            self.weight[rows],
            self.lead[rows],
            self.as_of[rows],
            self.mature[rows],
            self.event_days[rows],
            self.observed_days[rows],
            self.window,
            None if self.thinned is None else self.thinned.of(rows),
            np.flatnonzero(rows) if self.rows is None else self.rows[rows],
        )

    @property
    def features(self) -> pa.Table:
        """The features of the rows, which are large: copied for whoever asks, for as long as they are held."""
        return self.table if self.rows is None else self.table.take(pa.array(self.rows))

    @property
    def columns(self) -> list[str]:
        """Names of the features."""
        return list(self.table.column_names)

    def column(self, name: str) -> pa.ChunkedArray:
        """One feature of the rows."""
        column = self.table.column(name)
        return column if self.rows is None else column.take(pa.array(self.rows))

    def with_features(self, features: pa.Table) -> Sample:
        """The same rows with other features."""
        return replace(self, table=features, rows=None)

    @property
    def is_whole(self) -> NDArray[np.bool_]:
        """bool[n]: rows of leads all of whose moments are there, which alone measure."""
        return np.ones(len(self), np.bool_) if self.thinned is None else self.thinned.whole

    @property
    def taught(self) -> Array:
        """float64[n]: how much rows weigh in learning, 0 where nothing is learnt from them."""
        return self.weight if self.thinned is None else self.weight * self.thinned.times

    @property
    def every(self) -> int:
        """One lead in so many is whole, and stands for so many in a volume."""
        return 1 if self.thinned is None else self.thinned.every

    @property
    def known(self) -> Sample:
        """Rows whose outcome is known, of whole leads: what evidence is made of."""
        return self.of(self.mature & self.is_whole)

    @property
    def pending(self) -> Sample:
        """Rows whose outcome is not known yet, of whole leads: who comes is known of them, who buys is not."""
        return self.of(~self.mature & self.is_whole)

    @property
    def horizon_days(self) -> int:
        """How far labels look ahead."""
        return self.window.horizon_days

    @property
    def seen(self) -> NDArray[np.int64]:
        """int64[n]: 1 where a conversion within the horizon was seen, 0 where none was, or none so far."""
        return (self.event_days < self.horizon_days).astype(np.int64)

    @property
    def watched(self) -> Watched:
        """When it was seen, and how long each row was watched: what `seen` alone does not tell of open leads."""
        return {
            "event_days": self.event_days,
            "observed_days": self.observed_days,
            "horizon_days": self.horizon_days,
        }

    @property
    def tells_when(self) -> bool:
        """Whether the rows tell when outcomes came."""
        return self.window is not ONE_DAY

    @property
    def since(self) -> NDArray[np.int64]:
        """int64[n], when each row's label was certain, in the unit of as_of; a row of a table knows those before it."""
        if not self.tells_when:
            return self.as_of
        return self.as_of + self.window.certain_after_days * US_PER_DAY

    def known_at(self, at: int) -> Sample:
        """The moments before `at` (µs UTC), with what was certain of them then."""
        past = self.of(self.as_of < at)
        observed = np.minimum(past.observed_days, self.window.observed_days(past.as_of, at))
        event = np.where(past.event_days < observed, past.event_days, np.nan)
        mature = observed >= self.horizon_days
        y = np.where(event < self.horizon_days, 1.0, np.where(mature, 0.0, np.nan))
        return replace(past, y=y, mature=mature, event_days=event, observed_days=observed)


def read_sample(training_set: TrainingSet, most: int | None = None) -> Sample:
    """Reads a training set, whole or, where it holds more than `most` moments, thinned. Raises DataError when it holds
    no moment."""
    table, thinned = (training_set.read(), None) if most is None else read_thinned(training_set, most)
    if not len(table):
        raise DataError(f"{training_set.path} holds no moments; check target and moments in the settings")
    # Arrow keeps the memory of pieces that are gone, more than the rows that are left take.
    pa.default_memory_pool().release_unused()
    return Sample(
        table.drop_columns(list(KEYS)),
        table.column("label").cast(pa.float64()).fill_null(float("nan")).to_numpy(),
        table.column("weight").to_numpy().astype(np.float64),
        np.asarray(table.column("lead_id").cast(pa.string()).to_pylist(), dtype=np.str_),
        table.column("as_of").cast(pa.int64()).to_numpy(),
        table.column("mature").to_numpy(),
        table.column("event_days").to_numpy(),
        table.column("observed_days").to_numpy(),
        training_set.recipe.target.window,
        thinned,
    )
