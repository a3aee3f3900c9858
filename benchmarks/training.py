"""What training costs beside LightGBM that fits the champion's trees and nothing else: `make bench NAME=training`.

Options: numbers of leads of the simulated funnel, default 6,000; `--thinned LEADS` compares the judge of a thinned
training set with one that learnt from all, on the same newest slice.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.harness import Row, measure
from data.intake.ingest import ingest
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from features.training_set import TrainingSet
from training.measuring.metrics import measures
from training.model.hazard import HazardClassifier
from training.pipeline import train_and_register
from training.recipe.plan import TrainingPlan
from training.recipe.train import fit_model, split_by_time
from training.registry.registry import Registry
from training.samples.log_odds import Array
from training.samples.sample import Sample, read_sample
from training.samples.thinning import MOST_MOMENTS, Thinned, drawn
from workspace import Workspace

FOLDER = Path("var/bench/training")
SETTINGS = Path("leadscore.toml")
SIZES = (6_000,)


def run(arguments: Sequence[str]) -> list[Row]:
    """A row for each size and contender, the stages of a training in rows of their own."""
    parser = argparse.ArgumentParser(prog="benchmarks training")
    parser.add_argument("leads", type=int, nargs="*")
    parser.add_argument("--thinned", type=int, action="append", default=[])
    options = parser.parse_args(arguments)
    rows = [row for size in options.leads or ([] if options.thinned else SIZES) for row in _measured(size)]
    return [*rows, *(measure("thinned minus whole", size, thinned_minus_whole, size) for size in options.thinned)]


def _measured(size: int) -> list[Row]:
    measure("features", size, prepared, size)
    bare, ours = measure("bare LightGBM", size, bare_trees, size), measure("leadscore", size, trained, size)
    stages = json.loads(ours.pop("stages"))
    ours["ratio_to_bare"] = round(ours["cpu_s"] / bare["cpu_of_trees"], 2)
    return [bare, ours, *({"contender": f"  {name}", "size": size, **took} for name, took in stages.items())]


def prepared(size: int) -> dict[str, Any]:
    """The training set of a funnel of so many leads, made when it is not there yet."""
    workspace = _workspace(size)
    if not (workspace.log_path / "log.json").exists():
        made = simulate(workspace.root / "export", FunnelOptions(size, seed=1))
        ingest(workspace.log_path, read_mapping("simulated"), [str(made.events)], [str(made.leads)])
    return {"moments": workspace.build().moments}


def trained(size: int) -> dict[str, Any]:
    """A whole training, from shards on disk to a registered model."""
    workspace, stages = _workspace(size), dict[str, dict[str, float]]()
    begun = [("", 0.0, 0.0)]

    def say(name: str) -> None:
        last, cpu, wall = begun[0]
        begun[0] = (name, time.process_time(), time.perf_counter())
        if last:
            took = begun[0][1] - cpu, begun[0][2] - wall
            stages[last] = {"cpu_s": round(took[0], 2), "wall_s": round(took[1], 2)}

    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        outcome = train_and_register(_set(size), workspace.settings.training_plan, Registry(Path(folder)), {}, say=say)
        say("")
    metrics = outcome.account.evaluation.judgements[0].metrics
    size_and_loss = {
        "moments": _set(size).moments,
        "features": len(_set(size).catalogue),
        "log_loss": metrics["log_loss"].value,
    }
    return {**size_and_loss, "stages": json.dumps(stages)}


class BareTrees(HazardClassifier):
    """Fits the members' trees and stops there; `cpu` seconds are LightGBM's own."""

    cpu = 0.0

    def _dataset(self, *arguments: Any) -> lightgbm.Dataset:
        begun = time.process_time()
        data = super()._dataset(*arguments)
        self.cpu += time.process_time() - begun
        return data

    def _fit_boosters(self, data: lightgbm.Dataset, fold: NDArray[np.int64]) -> list[lightgbm.Booster]:
        begun = time.process_time()
        boosters = super()._fit_boosters(data, fold)
        self.cpu += time.process_time() - begun
        return boosters

    def _out_of_fold(self, *arguments: Any) -> Array:
        raise Fitted


class Fitted(Exception):
    """The trees are there."""


def bare_trees(size: int) -> dict[str, Any]:
    """LightGBM on the champion's rows: binned once, each member fitted once, with its early stopping."""
    plan = _plan(size)
    sample = read_sample(_set(size), plan.most_moments)
    model, when = BareTrees(**plan.parameters), (sample.lead, sample.as_of, sample.since)
    try:
        model.fit(sample.features, sample.seen, sample.weight, *when, sample.thinned, **sample.watched)
    except Fitted:
        return {"cpu_of_trees": round(model.cpu, 2)}
    raise RuntimeError("no trees were fitted")


def thinned_minus_whole(size: int) -> dict[str, Any]:
    """Log-loss on the newest slice of a judge that learnt from what thinning leaves of the past, and from all of it.

    another_seed: what another seed alone changes.
    """
    plan, sample = _plan(size), read_sample(_set(size))
    split = split_by_time(sample, plan)
    less = thinned_as(split.past, max(1, -(-len(sample) // MOST_MOMENTS)))
    seeds = [replace(plan, parameters={**plan.parameters, "random_state": seed}) for seed in (0, 1)]
    whole, again, thinned = (
        _loss(past, made, split.judged)
        for past, made in ((split.past, seeds[0]), (split.past, seeds[1]), (less, seeds[0]))
    )
    losses = {"moments": len(sample), "read": len(less), "whole": round(whole, 5), "thinned": round(thinned, 5)}
    return {**losses, "difference": round(thinned - whole, 5), "another_seed": round(again - whole, 5)}


def thinned_as(past: Sample, every: int) -> Sample:
    """What `read_thinned` would have left of the rows of a sample that is in memory."""
    one_of = max(1, 2 * every)
    order = np.lexsort((past.as_of, past.lead))
    label = pa.chunked_array([(past.y[order] == 1).astype(np.int8)])
    back, marks = np.argsort(order), drawn(pa.chunked_array([past.lead[order]]), label, every, one_of)
    whole, times = marks[0][back], marks[1][back]
    return replace(past, thinned=Thinned(every, one_of, len(past), whole, times)).of(whole | (times > 0))


def _loss(past: Sample, plan: TrainingPlan, judged: Sample) -> float:
    model = fit_model(past, plan)
    p: Array = model.predict_proba(judged.features)[:, 1]
    return float(measures(judged.y, p, judged.weight)["log_loss"])


def _plan(size: int) -> TrainingPlan:
    workspace = _workspace(size)
    return workspace.settings.training_plan


def _set(size: int) -> TrainingSet:
    return TrainingSet.open(_workspace(size).training_set_path)


def _workspace(size: int) -> Workspace:
    return Workspace.open(FOLDER / str(size), SETTINGS)
