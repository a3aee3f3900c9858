"""What open leads are worth: the hazard model beside two ways to get rid of them, against the true probabilities.

One set of moments of a simulated funnel, the same for all; only the end of observation moves, from where every outcome
is known to where three in four are open. The models are judged by the true probability of other leads in the months
that follow: excess is the mean Kullback-Leibler divergence from it, the log-loss lost to the best possible. Several
funnels, each with its own seed, are pooled.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import stats

from benchmarks.harness import Row
from data.contract import US_PER_DAY
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.simulated.funnel import START
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from features.catalogue import default_catalogue
from features.labels import Target
from features.moments import MomentPolicy
from features.recipe import Recipe
from features.training_set import build
from training.model.boosted import Boosted
from training.model.classifier import LeadConversionClassifier
from training.model.hazard import HazardClassifier
from training.samples.folds import hash_of_lead
from training.samples.log_odds import Array, clip
from training.samples.sample import Sample, read_sample

HORIZON, LEARN_DAYS, FROM_DAY, JUDGE_DAYS = 90, 112, 210, 90
"""Of moments over 112 days, 90 days later all outcomes of 90 days are known, and at once less than a quarter."""
OPEN_SHARES = (0.0, 0.25, 0.5, 0.75)
TARGET = Target("conversion", ("deal_won",), ("deal_lost",), horizon_days=HORIZON)
LEARN = MomentPolicy("ages", ages_days=tuple(range(1, 365, 7)), max_per_lead=200)
"""Every week of a lead's own, so that an end of observation can part moments at any share."""
JUDGE = MomentPolicy("grid", every_days=7, max_per_lead=200)
"""Mondays, for which the truth is told."""
JOBS = 1


@dataclass(frozen=True)
class Judged:
    """What a way came to on one funnel: the excess (n) of each judged moment, and what it learnt from."""

    excess: Array
    lead: NDArray[np.str_]
    learnt: int
    converted: int
    open: float
    cpu: float


