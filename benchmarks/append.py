"""Appends to a log that has grown: 50,000 events beside those that are there, and reading a log with many deltas."""

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
    deltas = measure("read all, as it is", size, read, str(log))
    compaction = measure("compact", size, compacted, str(log))
    whole = measure("read all, compacted", size, read, str(log))
    rows += [deltas | {"cpu_ratio": round(deltas["cpu_s"] / whole["cpu_s"], 2)}, compaction, whole]
    shutil.rmtree(log)
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


append.prepare = read.prepare = compacted.prepare = _imports  # type: ignore[attr-defined]
