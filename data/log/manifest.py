"""log.json: names the parts of the log that hold, and says what is in them. Swapped atomically."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

from data.contract import DataError
from data.log.log_vocabulary import LogVocabulary
from data.log.stored_manifest import StoredManifest, StoredManifest01, StoredObserved
from data.log.version_index import taken
from data.log.watermarks import Observed, Watermarks
from data.sources.mapping import BotRule

FORMAT: Literal[2] = 2
BUCKETS = 32
NAME = "log.json"


@dataclass(frozen=True)
class Manifest:
    """What log.json says.

    parts: folders, the base first, then deltas in the order in which they came. ingests: how many made it.
    n_events: rows of events, also those that were corrected later. n_base, n_added: rows of events and profile versions
    in the base and in the deltas. n_overwritten: profile versions that said something else about a time that was known.
    corrected_until_us: the last time at which events became known to be wrong; full_export_us: the newest export that
    had all leads; state_us: the newest whose rows say what is not so any more; snapshot_us: the newest state of a lead.
    accounts: of sources that were pulled, the vendor's id of the account.
    events, profiles: digests of the versions, order-free; None in a log of version 0.1, which has no index of versions
    yet, and a digest of its own.
    """

    parts: tuple[str, ...]
    ingests: int
    n_buckets: int = BUCKETS
    n_events: int = 0
    n_leads: int = 0
    n_base: int = 0
    n_added: int = 0
    words: LogVocabulary = field(default_factory=LogVocabulary)
    watermarks: Watermarks = field(default_factory=Watermarks)
    accounts: Mapping[str, str] = field(default_factory=dict)
    n_overwritten: int = 0
    observed_from_us: int = 0
    observed_until_us: int = 0
    corrected_until_us: int = 0
    full_export_us: int = 0
    state_us: int = 0
    snapshot_us: int = 0
    events: int | None = 0
    profiles: int | None = 0
    digest_of_0_1: str = ""

    @property
    def digest(self) -> str:
        """Of all versions of events and profiles, and the vocabulary."""
        if self.events is None or self.profiles is None:
            return self.digest_of_0_1
        words = [self.words.types, dict(self.words.groups), dict(self.words.profile_columns)]
        versions = [f"{self.events:032x}", f"{self.profiles:032x}"]
        return hashlib.sha256(json.dumps([*words, *versions], sort_keys=True).encode()).hexdigest()

    def without(self, events: int, profiles: int) -> Manifest:
        """Without versions of events and profiles that have these digests."""
        return replace(self, events=taken(self.events or 0, events), profiles=taken(self.profiles or 0, profiles))

    def to_json(self) -> StoredManifest:
        """Plain values."""
        words = self.words
        return {
            "format": FORMAT,
            "parts": self.parts,
            "ingests": self.ingests,
            "n_buckets": self.n_buckets,
            "n_events": self.n_events,
            "n_leads": self.n_leads,
            "n_base": self.n_base,
            "n_added": self.n_added,
            "n_overwritten": self.n_overwritten,
            "vocabulary": {"types": words.types, "groups": words.groups},
            "words": words.words,
            "profile_columns": words.profile_columns,
            "bots": [rule.model_dump() for rule in words.bots],
            "sources": [cast(StoredObserved, vars(row)) for row in self.watermarks.observed],
            "complete_until_us": self.watermarks.stated,
            "accounts": dict(self.accounts),
            "silences_us": self.watermarks.silences,
            "silent_after_us": self.watermarks.patience,
            "observed_from_us": self.observed_from_us,
            "observed_until_us": self.observed_until_us,
            "corrected_until_us": self.corrected_until_us,
            "full_export_us": self.full_export_us,
            "state_us": self.state_us,
            "snapshot_us": self.snapshot_us,
            "versions": {"events": _hex(self.events), "profiles": _hex(self.profiles)},
            "digest_of_0_1": self.digest_of_0_1,
            "digest": self.digest,
        }


def _hex(digest: int | None) -> str | None:
    return None if digest is None else f"{digest:032x}"


def _number(text: str | None) -> int | None:
    return None if text is None else int(text, 16)


def read_manifest(log_path: Path) -> Manifest:
    """What a log holds. Raises DataError when there is none, or one of another format."""
    file = log_path / NAME
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{log_path} holds no event log; run `leadscore ingest` first") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read ({error}); restore it, or ingest again into an empty folder") from None
    if not isinstance(stored, dict):
        raise DataError(f"{file} is no manifest of an event log; ingest again into an empty folder")
    if stored.get("format") not in (1, FORMAT):
        raise DataError(f"{log_path} is an event log of another format; ingest again into an empty folder")
    try:
        return _from_json(cast(StoredManifest | StoredManifest01, stored))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file} is damaged ({error!r}); restore it, or ingest again into an empty folder") from None


def whole_manifest(log_path: Path) -> Manifest:
    """The same, of a log all of whose parts are there. Raises DataError also where one is not."""
    manifest = read_manifest(log_path)
    gone = [name for name in manifest.parts if not (log_path / name).is_dir()]
    if not gone:
        return manifest
    if read_manifest(log_path).parts != manifest.parts:
        return whole_manifest(log_path)  # an ingest has replaced them meanwhile
    raise DataError(
        f"{log_path / NAME} names {gone[0]}, which is not there: the folder was copied or restored in part; restore "
        "all of it, or ingest again into an empty folder"
    )


def _from_json(stored: StoredManifest | StoredManifest01) -> Manifest:
    vocabulary = stored["vocabulary"]
    manifest = Manifest(
        (),
        0,
        words=LogVocabulary(
            tuple(vocabulary["types"]),
            {name: tuple(types) for name, types in vocabulary["groups"].items()},
            stored["words"],
            stored["profile_columns"],
            tuple(BotRule.model_validate(rule) for rule in stored["bots"]),
        ),
        n_buckets=stored["n_buckets"],
        n_events=stored["n_events"],
        n_leads=stored["n_leads"],
        observed_from_us=stored["observed_from_us"],
        observed_until_us=stored["observed_until_us"],
    )
    return _of_0_1(stored, manifest) if stored["format"] == 1 else _of_now(stored, manifest)


def _of_0_1(stored: StoredManifest01, manifest: Manifest) -> Manifest:
    return replace(
        manifest,
        parts=(stored["generation"],),
        ingests=int(stored["generation"].rpartition("-")[2]),
        n_base=manifest.n_events,
        events=None,
        profiles=None,
        digest_of_0_1=stored["digest"],
    )


def _of_now(stored: StoredManifest, manifest: Manifest) -> Manifest:
    return replace(
        manifest,
        parts=tuple(stored["parts"]),
        ingests=stored["ingests"],
        n_base=stored["n_base"],
        n_added=stored["n_added"],
        n_overwritten=stored["n_overwritten"],
        watermarks=Watermarks(
            tuple(Observed(**row) for row in stored["sources"]),
            stored["complete_until_us"],
            stored.get("silences_us", {}),
            stored.get("silent_after_us", {}),
        ),
        accounts=stored.get("accounts", {}),
        corrected_until_us=stored.get("corrected_until_us", 0),
        full_export_us=stored.get("full_export_us", 0),
        state_us=stored.get("state_us", 0),
        snapshot_us=stored.get("snapshot_us", 0),
        events=_number(stored["versions"]["events"]),
        profiles=_number(stored["versions"]["profiles"]),
        digest_of_0_1=stored["digest_of_0_1"],
    )


def write_manifest(log_path: Path, manifest: Manifest) -> None:
    """Names the parts that hold from now on; the swap is atomic and on disk when this returns."""
    draft = log_path / f"{NAME}.draft"
    draft.write_text(json.dumps(manifest.to_json(), indent=1) + "\n", encoding="utf-8")
    sync(draft)
    os.replace(draft, log_path / NAME)
    sync(log_path)


def sync(path: Path) -> None:
    """Returns when a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
