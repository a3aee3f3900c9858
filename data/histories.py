"""Histories of many leads as sorted arrays: what the event log gives and the feature kernel reads."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

FAR = 2**62
"""A time that never comes."""


@dataclass(frozen=True)
class Profiles:
    """Profile versions of many leads, each lead's in order of `valid_from`.

    starts: int64[n_leads + 1], lead i owns rows starts[i]:starts[i + 1].
    valid_from: int64[n], µs UTC.
    columns: n rows, string (category) or float64 (number) columns; nulls mean unknown.
    """

    starts: NDArray[np.int64]
    valid_from: NDArray[np.int64]
    columns: pa.Table


@dataclass(frozen=True)
class Histories:
    """Events and profiles of many leads.

    lead_ids: string[n_leads].
    starts: int64[n_leads + 1], lead i owns events starts[i]:starts[i + 1].
    known_at, occurred_at: int64[n], µs UTC. A lead's events are in the log's total order: by
        (known_at, occurred_at, event_type, channel, value, source, event_id), nulls first.
    event_type: int32[n], codes into `types`. channel: int32[n], codes into `channels`, -1 where unknown.
    value: float64[n], NaN where unknown; multiples of a ten-thousandth.
    bot: bool[n], True where a bot rule labelled the event.
    superseded_at: int64[n], µs UTC: from when on the event is known to be wrong (corrected, retracted, or another
        lead's), FAR where it never was. None where that holds for all.
    """

    lead_ids: pa.Array
    starts: NDArray[np.int64]
    known_at: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    event_type: NDArray[np.int32]
    channel: NDArray[np.int32]
    value: NDArray[np.float64]
    bot: NDArray[np.bool_]
    profiles: Profiles
    types: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    superseded_at: NDArray[np.int64] | None = None

    @property
    def n_leads(self) -> int:
        return len(self.starts) - 1

    @property
    def n_events(self) -> int:
        return len(self.known_at)
