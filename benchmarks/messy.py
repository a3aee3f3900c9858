"""What a company's data costs: one funnel exported cleanly, and with all that goes wrong, against the truth of each.

Labels are held against what a perfect observer of the exports knows (data/simulated/known.py), moment by moment, by the
plain loops of the tests. A model learns from each log, and both are judged on the same moments of other leads, by what
the clean export says of them; each sees what its own log knew at the moment.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.harness import Row
from benchmarks.open_leads import mean_by_lead
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.simulated.exports import ingest_exports
from data.simulated.known import KnownHistories, known_of
from data.simulated.options import MESS
from data.simulated.simulate import FunnelOptions, draw, simulate
from data.sources.mapping import read_mapping
from features.catalogue import default_catalogue
from features.labels import Target
from features.moments import MomentPolicy
from features.recipe import Recipe
from features.training_set import build
from tests.oracles.known_leads import leads_of
from tests.oracles.moments_naive import looked_at, nothing_left
from training.model.hazard import HazardClassifier
from training.samples.folds import hash_of_lead
from training.samples.log_odds import Array, clip
from training.samples.sample import Sample, read_sample

TARGET = Target(
    "conversion", ("deal_won",), ("deal_lost",),
    settle_days=14, undone_by=("deal_cancelled",), reopened_by=("deal_reopened",),
)  # fmt: skip
POLICY = MomentPolicy(every_days=14, max_age_days=10_000, max_per_lead=10_000)
JOBS = 2
Moment = tuple[str, int]


@dataclass(frozen=True)
class Learnt:
    """A log's training set, and what a model of it says of the leads that judge."""

    sample: Sample
    judged: dict[Moment, float]


def run(arguments: Sequence[str]) -> list[Row]:
    """`[--leads N] [--seed N]`: labels that are not true, and the log-loss of a model, of both ways to export."""
    parser = argparse.ArgumentParser(prog="benchmarks messy")
    parser.add_argument("--leads", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    messy = FunnelOptions(options.leads, options.seed, **dict.fromkeys(MESS, True))
    with tempfile.TemporaryDirectory() as folder:
        return _rows(Path(folder), messy)


def _rows(folder: Path, options: FunnelOptions) -> list[Row]:
    made, known = simulate(folder / "funnel", options), known_of(draw(options).exports)
    if made.exports is None:
        raise ValueError("the options make no exports")
    ingest(folder / "clean", read_mapping("simulated"), [str(made.events)], [str(made.leads)])
    reports = ingest_exports(made.exports, folder / "messy")
    clean, messy = (_learnt(EventLog.open(folder / name), folder / f"{name}-set") for name in ("clean", "messy"))
    label = dict(zip(_moments(clean.sample), clean.sample.y.tolist(), strict=True))
    both = sorted(moment for moment in clean.judged.keys() & messy.judged.keys() if not np.isnan(label[moment]))
    y, lead = np.array([label[moment] for moment in both]), np.array([moment[0] for moment in both])
    losses = [_loss(np.array([learnt.judged[moment] for moment in both]), y) for learnt in (clean, messy)]
    more, error = mean_by_lead(losses[1] - losses[0], lead)
    rows = [
        _row(name, learnt, loss) for name, learnt, loss in zip(("clean", "messy"), (clean, messy), losses, strict=True)
    ]
    rows[1] |= {"minus clean's": round(more, 5), "from": round(more - 1.96 * error, 5)}
    rows[1] |= {"to": round(more + 1.96 * error, 5), "untrue labels": untrue(messy.sample, known)}
    rows[1] |= {"ingests": len(reports), "corrected": sum(report.events.corrected for report in reports)}
    return rows


def _learnt(log: EventLog, folder: Path) -> Learnt:
    """Two thirds of the leads teach, the others judge."""
    catalogue = default_catalogue(log.vocabulary, log.profile_columns, TARGET.outcomes)
    until = log.complete_until_us(TARGET.turning) + 1
    sample = read_sample(build(log, Recipe(log.digest, until, log.vocabulary, catalogue, TARGET, POLICY), folder, JOBS))
    judges = np.array([hash_of_lead(lead) % 3 == 0 for lead in sample.lead.tolist()])
    past, rows = sample.of(~judges), sample.of(judges)
    model = HazardClassifier(n_jobs=JOBS).fit(
        past.features, past.seen, past.weight, past.lead, past.as_of, past.since, **past.watched
    )
    p = clip(model.predict_proba(rows.features)[:, 1]).tolist()
    return Learnt(sample, dict(zip(_moments(rows), p, strict=True)))


def _moments(sample: Sample) -> list[Moment]:
    return list(zip(sample.lead.tolist(), sample.as_of.tolist(), strict=True))


def _loss(p: Array, y: Array) -> Array:
    loss: Array = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    return loss


def untrue(sample: Sample, known: KnownHistories) -> int:
    """How many moments and labels of a training set are not those of a perfect observer, on either side."""
    true = {}
    for lead in leads_of(known, TARGET.turning):
        for moment in looked_at(lead, TARGET, POLICY, known.until + 1):
            if not nothing_left(lead, TARGET, moment.as_of, known.until + 1):
                true[lead.lead_id, moment.as_of] = -1 if moment.label is None else moment.label
    learnt = dict(zip(_moments(sample), np.nan_to_num(sample.y, nan=-1).astype(int).tolist(), strict=True))
    return len(true.items() ^ learnt.items())


def _row(name: str, learnt: Learnt, loss: Array) -> Row:
    return {
        "contender": name,
        "moments": len(learnt.sample),
        "converted": int(np.nansum(learnt.sample.y)),
        "judged": len(loss),
        "log-loss": round(float(loss.mean()), 5),
    }
