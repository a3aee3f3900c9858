"""The event log on disk: leads hashed into buckets; a sorted base, and sorted deltas of what came since.

log.json                     names the parts that hold; swapped atomically
generation-000002/           the base
    events-07.parquet        sorted in the log's total order
    leads-07.parquet         lead_id by rank, and how many events and profile versions each has
    profiles-07.parquet      profile versions by (lead, valid_from)
    rejected.parquet         rows that broke the contract: source, row, reason
    events.index             hashes of all versions of events, see version_index.py; profiles.index the same
delta-000003/                one file of all buckets for each kind, and `patches.arrow`: what it supersedes; a large one
                             is laid out as a base
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.companies import Companies, companies_of
from data.contract import CONTEXT, ColumnKind, DataError
from data.histories import FAR, Absences, Histories, Named, Profiles
from data.log.absences import absences_of, read_absences
from data.log.bots import label_bots
from data.log.content import lead_hash
from data.log.log_vocabulary import LogVocabulary
from data.log.manifest import Manifest, read_manifest, whole_manifest
from data.log.parts import bucket_file, read_run, rejected_files
from data.log.runs import ORDER, Run, coded, int64, superseded_of, woven
from data.log.watermarks import Watermarks
from data.sources.mapping import BotRule
from data.vocabulary import Vocabulary

READ = ("known_at", "occurred_at", "event_type", "channel", "value", "deal", *CONTEXT, "superseded_at")
"""The columns of events that histories are made of."""
ALL = (*ORDER[1:], "deal", *CONTEXT, "superseded_at")


@dataclass(frozen=True)
class EventLog:
    """A read-only view of the log as it is now."""

    path: Path
    manifest: Manifest

    @staticmethod
    def open(path: Path) -> EventLog:
        """Opens the log in a folder. Raises DataError when there is none, one of another format, or a part of one."""
        return EventLog(path, whole_manifest(path))

    @property
    def n_buckets(self) -> int:
        return self.manifest.n_buckets

    @property
    def n_events(self) -> int:
        """Rows of events, also those that were corrected later."""
        return self.manifest.n_events

    @property
    def n_leads(self) -> int:
        return self.manifest.n_leads

    @property
    def words(self) -> dict[str, dict[str, str]]:
        """Plain words of event types."""
        return dict(self.manifest.words.words)

    @property
    def vocabulary(self) -> Vocabulary:
        """Event types and groups of the mappings that were ingested."""
        return self.manifest.words.vocabulary

    @property
    def profile_columns(self) -> dict[str, ColumnKind]:
        """Column -> `category` or `number`."""
        return dict(self.manifest.words.profile_columns)

    @property
    def bots(self) -> tuple[BotRule, ...]:
        """Rules that label a machine's events."""
        return self.manifest.words.bots

    @property
    def observed_from_us(self) -> int:
        """The first known_at, µs UTC."""
        return self.manifest.observed_from_us

    @property
    def observed_until_us(self) -> int:
        """The last known_at, µs UTC."""
        return self.manifest.observed_until_us

    @property
    def watermarks(self) -> Watermarks:
        """Until when each source is complete."""
        return self.manifest.watermarks

    def complete_until_us(self, types: Collection[str]) -> int:
        """Until when all sources of these event types are complete (µs UTC): what came of leads is known till then."""
        return min([self.observed_until_us, *self.watermarks.by_source(types).values()])

    def known_until_us(self, types: Collection[str]) -> int:
        """Until when there is something to know of them (µs UTC): an export may correct what it does not complete."""
        return max(self.complete_until_us(types), self.manifest.corrected_until_us)

    @property
    def digest(self) -> str:
        """Of all versions of events and profiles, and the vocabulary; not of how they lie on disk."""
        return self.manifest.digest

    @property
    def number(self) -> int:
        """How many ingests made it."""
        return self.manifest.ingests

    @property
    def generation(self) -> str:
        """The folder of the base."""
        return self.manifest.parts[0]

    @property
    def folders(self) -> list[Path]:
        """The folders of its parts: the base, then deltas in the order in which they came."""
        return [self.path / name for name in self.manifest.parts]

    @property
    def rejected_paths(self) -> list[Path]:
        """Files of rows that broke the contract, those of the newest ingest last."""
        return rejected_files(self.folders)

    def file(self, kind: str, bucket: int) -> Path:
        """A file of a bucket of the base; kind: events, leads or profiles."""
        return bucket_file(self.folders[0], kind, bucket)

    def run(self, bucket: int, columns: Sequence[str] = ALL) -> Run:
        """A bucket's rows, with these columns of events. Raises DataError when its files are damaged or gone."""
        return woven(self.runs(bucket, columns))

    def runs(self, bucket: int, columns: Sequence[str] = ALL) -> list[Run]:
        """The same, part by part."""
        try:
            return [read_run(folder, bucket, columns) for folder in self.folders]
        except (OSError, pa.ArrowInvalid) as error:
            if not set(self.manifest.parts) <= set(read_manifest(self.path).parts):
                raise DataError(f"a newer ingest replaced {self.path} meanwhile; run the command again") from None
            reason = str(error).splitlines()[0][:200]
            raise DataError(f"bucket {bucket} of {self.path} cannot be read: {reason}; ingest again") from None

    def bucket(self, number: int) -> Histories:
        """All leads of a bucket. Raises DataError when its files are damaged or gone."""
        return replace(self._plain_bucket(number), companies=self)

    def _plain_bucket(self, number: int) -> Histories:
        run = self.run(number, READ)
        return histories_of(run, self.manifest.words, absences_of(read_absences(self.folders, number), run.leads))

    @cached_property
    def companies(self) -> Companies:
        """The same, read when they are first asked for, and kept."""
        return self.read_companies()

    def read_companies(self) -> Companies:
        """All companies of the log. Raises DataError as `bucket` does."""
        return companies_of(map(self._plain_bucket, range(self.n_buckets)))

    def has_accounts(self) -> bool:
        """Whether any lead names an account. Raises DataError as `bucket` does."""
        named = (self._plain_bucket(number).profiles.accounts for number in range(self.n_buckets))
        return any(accounts is not None and accounts.null_count < len(accounts) for accounts in named)

    def has_context(self, of: Named) -> bool:
        """Whether any event names a campaign, or an asset. Raises DataError as `bucket` does."""
        return any(self._plain_bucket(number).names(of)[0] is not None for number in range(self.n_buckets))

    def around(self, histories: Histories) -> Companies:
        """The companies beside histories: all."""
        return self.companies

    def find(self, lead_id: str) -> Histories:
        """One lead's history (n_leads == 1). Raises DataError when the log does not know the lead."""
        histories = self.bucket(bucket_of(lead_id, self.n_buckets))
        positions = np.flatnonzero(histories.lead_ids.to_numpy(zero_copy_only=False) == lead_id)
        if not len(positions):
            raise DataError(f"lead {lead_id!r} is not in {self.path}")
        return histories.of(positions)

    def keys(self, lead_id: str) -> list[tuple[str | None, str | None]]:
        """Source and id of each event of a lead, in the order of its history."""
        run = self.run(bucket_of(lead_id, self.n_buckets))
        place = run.leads.index(lead_id).as_py()
        ends = np.concatenate([[0], np.cumsum(run.event_counts)])
        rows = run.events.slice(ends[place], run.event_counts[place])
        return list(zip(rows.column("source").to_pylist(), rows.column("event_id").to_pylist(), strict=True))


