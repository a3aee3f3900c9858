"""log.json as it is stored, key by key: of this version, and of 0.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from data.contract import ColumnKind
from data.typed_json import JsonObject


class StoredVocabulary(TypedDict):
    """Event types, and groups of them."""

    types: Sequence[str]
    groups: Mapping[str, Sequence[str]]


class StoredObserved(TypedDict, total=False):
    """What was seen of a type of events of a source, see `Observed`."""

    source: str
    event_type: str
    first: int
    last: int
    events: int


class StoredDigests(TypedDict):
    """Digests of versions, hexadecimal; None in a log of version 0.1 that was not written since."""

    events: str | None
    profiles: str | None


class StoredAlways(TypedDict):
    """What every version has said."""

    vocabulary: StoredVocabulary
    words: Mapping[str, dict[str, str]]
    profile_columns: Mapping[str, ColumnKind]
    bots: Sequence[JsonObject]
    n_buckets: int
    n_events: int
    n_leads: int
    observed_from_us: int
    observed_until_us: int


class StoredManifest01(StoredAlways):
    """That of version 0.1: one folder, and a digest of its own."""

    format: Literal[1]
    generation: str
    digest: str


class StoredLater(TypedDict, total=False):
    """What was added to format 2, and may be missing."""

    accounts: Mapping[str, str]
    silences_us: Mapping[str, int]
    silent_after_us: Mapping[str, int]
    corrected_until_us: int
    full_export_us: int
    state_us: int
    snapshot_us: int


class StoredManifest(StoredAlways, StoredLater):
    """That of this version, see `Manifest`; digest: for people who compare logs, it is not read again."""

    format: Literal[2]
    parts: Sequence[str]
    ingests: int
    n_base: int
    n_added: int
    n_overwritten: int
    sources: Sequence[StoredObserved]
    complete_until_us: Mapping[str, int]
    versions: StoredDigests
    digest_of_0_1: str
    digest: str
