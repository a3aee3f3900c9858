"""The training set: who, when, label, and what was known then, as one Parquet shard per bucket of the event log.

The folder `rows` holds the shards and nothing else, so that pandas, Polars and DuckDB read it as one data set.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.company_files import read_companies, write_companies
from data.contract import DataError
from data.histories import Histories
from data.log.eventlog import EventLog
from data.own_functions import OwnFunction
from data.temporary import temporary_folder
from data.typed_json import Json, from_json, to_json
from features.compiler import compile_plan, looks_around
from features.kernel import Moments, compute
from features.kinds import Definition
from features.moments import LabelledMoments, label_moments
from features.own_features import own_columns
from features.plan import Plan
from features.recipe import Recipe, recipe_from

KEYS = ("lead_id", "as_of", "label", "mature", "censored", "weight", "event_days", "observed_days")
"""The columns of a shard that are no features."""
ROWS = "rows"
"""The folder of the shards."""
CHUNK = 66_000
"""Moments computed at once. No power of two: the columns of a row would fall into the same few lines of the cache."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Summary:
    """The file that makes a training set complete: what it was made by, its rows by kind, and a digest of them."""

    recipe: Annotated[Recipe, Json(recipe_from, Recipe.to_json)]
    moments: int
    positives: int
    mature: int
    censored: int
    digest: str


