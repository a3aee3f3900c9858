"""Features of whole logs, side by side with other engines, and of one lead: `make bench NAME=features`.

Options: event counts and rivals, e.g. `python -m benchmarks features 1000000 Polars`; default 1M and 10M with all
rivals, four moments a lead. What events that prove wrong cost stands in a row of its own.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks._funnel import log_of
from benchmarks._rivals import COLUMNS, RIVALS
from benchmarks.harness import Row, measure
from data.contract import US_PER_DAY
from data.histories import FAR, Histories
from data.log.eventlog import EventLog
from features.catalogue import default_catalogue
from features.compiler import compile_plan
from features.kernel import Moments, compute_arrays
from features.kinds import Definition
from features.labels import Target
from features.moments import MomentPolicy, label_moments
from features.plan import Plan
from features.recipe import Recipe
from features.training_set import build
from features.training_shard import build_shard

FOLDER = Path("var/bench/features")
SIZES = (1_000_000, 10_000_000)
TARGET = Target("conversion", ("deal_won",), closed_by=("deal_lost",))
POLICY = MomentPolicy(every_days=7, max_per_lead=4)
ONLINE_EVENTS = 1_000
WRONG, REPEATS = 0.01, 50


def run(arguments: Sequence[str]) -> list[Row]:
    """One row per contender and size; ratios to ours are of CPU seconds."""
    rows: list[Row] = []
    sizes = [int(argument.replace("_", "")) for argument in arguments if argument not in RIVALS] or SIZES
    rivals = [argument for argument in arguments if argument in RIVALS] or RIVALS
    for size in sizes:
        log_of(size, FOLDER)
        _write_moments(size)
        measured = [measure("scan of the needed columns", size, scan, size), measure("leadscore", size, ours, size)]
        measured += [measure(name, size, rival, name, size) for name in rivals]
        _check(measured)
        ours_s = measured[1]["cpu_s"]
        rows += [
            {**row, "us_per_event": row["cpu_s"] / size * 1e6, "ratio_to_ours": row["cpu_s"] / ours_s}
            for row in measured
        ]
    rows.append(measure("leadscore, 1 % of events proved wrong", sizes[0], revised, sizes[0]))
    return [*rows, measure("leadscore, one lead online", ONLINE_EVENTS, online)]


def scan(size: int) -> dict[str, Any]:
    """The floor: nothing but reading what features are made of."""
    log = EventLog.open(FOLDER / f"log-{size}")
    for bucket in range(log.n_buckets):
        pq.read_table(
            log.file("events", bucket), columns=COLUMNS.split(", "), read_dictionary=["event_type", "channel"]
        )
    return {"columns": len(COLUMNS.split(", "))}


def ours(size: int) -> dict[str, Any]:
    """From the log on disk to shards on disk."""
    log, recipe = _recipe(size)
    made = build(log, recipe, _out("leadscore"))
    return {"columns": len(recipe.catalogue), "moments": made.moments, "checksum": _checksum("leadscore")}


def _warm(size: int) -> None:
    """Loads the compiled kernel, as a process does once."""
    log, recipe = _recipe(size)
    build_shard(log.path, 0, recipe, _out("warm"))


ours.prepare = _warm  # type: ignore[attr-defined]


def rival(name: str, size: int) -> dict[str, Any]:
    """Another engine on the same log and the same moments, written to Parquet as well."""
    log, recipe = _recipe(size)
    columns = RIVALS[name](log, recipe.catalogue, _moments(size), _out(name))
    return {"columns": columns, "checksum": _checksum(name)}


def revised(size: int) -> dict[str, Any]:
    """What it costs the kernel when every hundredth event is known to be wrong from a week after it on.

    ratio_to_plain: CPU seconds of a bucket's moments, over those of the same without, each the least of many.
    """
    log, recipe = _recipe(size)
    plain, plan = log.bucket(0), compile_plan(recipe.catalogue, log.vocabulary)
    moments = label_moments(plain, TARGET, POLICY, recipe.observed_until).moments
    wrong = np.random.default_rng(1).random(plain.n_events) < WRONG
    late = replace(plain, superseded_at=np.where(wrong, plain.known_at + 7 * US_PER_DAY, FAR))
    took = np.array([[_cpu_s(plan, histories, moments) for histories in (late, plain)] for _ in range(REPEATS)])
    leads = np.unique(np.searchsorted(plain.starts, np.flatnonzero(wrong), side="right"))
    share = len(leads) / plain.n_leads
    return {"columns": len(plan.definitions), "share_of_leads": share, "ratio_to_plain": float(np.divide(*took.min(0)))}


def _cpu_s(plan: Plan, histories: Histories, moments: Moments) -> float:
    start = time.process_time()
    compute_arrays(plan, histories, moments)
    return time.process_time() - start


def online() -> dict[str, Any]:
    """One lead whose events are held as arrays: µs per call, the median of many."""
    histories, plan = _long_lead()
    moment = Moments(np.zeros(1, np.int32), histories.known_at[-1:] + 1)
    took = []
    for _ in range(5_000):
        start = time.perf_counter_ns()
        compute_arrays(plan, histories, moment)
        took.append(time.perf_counter_ns() - start)
    return {"columns": len(plan.definitions), "us_per_call": float(np.median(took[100:])) / 1e3}


def _long_lead() -> tuple[Any, Any]:
    """A lead with ONLINE_EVENTS events: leads of a bucket laid end to end."""
    log, recipe = _recipe(SIZES[0])
    bucket = log.bucket(0)
    last = int(np.searchsorted(bucket.starts, ONLINE_EVENTS))
    whole = bucket.of(np.array([0]))
    order = np.argsort(bucket.known_at[:ONLINE_EVENTS], kind="stable")
    columns = {name: getattr(bucket, name)[:ONLINE_EVENTS][order] for name in
               ("known_at", "occurred_at", "event_type", "channel", "value", "bot")}  # fmt: skip
    histories = replace(whole, starts=np.array([0, ONLINE_EVENTS]), **columns)
    return histories, compile_plan(recipe.catalogue, log.vocabulary) if last else None


def _recipe(size: int) -> tuple[EventLog, Recipe]:
    log = EventLog.open(FOLDER / f"log-{size}")
    catalogue: list[Definition] = default_catalogue(log.vocabulary, log.profile_columns, TARGET.outcomes)
    return log, Recipe(log.digest, log.observed_until_us + 1, log.vocabulary, catalogue, TARGET, POLICY)


def _moments(size: int) -> Path:
    return FOLDER / f"moments-{size}"


def _write_moments(size: int) -> None:
    """The moments of our training set, for the others to begin with."""
    log, recipe = _recipe(size)
    folder = _moments(size)
    if folder.exists():
        return
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    for bucket in range(log.n_buckets):
        moments = label_moments(log.bucket(bucket), TARGET, POLICY, recipe.observed_until).moments
        table = pa.table({"m": np.arange(len(moments)), "lead": moments.lead, "as_of": moments.as_of})
        pq.write_table(table, draft / f"{bucket}.parquet")
    draft.rename(folder)


def _out(name: str) -> Path:
    folder = FOLDER / f"out-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _checksum(name: str) -> int:
    """Events counted in all windows of 30 days: the same for all contenders, or they do not do the same."""
    files = sorted((FOLDER / f"out-{name}").glob("*.parquet"))
    columns = [pq.read_table(file, columns=["count_any_30d"]).column(0) for file in files]
    return sum(int(np.nansum(column.to_numpy().astype(np.float64))) for column in columns)


def _check(rows: Sequence[Row]) -> None:
    sums = {row["contender"]: row["checksum"] for row in rows if "checksum" in row}
    if len(set(sums.values())) != 1:
        raise RuntimeError(f"the contenders counted different events: {sums}")
