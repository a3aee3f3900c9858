"""A training set in memory, in order of time: what models are fitted to and judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.contract import DataError
from features.training_set import KEYS, TrainingSet
from training.logits import Array


@dataclass(frozen=True)
class Sample:
    """Rows in order of (as_of, lead).

    features: table of n rows. y: float64[n], 0/1, NaN where unknown. weight: float64[n]. lead: str[n].
    as_of: int64[n], µs UTC. mature: bool[n].
    """

    features: pa.Table
    y: Array
    weight: Array
    lead: NDArray[np.str_]
    as_of: NDArray[np.int64]
    mature: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.y)

    def of(self, rows: NDArray[np.bool_]) -> Sample:
        """The rows where the mask is true."""
        return Sample(
            self.features.filter(pa.array(rows)),
            self.y[rows],
            self.weight[rows],
            self.lead[rows],
            self.as_of[rows],
            self.mature[rows],
        )


def read_sample(training_set: TrainingSet) -> Sample:
    """Reads a training set. Raises DataError when it holds no moment."""
    table = training_set.read()
    if not len(table):
        raise DataError(f"{training_set.path} holds no moments; check target and moments in the settings")
    return Sample(
        table.drop_columns(list(KEYS)),
        table.column("label").cast(pa.float64()).fill_null(float("nan")).to_numpy(),
        table.column("weight").to_numpy().astype(np.float64),
        np.asarray(table.column("lead_id").cast(pa.string()).to_pylist(), dtype=np.str_),
        table.column("as_of").cast(pa.int64()).to_numpy(),
        table.column("mature").to_numpy(),
    )