@dataclass(frozen=True)
class TrainingSet:
    """A training set on disk. Rows: moments; `label` is null where censored."""

    path: Path
    recipe: Recipe
    moments: int
    positives: int
    mature: int
    censored: int
    digest: str

    @staticmethod
    def open(path: Path) -> TrainingSet:
        """Opens a training set that was built completely; raises DataError when there is none."""
        try:
            content = json.loads((path / "training_set.json").read_text())
        except (OSError, ValueError):
            raise DataError(f"{path} holds no complete training set; run `leadscore features` first") from None
        try:
            summary = from_json(Summary, content, "training_set.json")
        except DataError as error:
            raise DataError(f"{path}: {error}; run `leadscore features` again") from None
        return TrainingSet(path, **vars(summary))

    @property
    def rows(self) -> Path:
        """The folder of the shards; earlier versions had no folder of their own for them."""
        return rows if (rows := self.path / ROWS).is_dir() else self.path

    @property
    def catalogue(self) -> Sequence[Definition]:
        return self.recipe.catalogue

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows in order of (as_of, lead_id), these columns or all; category columns share one dictionary.

        Raises DataError when a shard is damaged.
        """
        wanted = None if columns is None else list(dict.fromkeys([*columns, "as_of", "lead_id"]))
        try:
            shards = [pq.read_table(shard, columns=wanted) for shard in sorted(self.rows.glob("shard-*.parquet"))]
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{self.path} cannot be read ({error}); run `leadscore features` again") from None
        table = pa.concat_tables(shards).unify_dictionaries()
        table = table.sort_by([("as_of", "ascending"), ("lead_id", "ascending")])
        return table if columns is None else table.select(list(columns))

    def pieces(self) -> Iterator[pa.Table]:
        """All rows in pieces of about CHUNK that end where a lead ends, in order of (lead, as_of) within each.

        Raises DataError when a shard is damaged.
        """
        try:
            for shard in sorted(self.rows.glob("shard-*.parquet")):
                with pq.ParquetFile(shard) as file:
                    yield from (file.read_row_group(group) for group in range(file.num_row_groups))
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{self.path} cannot be read ({error}); run `leadscore features` again") from None

    def shard(self, bucket: int) -> pa.Table:
        """The rows of one bucket of the event log, in order of (lead, as_of). Raises DataError when it is damaged."""
        path = self.rows / _shard_name(bucket)
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path} cannot be read ({error}); run `leadscore features` again") from None


def build(
    log: EventLog, recipe: Recipe, out: Path, jobs: int = 2, progress: Progress = lambda done, of: None
) -> TrainingSet:
    """Builds the training set bucket by bucket with joblib; on a cluster when joblib's backend is one.

    A finished shard of the same recipe is kept, so that an interrupted build goes on where it stopped.
    Raises DataError when the log has changed since the recipe was made.
    """
    if log.digest != recipe.log_digest:
        raise DataError(f"{log.path} has changed since the recipe was made; start again")
    return make(log, recipe, out, jobs, progress)


def make(
    log: EventLog, recipe: Recipe, out: Path, jobs: int = 2, progress: Progress = lambda done, of: None
) -> TrainingSet:
    """The training set of a recipe, also from a log that has grown since: of what came later the rows know nothing.

    They are the same, byte for byte, where the log still holds all that was known then.
    """
    import joblib  # who only reads a training set, as a server does its schema, goes without

    (out / ROWS).mkdir(parents=True, exist_ok=True)
    (out / "training_set.json").unlink(missing_ok=True)
    _sweep(out, log.n_buckets)
    with temporary_folder("companies") as beside:
        if looks_around(recipe.catalogue):
            write_companies(log.read_companies(), beside)
        failed: list[Exception] = []
        shards = ((log.path, number, recipe, out, beside) for number in range(log.n_buckets))
        tasks = (joblib.delayed(_tried)(failed, *shard) for shard in shards)
        done = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator_unordered")(tasks)
        for finished, error in enumerate(done, start=1):
            if error is not None:
                failed.append(error)
            progress(finished, log.n_buckets)
        if failed:
            raise failed[0]
    _sweep(out, log.n_buckets)
    return _finish(out, recipe, log.n_buckets)


def _tried(failed: Sequence[Exception], *shard: Any) -> Exception | None:
    """What has kept a shard from being built; none is begun after a failure, and those in work are waited for.

    A thread that still works when the process ends would take it down, with a folder gone under its hands.
    """
    try:
        if not failed:
            build_shard(*shard)
    except Exception as error:
        return error
    return None


def build_shard(log_path: Path, number: int, recipe: Recipe, out: Path, beside: Path | None = None) -> None:
    """Writes one bucket's shard, unless it is there already; what it holds depends on nothing but its arguments.

    beside: where the log's companies lie. Where the folder is not seen, on another machine, they are read from the log.
    """
    shard = _shard(out, number)
    if _digest_of(shard) == recipe.digest:
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


def _shard(out: Path, number: int) -> Path:
    return out / ROWS / _shard_name(number)


def _shard_name(number: int) -> str:
    return f"shard-{number:03d}.parquet"


def _sweep(out: Path, shards: int) -> None:
    """Removes drafts of builds that were killed, and shards of a log with more buckets or beside the folder of rows."""
    for stray in {*out.glob("shard-*"), *(out / ROWS).iterdir()} - {_shard(out, number) for number in range(shards)}:
        stray.unlink(missing_ok=True)


def _digest_of(shard: Path) -> str:
    try:
        return str((pq.read_schema(shard).metadata or {}).get(b"recipe", b"").decode())
    except (OSError, pa.ArrowInvalid):
        return ""


def _finish(out: Path, recipe: Recipe, shards: int) -> TrainingSet:
    """Counts rows and writes the file that makes the set complete."""
    totals, digest = np.zeros(4, np.int64), hashlib.sha256()
    for number in range(shards):
        keys = pq.read_table(_shard(out, number), columns=["label", "mature", "censored"])
        label = keys.column("label").fill_null(-1).to_numpy()
        totals += [
            len(keys),
            (label == 1).sum(),
            *(keys.column(name).to_numpy().sum() for name in ("mature", "censored")),
        ]
        digest.update(hashlib.sha256(_shard(out, number).read_bytes()).digest())
    names = ("moments", "positives", "mature", "censored")
    summary = Summary(recipe, **dict(zip(names, totals.tolist(), strict=True)), digest=digest.hexdigest())
    draft = out / "training_set.json.draft"
    draft.write_text(json.dumps(to_json(summary), indent=1))
    os.replace(draft, out / "training_set.json")
    return TrainingSet.open(out)
