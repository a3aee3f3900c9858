"""What it costs to take an event log over into the store, to score it, and to do so again when nothing has changed.

    make bench NAME=publish      100,000 and 1,000,000 events of 5,000 and 50,000 leads, below var/bench/publish
    … ARGS="--events 100000 --artifact FOLDER --store postgresql://USER@HOST/DATABASE"

The first run of a size fills a store that is empty (one on PostgreSQL must be).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks._funnel import log_of
from benchmarks.harness import Row, measure
from data.log.eventlog import EventLog

FOLDER = Path("var/bench/publish")


def run(arguments: Sequence[str]) -> list[Row]:
    """Three rows a size: published, the same again, scored."""
    parser = argparse.ArgumentParser(prog="make bench NAME=publish")
    parser.add_argument("--events", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--artifact", default="var/models/conversion/model")
    parser.add_argument("--store")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    for events in options.events:
        log = log_of(events, FOLDER)
        url = options.store or _fresh(events)
        rows.append(measure("publish", events, publish, str(log.path), url))
        rows.append(measure("publish again", events, publish, str(log.path), url))
        rows.append(measure("score", events, score, options.artifact, url))
    return rows


def publish(log: str, url: str) -> Mapping[str, int]:
    """Publishes a log."""
    from serving.store.store import open_store

    with open_store(url) as store:
        done = store.publication.run(EventLog.open(Path(log)), time.time_ns() // 1000)
    return {"leads": done.leads, "changed": done.changed}


def score(artifact: str, url: str) -> Mapping[str, int]:
    """Scores all leads of a store."""
    from serving.scoring.rescoring import Rescorer
    from serving.scoring.scorer import Scorer
    from serving.store.store import open_store
    from serving.trees.predictor import Predictor

    with open_store(url) as store:
        done = Rescorer(store, Scorer(Predictor.load(Path(artifact))), "1", artifact).run(
            lambda: time.time_ns() // 1000
        )
    return {"leads": done.leads, "changed": done.scored}


def _fresh(events: int) -> str:
    path = FOLDER / f"store-{events}.db"
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    return f"sqlite:///{path}"
