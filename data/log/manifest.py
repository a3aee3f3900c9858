"""log.json: names the generation of the log that holds, and says what is in it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping as Table
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from data.contract import UsageError
from data.histories import FAR
from data.log.eventlog import FORMAT, EventLog
from data.sources.mapping import BotRule, Mapping

KINDS = ("events", "leads", "profiles")


@dataclass(frozen=True)
class Words:
    """What the manifest says besides counts: vocabulary, plain words, profile columns, bot rules."""

    types: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    words: dict[str, dict[str, str]]
    profile_columns: dict[str, str]
    bots: tuple[BotRule, ...]


def merged_words(old: EventLog | None, mapping: Mapping) -> Words:
    """Types in the order first seen, members of groups united, the newer words and rules on top.

    Raises UsageError where a profile column changes from category to number, or back.
    """
    profile = mapping.leads.profile if mapping.leads else {}
    if old is None:
        return Words(mapping.event_types, dict(mapping.groups), dict(mapping.words), profile, mapping.bots)
    _check_kinds(mapping, old.profile_columns, profile)
    groups = {
        name: tuple(dict.fromkeys((*old.vocabulary.groups.get(name, ()), *mapping.groups.get(name, ()))))
        for name in dict.fromkeys((*old.vocabulary.groups, *mapping.groups))
    }
    rules = {rule.name: rule for rule in (*old.bots, *mapping.bots)}
    return Words(
        tuple(dict.fromkeys((*old.vocabulary.types, *mapping.event_types))),
        groups,
        {**old.words, **mapping.words},
        {**old.profile_columns, **profile},
        tuple(rules.values()),
    )


def _check_kinds(mapping: Mapping, known: Table[str, str], profile: Table[str, str]) -> None:
    for name, kind in profile.items():
        if known.get(name, kind) != kind:
            raise UsageError(
                f"mapping {mapping.name}: column {name!r} is a {kind} here and a {known[name]} in the log; rename it"
            )


def write_manifest(log_path: Path, generation: str, n_buckets: int, words: Words, until: int = FAR) -> None:
    """Names the generation that holds from now on; the swap is atomic and on disk when this returns.

    until: µs UTC beyond which nothing can have been observed; what is dated today is known only when the day is over.
    """
    folder = log_path / generation
    events = [pq.read_metadata(folder / f"events-{bucket:02d}.parquet") for bucket in range(n_buckets)]
    leads = [pq.read_metadata(folder / f"leads-{bucket:02d}.parquet") for bucket in range(n_buckets)]
    first, last = _period(events)
    manifest = {
        "format": FORMAT,
        "generation": generation,
        "n_buckets": n_buckets,
        "n_events": sum(file.num_rows for file in events),
        "n_leads": sum(file.num_rows for file in leads),
        "vocabulary": {"types": words.types, "groups": words.groups},
        "words": words.words,
        "profile_columns": words.profile_columns,
        "bots": [rule.model_dump() for rule in words.bots],
        "observed_from_us": first,
        "observed_until_us": min(last, until),
        "digest": _digest(folder, n_buckets, words),
    }
    draft = log_path / "log.json.draft"
    draft.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    sync(draft)
    os.replace(draft, log_path / "log.json")
    sync(log_path)


def sync(path: Path) -> None:
    """Returns when a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(folder: Path, n_buckets: int, words: Words) -> str:
    """Of all rows and the vocabulary."""
    about = json.dumps([words.types, words.groups, words.profile_columns], sort_keys=True)
    digest = hashlib.sha256(about.encode())
    for bucket in range(n_buckets):
        for kind in KINDS:
            with (folder / f"{kind}-{bucket:02d}.parquet").open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _period(events: list[Any]) -> tuple[int, int]:
    """First and last known_at (µs UTC) from the statistics of the files, 0 where there are no events."""
    statistics = [about.row_group(i).column(1).statistics for about in events for i in range(about.num_row_groups)]
    known = [group for group in statistics if group is not None and group.has_min_max]
    return min((_us(group.min) for group in known), default=0), max((_us(group.max) for group in known), default=0)


def _us(moment: Any) -> int:
    return int(np.datetime64(moment.replace(tzinfo=None), "us").astype(np.int64))
