"""The grounds of a model's thresholds, kept with its run: labels, predictions and volume, so that others can be set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.contract import DataError
from training.thresholds import Flow, Labels, Threshold
from training.track_record import Story, with_record

FILE = "grounds.parquet"
"""Numbers only: leads are counted, not named."""


@dataclass(frozen=True)
class Grounds:
    """Known outcomes as a story, which of its rows are the evidence (bool[n], one per lead), and the flow of leads."""

    story: Story
    chosen: NDArray[np.bool_]
    flow: Flow

    @property
    def labels(self) -> Labels:
        """The evidence: one moment per lead."""
        return Labels(self.story.p[self.chosen], self.story.y[self.chosen])

    def threshold(self, derive: Callable[[Labels, Flow], Threshold]) -> Threshold:
        """The threshold that a rule gives on these grounds, with its record."""
        return with_record(self.story, self.flow, self.labels, derive)

    def write(self, folder: Path) -> None:
        """Writes them to a file in a folder; leads become numbers."""
        story = self.story
        columns = {
            "p": story.p,
            "y": story.y,
            "lead": np.unique(story.lead, return_inverse=True)[1].astype(np.int32),
            "as_of": story.as_of,
            "chosen": self.chosen,
        }
        about = {"delay_days": str(story.delay_days), "per_week": repr(float(self.flow.per_week))}
        flow = pa.array(self.flow.p).to_pylist()
        table = pa.table(columns).replace_schema_metadata({**about, "flow": ",".join(map(repr, flow))})
        pq.write_table(table, folder / FILE)


def read_grounds(folder: Path) -> Grounds:
    """What `Grounds.write` wrote. Raises DataError when it is not there, as after a recalibration, or damaged."""
    try:
        table = pq.read_table(folder / FILE)
        about = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        p, y, lead, as_of, chosen = (table.column(name).to_numpy() for name in ("p", "y", "lead", "as_of", "chosen"))
        flow = Flow(np.array([float(each) for each in about["flow"].split(",")]), float(about["per_week"]))
        return Grounds(Story(p, y, lead, as_of, int(about["delay_days"])), chosen, flow)
    except (OSError, KeyError, ValueError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{folder} holds no grounds of thresholds ({type(error).__name__}): run `leadscore train`; "
            "a recalibrated model has none of its own"
        ) from None