def run(arguments: Sequence[str]) -> list[Row]:
    """The table: for each share of open moments and way to learn, the excess and what the hazard model saves of it."""
    parser = argparse.ArgumentParser(prog="benchmarks open_leads")
    parser.add_argument("--leads", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(arguments)
    seeds = [_judged_on(options.leads, 1 + seed) for seed in range(options.seeds)]
    return [_row(share, way, [seed_result[share] for seed_result in seeds]) for share in OPEN_SHARES for way in WAYS]


def _judged_on(leads: int, seed: int) -> dict[float, dict[str, Judged]]:
    """Share of open moments -> way -> how it did on the funnel of a seed."""
    with tempfile.TemporaryDirectory() as folder:
        learn, sample, truth = _funnel(Path(folder), leads, seed)
    begin, end = (START + day * US_PER_DAY for day in (FROM_DAY, FROM_DAY + LEARN_DAYS))
    past = learn.of(~_is_judge(learn) & (learn.as_of >= begin) & (learn.as_of < end))
    judged = _is_judge(sample) & (sample.as_of >= end) & (sample.as_of < end + JUDGE_DAYS * US_PER_DAY)
    judged &= ~np.isnan(truth)
    rows, probability = sample.of(judged), truth[judged]
    ways = {}
    for share in OPEN_SHARES:
        known = past.known_at(max(end_of_observation(past.as_of, share), end))
        ways[share] = {name: _judged(learn, known, rows, probability) for name, learn in WAYS.items()}
        print(f"seed {seed}, {share:.0%} open", file=sys.stderr, flush=True)  # noqa: T201
    return ways


def _is_judge(sample: Sample) -> NDArray[np.bool_]:
    """bool[n]: the third of the leads that judges."""
    return np.array([hash_of_lead(lead) % 3 == 0 for lead in sample.lead.tolist()])


def end_of_observation(as_of: NDArray[np.int64], share: float) -> int:
    """The end of observation (µs UTC) by which the window of exactly this share of moments is open."""
    closes = np.sort(as_of) + HORIZON * US_PER_DAY
    return int(closes[max(round((1 - share) * len(closes)), 1) - 1])


def _judged(learn: Callable[[Sample], Boosted], past: Sample, rows: Sample, truth: Array) -> Judged:
    cpu = time.process_time()
    p = clip(learn(past).predict_proba(rows.features)[:, 1])
    cpu = time.process_time() - cpu
    excess = truth * np.log(clip(truth) / p) + (1 - truth) * np.log((1 - truth) / (1 - p))
    return Judged(excess, rows.lead, len(past), int(np.nansum(past.y)), 1 - float(past.mature.mean()), cpu)


def _row(share: float, way: str, seeds: Sequence[Mapping[str, Judged]]) -> Row:
    """Funnels pooled. from, to: 95 % by lead, models as they are; seeds from, to: by funnel, models made anew (t)."""
    results = [seed[way] for seed in seeds]
    saved = [seed[way].excess - seed["hazard"].excess for seed in seeds]
    lead = np.concatenate([np.char.add(f"{i}:", result.lead) for i, result in enumerate(results)])
    mean, error = mean_by_lead(np.concatenate(saved), lead)
    row: Row = {"contender": way, "open %": round(100 * float(np.mean([result.open for result in results])), 1)}
    row |= {
        "moments": sum(result.learnt for result in results),
        "converted": sum(result.converted for result in results),
    }
    row |= {"cpu_s": round(sum(result.cpu for result in results), 1)}
    row |= {"excess": round(float(np.concatenate([result.excess for result in results]).mean()), 5)}
    row |= {
        "minus hazard's": round(mean, 5),
        "from": round(mean - 1.96 * error, 5),
        "to": round(mean + 1.96 * error, 5),
    }
    means = np.array([float(one.mean()) for one in saved])
    reach = stats.t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan
    row |= {"seeds from": round(float(means.mean() - reach), 5), "seeds to": round(float(means.mean() + reach), 5)}
    return row | {"seeds ahead": f"{int((means > 0).sum())} of {len(means)}"}


def _hazard(past: Sample) -> HazardClassifier:
    return HazardClassifier(n_jobs=JOBS).fit(
        past.features, past.seen, past.weight, past.lead, past.as_of, past.since, **past.watched
    )


def _mature_only(past: Sample) -> LeadConversionClassifier:
    known = past.of(past.mature)
    return LeadConversionClassifier(n_jobs=JOBS).fit(
        known.features, known.y.astype(int), known.weight, known.lead, known.as_of, known.since
    )


def _open_is_lost(past: Sample) -> LeadConversionClassifier:
    return _mature_only(replace(past, y=np.nan_to_num(past.y), mature=np.ones(len(past), np.bool_)))


WAYS = {"hazard": _hazard, "mature only": _mature_only, "open = lost": _open_is_lost}


def mean_by_lead(values: Array, lead: NDArray[np.str_]) -> tuple[float, float]:
    """Mean over moments and its standard error, leads being the independent draws."""
    code = np.unique(lead, return_inverse=True)[1]
    mean = values.mean()
    return float(mean), float(np.sqrt((np.bincount(code, values - mean) ** 2).sum()) / len(values))


def _funnel(folder: Path, leads: int, seed: int) -> tuple[Sample, Sample, Array]:
    """Moments of a funnel to learn from and to judge on, and the true probability of the latter, NaN where not told."""
    made = simulate(folder / "export", FunnelOptions(leads, seed, bots=False, duplicates=False, broken=False))
    ingest(folder / "log", read_mapping("simulated"), [str(made.events)], [str(made.leads)])
    log = EventLog.open(folder / "log")
    catalogue = default_catalogue(log.vocabulary, log.profile_columns, TARGET.outcomes)
    recipe = Recipe(log.digest, log.observed_until_us + 1, log.vocabulary, catalogue, TARGET, LEARN)
    learn = read_sample(build(log, recipe, folder / "learn", JOBS))
    sample = read_sample(build(log, replace(recipe, policy=JUDGE), folder / "judge", JOBS))
    table = pq.read_table(made.truth, filters=[("horizon_days", "=", HORIZON)])
    as_of = table.column("as_of").cast("int64").to_pylist()
    keys = zip(table.column("lead_id").to_pylist(), as_of, strict=True)
    known = dict(zip(keys, table.column("probability").to_pylist(), strict=True))
    asked = zip(sample.lead.tolist(), sample.as_of.tolist(), strict=True)
    return learn, sample, np.array([known.get(key, np.nan) for key in asked])
