"""The grounds of a model's thresholds, kept in its artifact: labels, predictions, volume; so others can be set."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.contract import DataError
from training.samples.log_odds import Array
from training.thresholds.calibration_by_month import MonthBand, count_by_month
from training.thresholds.replay import StageEntries, StageReplay
from training.thresholds.threshold import Threshold
from training.thresholds.track_record import Story, with_record
from training.thresholds.volume import CrossSection, ScoredLabels, Volume
from training.thresholds.what_if import WhatIf, what_if


@dataclass(frozen=True)
class Pending:
    """Moments whose outcome is not known yet. p: float64[n]. lead: int32[n], numbered as in the story. as_of: int64[n],
    µs UTC.
    """

    p: Array
    lead: NDArray[np.int32]
    as_of: NDArray[np.int64]


NOTHING_PENDING = Pending(np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int64))


@dataclass(frozen=True)
class ThresholdEvidence:
    """Known outcomes as a story, which of its rows are the evidence (bool[n], one per lead), and the flow of leads.

    pending: who came since, in volumes only.
    """

    story: Story
    chosen: NDArray[np.bool_]
    flow: CrossSection
    pending: Pending = NOTHING_PENDING

    @cached_property
    def labels(self) -> ScoredLabels:
        """The evidence: one moment per lead."""
        return ScoredLabels(self.story.p[self.chosen], self.story.y[self.chosen])

    @cached_property
    def replay(self) -> StageReplay:
        """The story and what is pending, week by week."""
        columns = self._columns()
        return StageReplay(columns["p"], columns["y"], columns["lead"], columns["as_of"], self.story.every)

    @property
    def volume(self) -> Volume:
        """How many leads a threshold brings: what past weeks would have brought, where enough of them are known."""
        return self.replay if self.replay.is_enough else self.flow

    @cached_property
    def curve(self) -> WhatIf:
        """What about fifty thresholds would bring."""
        return what_if(self.labels, self.volume)

    @cached_property
    def months(self) -> list[MonthBand]:
        """What was predicted and what came of it, month by month."""
        return count_by_month(self.story.lead, self.story.as_of, self.story.p, self.story.y)

    def near(self, low: float, high: float) -> list[MonthBand]:
        """Leads that stood in [low, high) at their first moment of a month, month by month."""
        story, edges = self.story, (0.0, low, np.nextafter(high, 2.0), 2.0)
        rows = count_by_month(story.lead, story.as_of, story.p, story.y, edges)
        return [row for row in rows if row.band == 1]

    def threshold(self, derive: Callable[[ScoredLabels, Volume], Threshold]) -> Threshold:
        """The threshold that a rule gives on these grounds, with its record."""
        return self.with_arrivals(with_record(self.story, self.volume, self.labels, derive))

    def with_arrivals(self, threshold: Threshold) -> Threshold:
        """A threshold with what past weeks would have brought from there on, whoever has derived it."""
        arrivals = self.arrivals(threshold.probability)
        if threshold.probability is None or arrivals is None:
            return threshold
        leads, wins = self.volume.above(threshold.probability)
        return replace(threshold, leads_per_week=leads, wins_per_week=wins, arrivals=arrivals)

    def arrivals(self, probability: float | None) -> StageEntries | None:
        """What past weeks would have brought from a probability on; None where too few weeks are known."""
        return None if probability is None or not self.replay.is_enough else self.replay.arrivals(probability)

    def content(self) -> bytes:
        """A Parquet file of them; numbers only: leads are counted, not named."""
        story, columns = self.story, self._columns()
        columns["lead"] = np.unique(columns["lead"], return_inverse=True)[1].astype(np.int32)
        notes = {"delay_days": str(story.delay_days), "per_week": repr(float(self.flow.per_week))}
        notes |= {"every": str(story.every)} if story.every > 1 else {}
        flow = pa.array(self.flow.p).to_pylist()
        table = pa.table(columns).replace_schema_metadata({**notes, "flow": ",".join(map(repr, flow))})
        written = io.BytesIO()
        pq.write_table(table, written)
        return written.getvalue()

    def _columns(self) -> dict[str, NDArray[Any]]:
        """The story, and below it what is pending, of which y is NaN."""
        story, pending = self.story, self.pending
        return {
            "p": np.concatenate([story.p, pending.p]),
            "y": np.concatenate([story.y, np.full(len(pending.p), np.nan)]),
            "lead": np.concatenate([story.lead, pending.lead]),
            "as_of": np.concatenate([story.as_of, pending.as_of]),
            "chosen": np.concatenate([self.chosen, np.zeros(len(pending.p), np.bool_)]),
        }


def grounds_from(path: Path, sha256: str) -> ThresholdEvidence:
    """The grounds in a file of an artifact. Raises DataError when it is away or damaged."""
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError("its sha256 is not the one in model.json")
        return _read(content)
    except (OSError, LookupError, TypeError, ValueError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} holds no grounds of thresholds ({type(error).__name__}): train again") from None


def _read(content: bytes) -> ThresholdEvidence:
    table = pq.ParquetFile(pa.BufferReader(content)).read()
    notes = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    p, y, lead, as_of = (_numbers(table.column(name)) for name in ("p", "y", "lead", "as_of"))
    chosen = _numbers(table.column("chosen").cast(pa.uint8())).astype(np.bool_)
    flow = CrossSection(np.array([float(number) for number in notes["flow"].split(",")]), float(notes["per_week"]))
    known = ~np.isnan(y)
    delay, every = int(notes["delay_days"]), int(notes.get("every", 1))
    story = Story(p[known], y[known], lead[known], as_of[known], delay, every)
    return ThresholdEvidence(story, chosen[known], flow, Pending(p[~known], lead[~known], as_of[~known]))


def _numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    """As an array. Not by `to_numpy`, which loads pandas: 50 MB that a server has no other use for."""
    return np.from_dlpack(column.combine_chunks())
