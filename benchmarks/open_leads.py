"""What open leads are worth: the hazard model beside two ways to get rid of them, against the true probabilities.

One set of moments of a simulated funnel, the same for all; only the end of observation moves, from where every outcome
is known to where three in four are open. The models are judged by the true probability of other leads in the months
that follow: excess is the mean Kullback-Leibler divergence from it, the log-loss lost to the best possible.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.harness import Row
from data.contract import US_PER_DAY
from data.eventlog import EventLog
from data.funnel import START, FunnelOptions
from data.ingest import ingest
from data.mapping import read_mapping
from data.simulate import simulate
from features.catalogue import default_catalogue
from features.moments import MomentPolicy, Target
from features.training_set import Recipe, build
from training.folds import hash_of_lead
from training.hazard import HazardClassifier
from training.logits import Array, clip
from training.model import LeadConversionClassifier
from training.sample import Sample, read_sample

HORIZON, LEARN_DAYS, FROM_DAY, JUDGE_DAYS = 90, 120, 210, 90
"""Of moments over 120 days, 90 days later all outcomes of 90 days are known, and at once a quarter."""
OPEN_SHARES = (0.0, 0.25, 0.5, 0.75)
TARGET = Target("conversion", ("deal_won",), ("deal_lost",), horizon_days=HORIZON)


def run(arguments: Sequence[str]) -> list[Row]:
    """The table: for each share of open moments and way to learn, the excess and what the hazard model saves of it."""
    parser = argparse.ArgumentParser(prog="benchmarks open_leads")
    parser.add_argument("--leads", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        sample, truth = _funnel(Path(folder), options.leads, options.seed)
    begin, end = (START + day * US_PER_DAY for day in (FROM_DAY, FROM_DAY + LEARN_DAYS))
    of_judge = np.array([hash_of_lead(each) % 3 == 0 for each in sample.lead.tolist()])
    past = sample.of(~of_judge & (sample.as_of >= begin) & (sample.as_of < end))
    judged = of_judge & (sample.as_of >= end) & (sample.as_of < end + JUDGE_DAYS * US_PER_DAY) & ~np.isnan(truth)
    found: list[Row] = []
    for share in OPEN_SHARES:
        until = max(_last_known(past.as_of, share) + HORIZON * US_PER_DAY, end)
        found += _compared(past.known_at(until, 0), sample.of(judged), truth[judged])
    return found


def _last_known(as_of: NDArray[np.int64], share: float) -> int:
    """The time behind which about this share of moments lies."""
    times, counts = np.unique(as_of, return_counts=True)
    return int(times[np.argmin(np.abs(1 - np.cumsum(counts) / counts.sum() - share))])


def _compared(past: Sample, judged: Sample, truth: Array) -> list[Row]:
    losses: dict[str, Array] = {}
    rows: list[Row] = []
    for name, learn in WAYS.items():
        cpu = time.process_time()
        p = clip(learn(past).predict_proba(judged.features)[:, 1])
        losses[name] = truth * np.log(clip(truth) / p) + (1 - truth) * np.log((1 - truth) / (1 - p))
        saved, error = mean_by_lead(losses[name] - losses["hazard"], judged.lead)
        row = {"contender": name, "open %": round(100 * (1 - past.mature.mean())), "moments": len(past)}
        row |= {"converted": int(np.nansum(past.y)), "cpu_s": round(time.process_time() - cpu, 1)}
        row |= {"excess": round(float(losses[name].mean()), 5), "minus hazard's": round(saved, 5)}
        rows.append(row | {"from": round(saved - 1.96 * error, 5), "to": round(saved + 1.96 * error, 5)})
    return rows


def _hazard(past: Sample) -> HazardClassifier:
    return HazardClassifier().fit(
        past.features, past.event_days, past.observed_days, past.horizon_days, past.weight, past.lead, past.as_of
    )


def _mature_only(past: Sample) -> LeadConversionClassifier:
    known = past.of(past.mature)
    return LeadConversionClassifier().fit(known.features, known.y.astype(int), known.weight, known.lead, known.as_of)


def _open_is_lost(past: Sample) -> LeadConversionClassifier:
    return _mature_only(replace(past, y=np.nan_to_num(past.y), mature=np.ones(len(past), np.bool_)))


WAYS = {"hazard": _hazard, "mature only": _mature_only, "open = lost": _open_is_lost}


def mean_by_lead(values: Array, lead: NDArray[np.str_]) -> tuple[float, float]:
    """Mean over moments and its standard error, leads being the independent draws."""
    code = np.unique(lead, return_inverse=True)[1]
    mean = values.mean()
    return float(mean), float(np.sqrt((np.bincount(code, values - mean) ** 2).sum()) / len(values))


def _funnel(folder: Path, leads: int, seed: int) -> tuple[Sample, Array]:
    """All moments of a funnel with outcomes, and the true probability of each, NaN where it is not told."""
    made = simulate(folder / "export", FunnelOptions(leads, seed, bots=False, duplicates=False, broken=False))
    ingest(folder / "log", read_mapping("simulated"), [str(made.events)], [str(made.leads)])
    log = EventLog.open(folder / "log")
    catalogue = default_catalogue(log.vocabulary, log.profile_columns, TARGET.outcomes)
    policy = MomentPolicy(every_days=7, max_per_lead=200)
    recipe = Recipe(log.digest, log.observed_until_us + 1, log.vocabulary, catalogue, TARGET, policy)
    sample = read_sample(build(log, recipe, folder / "training_set"))
    table = pq.read_table(made.truth, filters=[("horizon_days", "=", HORIZON)])
    as_of = table.column("as_of").cast("int64").to_pylist()
    keys = zip(table.column("lead_id").to_pylist(), as_of, strict=True)
    known = dict(zip(keys, table.column("probability").to_pylist(), strict=True))
    asked = zip(sample.lead.tolist(), sample.as_of.tolist(), strict=True)
    return sample, np.array([known.get(key, np.nan) for key in asked])
