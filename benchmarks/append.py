"""Appends to a log that has grown: 50,000 events beside those that are there, features over a log with deltas, and a
compaction that is killed."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks._kept import Kept
from benchmarks._killed import content, kill, link
from benchmarks.harness import OUT, Row, measure
from benchmarks.ingest import write_export

MORE, DELTAS, KILLS, TRIES, TURNS = 50_000, 20, 50, 3, 5
STEP = 10_000_000
SIZES = (1_000_000, 5_000_000, 20_000_000, 50_000_000, 100_000_000)
FOLDER = OUT / "append"


def run(arguments: Sequence[str]) -> list[Row]:
    """`[--kills N] [SIZE …]`: events in the log before. What is done stays done until var/bench/append is removed."""
    parser = argparse.ArgumentParser(prog="benchmarks append")
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--kills", type=int, default=KILLS)
    options = parser.parse_args(arguments)
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = Kept(FOLDER / "rows.jsonl")
    exports = [_export(number) for number in range(DELTAS)]
    rows = [_empty(results, exports[0])]
    for size in options.sizes:
        rows += _at(results, size, exports, options.kills)
    return rows


def _empty(results: Kept, export: str) -> Row:
    """What the same append costs where nothing is."""
    row = results.row("into an empty log", MORE)
    for number in range(0 if row else TRIES):
        log = FOLDER / f"empty-{number}"
        shutil.rmtree(log, ignore_errors=True)
        made = measure("into an empty log", MORE, append, str(log), export)
        row = min(row or made, made, key=lambda some: float(some["cpu_s"]))
        if number == TRIES - 1:
            results.add(row)
    return {**row, "cpu_ratio": 1.0} if row else {}


def _at(results: Kept, size: int, exports: Sequence[str], kills: int) -> list[Row]:
    log, empty = str(FOLDER / f"log-{size}"), _empty(results, exports[0])
    rows = [_bulk(results, size, log)]
    made = [results.measured(f"append {number}", size, append, log, export) for number, export in enumerate(exports)]
    by_cost = sorted(made, key=lambda row: float(row["cpu_s"]))
    for name, row in (("first append", made[0]), ("median", by_cost[DELTAS // 2]), ("slowest", by_cost[-1])):
        rows.append(row | {"contender": name, "cpu_ratio": round(row["cpu_s"] / empty["cpu_s"], 2)})
    with_deltas = f"{log}-kept"
    if not Path(with_deltas).exists():
        link(Path(log), Path(with_deltas))
    rows.append(_killed(results, size, log, kills))
    rows.append(results.measured("compact", size, compacted, log))
    for name, job in READERS.items():
        rows += results.in_turn(size, {name: (job, with_deltas), f"{name}, compacted": (job, log)}, TURNS)
    before = results.measured("content", size, content, with_deltas)
    after = results.measured("content, compacted", size, content, log)
    if before["hash"] != after["hash"]:
        raise RuntimeError(f"the compacted log of {size:,} events does not say what it said before")
    for folder in (log, f"{log}-features", with_deltas, f"{with_deltas}-features"):
        shutil.rmtree(folder, ignore_errors=True)
    return rows


def _bulk(results: Kept, size: int, log: str) -> Row:
    """The log before, compacted: ingested by steps, so that a run that was cut off loses one of them."""
    export, made = FOLDER / "base.csv", []
    for begin in range(0, size, STEP):
        end, name = min(begin + STEP, size), f"bulk from {begin:,}"
        if results.row(name, size) is None:
            write_export(export, size, range(begin, end))
        made.append(results.measured(name, size, append, log, str(export)))
        export.unlink(missing_ok=True)
    made.append(results.measured("compact, bulk", size, compacted, log))
    total = {key: round(sum(row[key] for row in made), 1) for key in ("cpu_s", "wall_s")}
    return {"contender": "bulk", "size": size, **total, "peak_mb": max(row["peak_mb"] for row in made)}


def _killed(results: Kept, size: int, log: str, kills: int) -> Row:
    """Compactions that were killed; how long one takes is seen first."""
    if not kills:
        return {"contender": "compact, killed", "size": size, "killed": 0}
    whole = results.measured("not killed", size, kill, log, f"{log}-kept", 0, 0)["after_s"]
    made = [
        results.measured(f"killed {number}", size, kill, log, f"{log}-kept", number, whole)
        for number in range(1, kills + 1)
    ]
    return {"contender": "compact, killed", "size": size, "killed": sum(row["killed"] for row in made)}


def _export(number: int) -> str:
    """Events of leads of whom many are in the log already, with ids of their own."""
    path = FOLDER / f"more-{number}.csv"
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
    features(str(Path(log).with_name("empty-0")))


features.prepare = _warm  # type: ignore[attr-defined]
append.prepare = read.prepare = compacted.prepare = _imports  # type: ignore[attr-defined]
