"""One split of a data set on disk: rows to learn from, rows to judge on; read by all contenders, in any environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Rows of a split.

    features: table of n rows, categories as dictionaries. y: float64[n], 0/1. weight: float64[n]. lead: int64[n],
    the same number for the same lead in all splits of a set. time: int64[n], rising. since: int64[n], when each outcome
    was certain. truth: float64[n], the true probabilities, or None.
    """

    features: pa.Table
    y: Array
    weight: Array
    lead: NDArray[np.int64]
    time: NDArray[np.int64]
    since: NDArray[np.int64]
    truth: Array | None = None

    def __len__(self) -> int:
        return len(self.y)

    def of(self, rows: NDArray[np.int64]) -> Rows:
        """The rows at these places."""
        keys = {name: value[rows] for name, value in self.keys().items()}
        return Rows(self.features.take(pa.array(rows)), **keys)

    def keys(self) -> dict[str, Any]:
        """All but the features."""
        columns: dict[str, Any] = {"y": self.y, "weight": self.weight, "lead": self.lead}
        columns |= {"time": self.time, "since": self.since, "truth": self.truth}
        return {name: value for name, value in columns.items() if value is not None}


@dataclass(frozen=True)
class Split:
    """What a contender is given; `in_order` says whether the rows to judge on are later than those to learn from."""

    learn: Rows
    judged: Rows
    in_order: bool

    def stopping(self) -> tuple[Rows, Rows]:
        """Of the rows to learn from: those to fit on, and those to stop by or choose by; no lead is in both.

        The last fifth where rows are in order of time, else every fifth lead. Of leads with rows on both sides one in
        three is judged.
        """
        learn = self.learn
        late = np.arange(len(learn)) >= len(learn) * 4 // 5 if self.in_order else learn.lead % 5 == 4
        drawn = learn.lead % 3 == 0
        both = np.isin(learn.lead, np.intersect1d(learn.lead[late], learn.lead[~late]))
        return learn.of(np.flatnonzero(~late & ~(both & drawn))), learn.of(np.flatnonzero(late & ~(both & ~drawn)))

    def write(self, folder: Path) -> None:
        """Writes four Parquet files, the same bytes for the same split."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in (("learn", self.learn), ("judged", self.judged)):
            pq.write_table(rows.features, folder / f"{name}.parquet")
            keys = pa.table(rows.keys()).replace_schema_metadata({"in_order": str(self.in_order)})
            pq.write_table(keys, folder / f"{name}-keys.parquet")

    @staticmethod
    def read(folder: Path) -> Split:
        """The split that was written to a folder."""
        learn, judged = (_read(folder, name) for name in ("learn", "judged"))
        metadata = pq.read_schema(folder / "learn-keys.parquet").metadata
        return Split(learn, judged, metadata[b"in_order"] == b"True")


def _read(folder: Path, name: str) -> Rows:
    keys = pq.read_table(folder / f"{name}-keys.parquet")
    features = pq.read_table(folder / f"{name}.parquet")
    return Rows(features, **{name: keys.column(name).to_numpy() for name in keys.column_names})