def bucket_of(lead_id: str, buckets: int) -> int:
    """The bucket of a lead: the second half of the md5 of its id, little-endian, modulo the number of buckets.

    >>> bucket_of("L0000001", 32)
    22
    """
    return int(lead_hash(lead_id)) % buckets


def histories_of(run: Run, words: LogVocabulary, absences: Absences | None = None) -> Histories:
    """The histories in a run, with bots labelled by the rules that hold now."""
    events, profiles = run.events, run.profiles
    event_type, types = coded(events.column("event_type"))
    channel, channels = coded(events.column("channel"))
    starts, occurred_at = _starts(run.event_counts), int64(events.column("occurred_at"))
    superseded = superseded_of(events)
    campaign, campaigns = _context(events, "campaign")
    asset, assets = _context(events, "asset")
    return Histories(
        lead_ids=run.leads,
        starts=starts,
        known_at=int64(events.column("known_at")),
        occurred_at=occurred_at,
        event_type=event_type,
        channel=channel,
        value=np.array(events.column("value").fill_null(float("nan")).to_numpy()),
        bot=label_bots(words.bots, starts, occurred_at, event_type, types) >= 0,
        profiles=Profiles(
            _starts(run.version_counts),
            int64(profiles.column("valid_from")),
            _columns(profiles, words.profile_columns),
            profiles.column("account_id") if "account_id" in profiles.column_names else None,
        ),
        types=types,
        channels=channels,
        superseded_at=superseded if (superseded < FAR).any() else None,
        absences=absences,
        deal=np.array(events.column("deal").fill_null(0).to_numpy()) if "deal" in events.column_names else None,
        campaign=campaign,
        campaigns=campaigns,
        asset=asset,
        assets=assets,
    )


def _context(events: pa.Table, name: str) -> tuple[NDArray[np.int32] | None, list[str]]:
    """Codes and names of campaigns or assets; None where no event names any."""
    if name not in events.column_names or events.column(name).null_count == len(events):
        return None, []
    return coded(events.column(name).dictionary_encode())


def _columns(profiles: pa.Table, names: Collection[str]) -> pa.Table:
    for name in names:
        if name not in profiles.column_names:
            profiles = profiles.append_column(name, pa.nulls(len(profiles), pa.string()))
    return profiles.select(list(names))


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
