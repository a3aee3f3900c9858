"""log.json: names the parts of the log that hold, and says what is in them. Swapped atomically."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from collections.abc import Mapping as Table
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.contract import DataError, UsageError
from data.log.version_index import taken
from data.log.watermarks import Observed, Watermarks
from data.sources.mapping import BotRule, Mapping
from data.vocabulary import Vocabulary

FORMAT = 2
BUCKETS = 32
NAME = "log.json"


@dataclass(frozen=True)
class Words:
    """What the mappings said: vocabulary, plain words, profile columns (`category` or `number`), bot rules."""

    types: tuple[str, ...] = ()
    groups: Table[str, tuple[str, ...]] = field(default_factory=dict)
    words: Table[str, dict[str, str]] = field(default_factory=dict)
    profile_columns: Table[str, str] = field(default_factory=dict)
    bots: tuple[BotRule, ...] = ()

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.types, dict(self.groups))

    def and_those_of(self, mapping: Mapping) -> Words:
        """Types in the order first seen, members of groups united, the newer words and rules on top.

        Raises UsageError where a profile column changes from category to number, or back.
        """
        profile = mapping.profile
        self._check_kinds(mapping, profile)
        groups = {
            name: tuple(dict.fromkeys((*self.groups.get(name, ()), *mapping.groups.get(name, ()))))
            for name in dict.fromkeys((*self.groups, *mapping.groups))
        }
        return Words(
            tuple(dict.fromkeys((*self.types, *mapping.event_types))),
            groups,
            {**self.words, **mapping.words},
            {**self.profile_columns, **profile},
            tuple({rule.name: rule for rule in (*self.bots, *mapping.bots)}.values()),
        )

    def without_types(self, types: Collection[str]) -> Words:
        """Without event types that nobody tells of any more; a group without types is none."""
        groups = {name: tuple(kind for kind in of if kind not in types) for name, of in self.groups.items()}
        return replace(
            self,
            types=tuple(kind for kind in self.types if kind not in types),
            groups={name: of for name, of in groups.items() if of},
        )

    def _check_kinds(self, mapping: Mapping, profile: Table[str, str]) -> None:
        for name, kind in profile.items():
            known = self.profile_columns.get(name, kind)
            if known != kind:
                raise UsageError(
                    f"mapping {mapping.name}: column {name!r} is a {kind} here and a {known} in the log; rename it"
                )


@dataclass(frozen=True)
class Manifest:
    """What log.json says.

    parts: folders, the base first, then deltas in the order in which they came. ingests: how many made it.
    n_events: rows of events, also those that were corrected later. n_base, n_added: rows of events and profile versions
    in the base and in the deltas. n_overwritten: profile versions that said something else about a time that was known.
    corrected_until_us: the last time at which events became known to be wrong; full_export_us: the newest export that
    had all leads; state_us: the newest whose rows say what is not so any more. accounts: of sources that were pulled,
    the vendor's id of the account.
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
    words: Words = field(default_factory=Words)
    watermarks: Watermarks = field(default_factory=Watermarks)
    accounts: Table[str, str] = field(default_factory=dict)
    n_overwritten: int = 0
    observed_from_us: int = 0
    observed_until_us: int = 0
    corrected_until_us: int = 0
    full_export_us: int = 0
    state_us: int = 0
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

    def to_json(self) -> dict[str, Any]:
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
            "sources": [vars(row) for row in self.watermarks.observed],
            "complete_until_us": self.watermarks.stated,
            "accounts": dict(self.accounts),
            "silences_us": self.watermarks.silences,
            "silent_after_us": self.watermarks.patience,
            "observed_from_us": self.observed_from_us,
            "observed_until_us": self.observed_until_us,
            "corrected_until_us": self.corrected_until_us,
            "full_export_us": self.full_export_us,
            "state_us": self.state_us,
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
        about = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{log_path} holds no event log; run `leadscore ingest` first") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read ({error}); restore it, or ingest again into an empty folder") from None
    if not isinstance(about, dict):
        raise DataError(f"{file} is no manifest of an event log; ingest again into an empty folder")
    if about.get("format") not in (1, FORMAT):
        raise DataError(f"{log_path} is an event log of another format; ingest again into an empty folder")
    try:
        return _from_json(about)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file} is damaged ({error!r}); restore it, or ingest again into an empty folder") from None


def _from_json(about: dict[str, Any]) -> Manifest:
    groups = {name: tuple(types) for name, types in about["vocabulary"]["groups"].items()}
    bots = tuple(BotRule(**rule) for rule in about["bots"])
    words = Words(tuple(about["vocabulary"]["types"]), groups, about["words"], about["profile_columns"], bots)
    counts = {
        name: about[name] for name in ("n_buckets", "n_events", "n_leads", "observed_from_us", "observed_until_us")
    }
    manifest = Manifest((), 0, words=words, **counts)
    if about["format"] == 1:
        number = int(about["generation"].rpartition("-")[2])
        return replace(manifest, parts=(about["generation"],), ingests=number, n_base=manifest.n_events,
                       events=None, profiles=None, digest_of_0_1=about["digest"])  # fmt: skip
    observed = tuple(Observed(**row) for row in about["sources"])
    return replace(
        manifest,
        parts=tuple(about["parts"]),
        ingests=about["ingests"],
        n_base=about["n_base"],
        n_added=about["n_added"],
        n_overwritten=about["n_overwritten"],
        watermarks=Watermarks(
            observed, about["complete_until_us"], about.get("silences_us", {}), about.get("silent_after_us", {})
        ),
        accounts=about.get("accounts", {}),
        corrected_until_us=about.get("corrected_until_us", 0),
        full_export_us=about.get("full_export_us", 0),
        state_us=about.get("state_us", 0),
        events=_number(about["versions"]["events"]),
        profiles=_number(about["versions"]["profiles"]),
        digest_of_0_1=about["digest_of_0_1"],
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
