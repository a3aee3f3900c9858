"""The training set: who, when, label, and what was known then, as one Parquet shard per bucket of the event log.

The folder `rows` holds the shards and nothing else, so that pandas, Polars and DuckDB read it as one data set.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.company_files import write_companies
from data.contract import DataError
from data.log.eventlog import EventLog
from data.temporary import temporary_folder
from data.typed_json import Json, from_json, to_json
from features.compiler import looks_around
from features.kinds import Definition
from features.recipe import Recipe, recipe_from
from features.training_shard import ROWS, build_shard, shard_name, shard_path

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
        path = self.rows / shard_name(bucket)
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


def _sweep(out: Path, shards: int) -> None:
    """Removes drafts of builds that were killed, and shards of a log with more buckets or beside the folder of rows."""
    for stray in {*out.glob("shard-*"), *(out / ROWS).iterdir()} - {
        shard_path(out, number) for number in range(shards)
    }:
        stray.unlink(missing_ok=True)


def _finish(out: Path, recipe: Recipe, shards: int) -> TrainingSet:
    """Counts rows and writes the file that makes the set complete."""
    totals, digest = np.zeros(4, np.int64), hashlib.sha256()
    for number in range(shards):
        keys = pq.read_table(shard_path(out, number), columns=["label", "mature", "censored"])
        label = keys.column("label").fill_null(-1).to_numpy()
        totals += [
            len(keys),
            (label == 1).sum(),
            *(keys.column(name).to_numpy().sum() for name in ("mature", "censored")),
        ]
        digest.update(hashlib.sha256(shard_path(out, number).read_bytes()).digest())
    names = ("moments", "positives", "mature", "censored")
    summary = Summary(recipe, **dict(zip(names, totals.tolist(), strict=True)), digest=digest.hexdigest())
    draft = out / "training_set.json.draft"
    draft.write_text(json.dumps(to_json(summary), indent=1))
    os.replace(draft, out / "training_set.json")
    return TrainingSet.open(out)
