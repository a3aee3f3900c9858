"""The event log on disk: leads hashed into buckets, each bucket sorted by (lead, known_at), one immutable generation.

log.json                     names the generation that holds; swapped atomically
generation-000002/
    events-07.parquet        sorted in the log's total order
    leads-07.parquet         lead_id by rank, and how many events and profile versions each has
    profiles-07.parquet      profile versions by (lead, valid_from)
    rejected.parquet         rows that broke the contract: source, row, reason
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.contract import DataError
from data.histories import Histories, Profiles
from data.sources.mapping import BotRule
from data.vocabulary import Vocabulary

FORMAT = 1
BUCKETS = 32
DICTIONARIES = ["event_type", "channel", "bot_rule", "source"]
LAYOUT = {"compression": "lz4", "use_dictionary": ["lead", *DICTIONARIES]}
"""How files of events are written."""


@dataclass(frozen=True)
class EventLog:
    """A read-only view of one generation.

    vocabulary: event types and groups of the mappings that were ingested. words: their plain words.
    profile_columns: column -> `category` or `number`. observed_from_us, observed_until_us: first and last known_at
    (µs UTC), the last not beyond the ingest: what is dated today is known when the day is over. digest: of all rows
    and the vocabulary.
    """

    path: Path
    generation: str
    n_buckets: int
    n_events: int
    n_leads: int
    vocabulary: Vocabulary
    words: dict[str, dict[str, str]]
    profile_columns: dict[str, Any]
    bots: tuple[BotRule, ...]
    observed_from_us: int
    observed_until_us: int
    digest: str

    @staticmethod
    def open(path: Path) -> EventLog:
        """Opens the log in a folder. Raises DataError when there is none, or one of another format."""
        about = _manifest(path)
        if about.pop("format", None) != FORMAT:
            raise DataError(f"{path} is an event log of another format; ingest again into an empty folder")
        words = about.pop("vocabulary")
        groups = {name: tuple(types) for name, types in words["groups"].items()}
        bots = tuple(BotRule(**rule) for rule in about.pop("bots"))
        return EventLog(path, vocabulary=Vocabulary(tuple(words["types"]), groups), bots=bots, **about)

    @property
    def number(self) -> int:
        """How many ingests made it."""
        return int(self.generation.rpartition("-")[2])

    @property
    def rejected_path(self) -> Path:
        """Rows that broke the contract."""
        return self.path / self.generation / "rejected.parquet"

    def file(self, kind: str, bucket: int) -> Path:
        """A file of a bucket; kind: events, leads or profiles."""
        return self.path / self.generation / f"{kind}-{bucket:02d}.parquet"

    def bucket(self, number: int) -> Histories:
        """All leads of a bucket. Raises DataError when its files are damaged or gone."""
        columns = ["known_at", "occurred_at", "event_type", "channel", "value", "bot_rule"]
        try:
            leads = pq.read_table(self.file("leads", number))
            events = pq.read_table(self.file("events", number), columns=columns, read_dictionary=DICTIONARIES)
            profiles = pq.read_table(self.file("profiles", number))
        except (OSError, pa.ArrowInvalid) as error:
            if _manifest(self.path).get("generation") != self.generation:
                raise DataError(f"a newer ingest replaced {self.path} meanwhile; run the command again") from None
            reason = str(error).splitlines()[0][:200]
            raise DataError(f"bucket {number} of {self.path} cannot be read: {reason}; ingest again") from None
        return histories_of(leads, events, profiles, list(self.profile_columns))

    def find(self, lead_id: str) -> Histories:
        """One lead's history (n_leads == 1). Raises DataError when the log does not know the lead."""
        histories = self.bucket(bucket_of(lead_id, self.n_buckets))
        positions = np.flatnonzero(histories.lead_ids.to_numpy(zero_copy_only=False) == lead_id)
        if not len(positions):
            raise DataError(f"lead {lead_id!r} is not in {self.path}")
        return one_lead(histories, int(positions[0]))


def _manifest(path: Path) -> dict[str, Any]:
    file = path / "log.json"
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} holds no event log; run `leadscore ingest` first") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read ({error}); restore it, or ingest again into an empty folder") from None
    if not isinstance(about, dict):
        raise DataError(f"{file} is no manifest of an event log; ingest again into an empty folder")
    return about


def bucket_of(lead_id: str, buckets: int) -> int:
    """The bucket of a lead: the second half of the md5 of its id, little-endian, modulo the number of buckets.

    >>> bucket_of("L0000001", 32)
    22
    """
    return int.from_bytes(hashlib.md5(lead_id.encode(), usedforsecurity=False).digest()[8:], "little") % buckets


def one_lead(histories: Histories, lead: int) -> Histories:
    """The history of one lead out of many."""
    rows = slice(int(histories.starts[lead]), int(histories.starts[lead + 1]))
    versions = slice(int(histories.profiles.starts[lead]), int(histories.profiles.starts[lead + 1]))
    profiles = Profiles(
        np.array([0, versions.stop - versions.start]),
        histories.profiles.valid_from[versions].copy(),
        histories.profiles.columns.slice(versions.start, versions.stop - versions.start),
    )
    return Histories(
        histories.lead_ids.slice(lead, 1),
        np.array([0, rows.stop - rows.start]),
        histories.known_at[rows].copy(),
        histories.occurred_at[rows].copy(),
        histories.event_type[rows].copy(),
        histories.channel[rows].copy(),
        histories.value[rows].copy(),
        histories.bot[rows].copy(),
        profiles,
        histories.types,
        histories.channels,
    )


def histories_of(leads: pa.Table, events: pa.Table, profiles: pa.Table, columns: Sequence[str]) -> Histories:
    """Histories from the tables of one bucket, all in the log's order."""
    event_type, types = _codes(events.column("event_type"))
    channel, channels = _codes(events.column("channel"))
    missing = [name for name in columns if name not in profiles.column_names]
    for name in missing:
        profiles = profiles.append_column(name, pa.nulls(len(profiles), pa.string()))
    return Histories(
        lead_ids=leads.column("lead_id").combine_chunks(),
        starts=_starts(leads.column("events")),
        known_at=_int64(events.column("known_at")),
        occurred_at=_int64(events.column("occurred_at")),
        event_type=event_type,
        channel=channel,
        value=_writable(events.column("value").fill_null(float("nan"))),
        bot=np.array(events.column("bot_rule").is_valid()),
        profiles=Profiles(
            _starts(leads.column("versions")), _int64(profiles.column("valid_from")), profiles.select(list(columns))
        ),
        types=types,
        channels=channels,
    )


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], list[str]]:
    """int32 codes (-1 for null) and the names that they stand for."""
    whole = column.unify_dictionaries().combine_chunks() if column.num_chunks else None
    if whole is None or not len(whole):
        return np.empty(0, np.int32), []
    codes = whole.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, whole.dictionary.to_pylist()


def _starts(counts: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts.to_numpy())]).astype(np.int64)


def _int64(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return _writable(column.cast(pa.int64()))  # type: ignore[return-value]


def _writable(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A copy that may be written to: Numba would compile once more for read-only arrays."""
    return np.array(column.to_numpy())
