"""One shard of a training set: the rows of one bucket of the event log, as one Parquet file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.company_files import read_companies
from data.histories import Histories
from data.log.eventlog import EventLog
from data.own_functions import OwnFunction
from features.compiler import compile_plan, looks_around
from features.kernel import Moments, compute
from features.moments import LabelledMoments, label_moments
from features.own_features import own_columns
from features.plan import Plan
from features.recipe import Recipe

KEYS = ("lead_id", "as_of", "label", "mature", "censored", "weight", "event_days", "observed_days")
"""The columns of a shard that are no features."""
ROWS = "rows"
"""The folder of the shards."""
CHUNK = 66_000
"""Moments computed at once. No power of two: the columns of a row would fall into the same few lines of the cache."""


def build_shard(log_path: Path, number: int, recipe: Recipe, out: Path, beside: Path | None = None) -> None:
    """Writes one bucket's shard, unless it is there already; what it holds depends on nothing but its arguments.

    beside: where the log's companies lie. Where the folder is not seen, on another machine, they are read from the log.
    """
    shard = shard_path(out, number)
    if digest_of(shard) == recipe.digest:
        return
    histories = EventLog.open(log_path).bucket(number)
    if beside is not None and looks_around(recipe.catalogue):
        with suppress(OSError):
            histories = replace(histories, companies=read_companies(beside))
    plan = compile_plan(recipe.catalogue, recipe.vocabulary, recipe.unobserved)
    until, known_until = recipe.observed_until, recipe.known_until or None
    labelled = label_moments(histories, recipe.target, recipe.policy, until, known_until)
    draft = shard.with_suffix(f".{os.getpid()}.draft")
    schema = _schema(plan, recipe.own).with_metadata({"recipe": recipe.digest})
    with pq.ParquetWriter(draft, schema, **_layout(plan, recipe.own)) as writer:
        for rows in _chunks(labelled.moments):
            table = _rows(plan, histories, labelled, rows)
            moments = Moments(labelled.moments.lead[rows], labelled.moments.as_of[rows])
            for name, column in own_columns(recipe.own, histories, moments).items():
                table = table.append_column(name, column)
            writer.write_table(table.cast(schema))
    os.replace(draft, shard)


def _rows(plan: Plan, histories: Histories, labelled: LabelledMoments, rows: slice) -> pa.Table:
    moments = Moments(labelled.moments.lead[rows], labelled.moments.as_of[rows])
    labels = labelled.labels
    label = labels.label[rows]
    keys = [
        histories.lead_ids.take(pa.array(moments.lead)),
        pa.array(moments.as_of).cast(pa.timestamp("us", "UTC")),
        pa.array(label, mask=label < 0),
        pa.array(labels.mature[rows]),
        pa.array(labels.censored[rows]),
        pa.array(labelled.weight[rows]),
        pa.array(labels.event_days[rows]),
        pa.array(labels.observed_days[rows]),
    ]
    features = compute(plan, histories, moments)
    columns = [_own_words(column) for column in features.columns]
    return pa.Table.from_arrays([*keys, *columns], names=[*KEYS, *features.column_names])


def _own_words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A category with the words of its own rows alone: what else the log knows by now changes no file."""
    if not pa.types.is_dictionary(column.type):
        return column
    return column.cast(column.type.value_type).dictionary_encode()


def _chunks(moments: Moments) -> Iterator[slice]:
    """Slices of about CHUNK moments that end where a lead ends."""
    ends = np.flatnonzero(np.diff(moments.lead, append=-1)) + 1
    start = 0
    for end in ends[
        np.searchsorted(ends, np.arange(CHUNK, len(moments) + CHUNK, CHUNK)).clip(max=max(len(ends) - 1, 0))
    ]:
        if end > start:
            yield slice(start, int(end))
            start = int(end)


def _schema(plan: Plan, own: Sequence[OwnFunction]) -> pa.Schema:
    """Only the label and categories can be null: a missing number is NaN, which is written without a mask."""
    category, number = pa.dictionary(pa.int32(), pa.string()), pa.float32()
    instant, day = pa.timestamp("us", "UTC"), pa.float64()
    keys = (pa.string(), instant, pa.int8(), pa.bool_(), pa.bool_(), pa.float32(), day, day)
    fields = [pa.field(name, kind, nullable=name == "label") for name, kind in zip(KEYS, keys, strict=True)]
    for feature in plan.definitions:
        is_category = feature.kind == "category"
        fields.append(pa.field(feature.name, category if is_category else number, nullable=is_category))
    fields += [pa.field(function.short_name, number, nullable=False) for function in own]
    return pa.schema(fields)


class Layout(TypedDict):
    """How pyarrow writes a shard."""

    compression: dict[str, str]
    use_dictionary: list[str]
    write_statistics: bool


def _layout(plan: Plan, own: Sequence[OwnFunction]) -> Layout:
    """How shards are written: lz4 makes them three times smaller at little cost; nobody filters by statistics.

    Fractions of many digits do not shrink, so nothing is spent on trying.
    """
    codecs = {feature.name: "none" if feature.fractional else "lz4" for feature in plan.definitions}
    categories = [feature.name for feature in plan.definitions if feature.kind == "category"]
    return {
        "compression": {**dict.fromkeys([*KEYS, *(function.short_name for function in own)], "lz4"), **codecs},
        "use_dictionary": ["lead_id", *categories],
        "write_statistics": False,
    }


def shard_path(out: Path, number: int) -> Path:
    """Where the shard of a bucket lies."""
    return out / ROWS / shard_name(number)


def shard_name(number: int) -> str:
    """What the file of a bucket is called."""
    return f"shard-{number:03d}.parquet"


def digest_of(shard: Path) -> str:
    """Digest of the recipe by which a shard was made, empty where there is none."""
    try:
        return str((pq.read_schema(shard).metadata or {}).get(b"recipe", b"").decode())
    except (OSError, pa.ArrowInvalid):
        return ""
