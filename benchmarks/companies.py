"""What features of companies are worth: log-loss with and without them, where leads of a company share their intent.

One build of a simulated funnel; the same classifier learns from all columns, and from those without companies, and is
judged on the newest two fifths of the moments: each half of the leads by a model that has learnt from the other.
Companies are the independent draws: leads of one want to buy at the same time. The same funnel without shared intent
stands beside it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Row
from benchmarks.open_leads import mean_by_lead
from data.contract import US_PER_DAY
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from features.catalogue import company_catalogue, default_catalogue
from features.labels import Target
from features.moments import MomentPolicy
from features.recipe import Recipe
from features.training_set import build
from training.model.classifier import LeadConversionClassifier
from training.samples.folds import hash_of_lead
from training.samples.log_odds import Array, clip
from training.samples.sample import Sample, read_sample

TARGET = Target("conversion", ("deal_won",), ("deal_lost",), horizon_days=30)
POLICY = MomentPolicy("grid", every_days=14)
NEWEST = 0.6
"""From this part of the moments on they judge."""
JOBS = 1


def run(arguments: Sequence[str]) -> list[Row]:
    """The table: with and without shared intent, both log-losses, and what companies save, with its 95 % interval."""
    parser = argparse.ArgumentParser(prog="benchmarks companies")
    parser.add_argument("--leads", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    return [_row(options.leads, options.seed, shared) for shared in (True, False)]


def _row(leads: int, seed: int, shared: bool) -> Row:
    """One funnel."""
    with tempfile.TemporaryDirectory() as folder:
        sample, company = _funnel(Path(folder), FunnelOptions(leads, seed, shared=shared))
    names = {name for name in sample.features.column_names if name.startswith("colleague")}
    known = sample.of(sample.mature)
    cut = np.sort(known.as_of)[int(NEWEST * len(known))]
    half = np.array([hash_of_lead(lead) % 2 for lead in known.lead.tolist()])
    # What ends after the cut was not known there.
    is_past, is_judged = known.as_of < cut - TARGET.window.certain_after_days * US_PER_DAY, known.as_of >= cut
    slices = [(known.of(is_past & (half != side)), known.of(is_judged & (half == side))) for side in (0, 1)]
    without = np.concatenate([_loss(_without(past, names), _without(judged, names)) for past, judged in slices])
    beside = np.concatenate([_loss(past, judged) for past, judged in slices])
    lead = np.concatenate([judged.lead for _, judged in slices])
    code = np.array([company.get(name, name) for name in lead.tolist()])
    saved, error = mean_by_lead(without - beside, code)
    return {
        "intent": "shared by companies" if shared else "each lead's own",
        "moments": len(lead),
        "converted": int(sum(judged.y.sum() for _, judged in slices)),
        "companies": len(set(code.tolist())),
        "without": round(float(without.mean()), 5),
        "with": round(float(beside.mean()), 5),
        "saved": round(saved, 5),
        "from": round(saved - 1.96 * error, 5),
        "to": round(saved + 1.96 * error, 5),
    }


def _without(sample: Sample, names: set[str]) -> Sample:
    """The same moments with fewer columns."""
    return sample.with_features(sample.features.drop_columns(sorted(names)))


def _loss(past: Sample, judged: Sample) -> Array:
    """float64[n]: the log-loss of each judged moment, of a classifier that has learnt from the past."""
    model = LeadConversionClassifier(n_jobs=JOBS)
    model.fit(past.features, past.y.astype(int), past.weight, past.lead, past.as_of, past.since)
    p = clip(model.predict_proba(judged.features)[:, 1])
    return np.asarray(-np.log(np.where(judged.y == 1, p, 1 - p)))


def _funnel(folder: Path, options: FunnelOptions) -> tuple[Sample, dict[str, str]]:
    """Moments of a funnel with all features, and the company of each lead."""
    made = simulate(folder / "export", options)
    ingest(folder / "log", read_mapping("simulated"), [str(made.events)], [str(made.leads)])
    log = EventLog.open(folder / "log")
    known = log.vocabulary, log.profile_columns, TARGET.outcomes
    catalogue = default_catalogue(*known) + company_catalogue(*known)
    recipe = Recipe(log.digest, log.observed_until_us + 1, log.vocabulary, catalogue, TARGET, POLICY)
    return read_sample(build(log, recipe, folder / "set", JOBS)), _companies(log)


def _companies(log: EventLog) -> dict[str, str]:
    """The account of each lead that has one: the last that it has named."""
    company = dict[str, str]()
    for number in range(log.n_buckets):
        histories = log.bucket(number)
        profiles = histories.profiles
        accounts = [] if profiles.accounts is None else profiles.accounts.to_pylist()
        of: NDArray[np.int64] = np.repeat(np.arange(histories.n_leads), np.diff(profiles.starts))
        ids = histories.lead_ids.to_pylist()
        company |= {ids[lead]: account for lead, account in zip(of.tolist(), accounts, strict=False) if account}
    return company
