"""Appends to a log that has grown: 50,000 events beside those that are there, and features over a log with deltas."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import OUT, Row, measure
from benchmarks.ingest import write_export

MORE, DELTAS = 50_000, 20
SIZES = (1_000_000, 5_000_000, 20_000_000)


def run(arguments: Sequence[str]) -> list[Row]:
    """`[SIZE …]`: events in the log before; by default 1M, 5M and 20M."""
    OUT.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=OUT) as folder:
        exports = [_export(Path(folder), number) for number in range(DELTAS)]
        measure("warm", MORE, append, f"{folder}/warm", exports[0])
        empty = measure("into an empty log", MORE, append, f"{folder}/empty", exports[0])
        rows.append(empty | {"cpu_ratio": 1.0})
        for size in [int(argument) for argument in arguments] or SIZES:
            rows += _at(Path(folder), size, exports, empty)
    return rows


def _at(folder: Path, size: int, exports: Sequence[str], empty: Row) -> list[Row]:
    log = folder / f"log-{size}"
    write_export(folder / "base.csv", size)
    rows = [measure("bulk", size, append, str(log), str(folder / "base.csv"))]
    (folder / "base.csv").unlink()
    made = [measure("append", size, append, str(log), export) for export in exports]
    for row in made:
        row["cpu_ratio"] = round(row["cpu_s"] / empty["cpu_s"], 2)
    rows += [made[0], max(made[1:], key=lambda row: row["cpu_s"]) | {"contender": "slowest of the next 19"}]
    deltas = [measure(name, size, job, str(log)) for name, job in READERS.items()]
    rows.append(measure("compact", size, compacted, str(log)))
    whole = [measure(f"{name}, compacted", size, job, str(log)) for name, job in READERS.items()]
    for before, after in zip(deltas, whole, strict=True):
        rows += [before | {"cpu_ratio": round(before["cpu_s"] / after["cpu_s"], 2)}, after]
    shutil.rmtree(log)
    shutil.rmtree(f"{log}-features")
    return rows


def _export(folder: Path, number: int) -> str:
    """Events of leads of whom half are in the log already, with ids of their own."""
    path = folder / f"more-{number}.csv"
    write_export(path, MORE)
    text = path.read_text().replace("site", f"more-{number}")
    path.write_text(text)
    return str(path)


def append(log: str, export: str) -> Mapping[str, Any]:
    """An ingest."""
    from data.intake.ingest import ingest
    from data.sources.mapping import read_mapping

    return {"accepted": ingest(Path(log), read_mapping("simulated"), [export]).events.accepted}


def read(log: str) -> Mapping[str, Any]:
    """Every bucket's histories."""
    from data.log.eventlog import EventLog

    opened = EventLog.open(Path(log))
    return {"events": sum(opened.bucket(number).n_events for number in range(opened.n_buckets)),
            "parts": len(opened.folders)}  # fmt: skip


def features(log: str) -> Mapping[str, Any]:
    """A training set of the whole log, with the features that are the default."""
    from data.log.eventlog import EventLog
    from features.catalogue import default_catalogue
    from features.labels import Target
    from features.moments import MomentPolicy
    from features.recipe import Recipe
    from features.training_set import build

    opened, target = EventLog.open(Path(log)), Target("lost", ("deal_lost",))
    catalogue = default_catalogue(opened.vocabulary, opened.profile_columns, target.outcomes)
    policy = MomentPolicy(every_days=7, max_per_lead=4)
    shutil.rmtree(f"{log}-features", ignore_errors=True)
    recipe = Recipe(opened.digest, opened.observed_until_us + 1, opened.vocabulary, catalogue, target, policy)
    return {"moments": build(opened, recipe, Path(f"{log}-features")).moments, "parts": len(opened.folders)}


READERS = {"features": features, "read": read}


def compacted(log: str) -> Mapping[str, Any]:
    """Deltas woven into the base."""
    from data.log.compaction import compact

    return {"woven": compact(Path(log))}


def _imports(*_: str) -> None:
    """Imports, and what is compiled once, are not what is measured."""
    import data.intake.ingest
    import data.log.compaction
    import data.sources.mapping
    import data.sources.textfiles  # noqa: F401
    import features.catalogue
    import features.training_set  # noqa: F401


def _warm(log: str) -> None:
    """Compiled functions are loaded, or made where they have changed, with a small log."""
    _imports()
    features(str(Path(log).with_name("warm")))


features.prepare = _warm  # type: ignore[attr-defined]
append.prepare = read.prepare = compacted.prepare = _imports  # type: ignore[attr-defined]
