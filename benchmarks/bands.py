"""Whether what stands beside a score holds: said, seen and true shares by band of score: `make bench NAME=bands`.

A funnel for each seed, whose true probabilities are known. A judge learns from the past; its evidence are its own
out-of-fold predictions, as those of a champion are. What it then says of the newest slice is held against the truth,
band by band: an interval covers the true share of the band's moments or does not. Options: seeds, `--leads`, and
`--steady` for funnels without the season and trend that no past of a year can tell.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.harness import Row
from data.intake.ingest import ingest
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from training.measuring.evidence import Evidence, evidence_of
from training.recipe.train import fit_model, out_of_fold, split_by_time
from training.samples.log_odds import Array
from training.samples.sample import Sample, read_sample
from workspace import Workspace

SEEDS = (101, 102, 103)
"""No seed that anything was developed with."""
SETTINGS = Path("leadscore.toml")


def run(arguments: Sequence[str]) -> list[Row]:
    """A row for each seed and band, and one for each seed that counts them."""
    parser = argparse.ArgumentParser(prog="benchmarks bands")
    parser.add_argument("seeds", type=int, nargs="*")
    parser.add_argument("--leads", type=int, default=6_000)
    parser.add_argument("--steady", action="store_true")
    options = parser.parse_args(arguments)
    funnels = [FunnelOptions(options.leads, seed, drift=not options.steady) for seed in options.seeds or SEEDS]
    rows = [row for funnel in funnels for row in _bands_of(funnel)]
    covered = [row["covers"] for row in rows]
    weight = np.array([row["moments"] for row in rows])
    total = {"bands": len(rows), "covered": sum(covered), "share": round(sum(covered) / len(rows), 3)}
    return [*rows, {"contender": "all", **total, "by moments": round(float(np.average(covered, weights=weight)), 3)}]


def _bands_of(funnel: FunnelOptions) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder), SETTINGS)
        made = simulate(Path(folder) / "export", funnel)
        ingest(workspace.log_path, read_mapping("simulated"), [str(made.events)], [str(made.leads)])
        sample = read_sample(workspace.build())
        plan = workspace.settings.training_plan.decided(sample)
        split = split_by_time(sample, plan)
        known = truth_of(split.judged, made.truth, sample.horizon_days)
        model = fit_model(split.past, plan)
        past = split.past.known
        evidence = evidence_of(out_of_fold(model, split.past, plan), past.y, past.weight, past.lead)
        rows = split.judged.of(~np.isnan(known))
        p = model.predict_proba(rows.features)[:, 1]
    return list(_rows(funnel.seed, evidence, p, known[~np.isnan(known)], rows))


def _rows(seed: int, evidence: Evidence, p: Array, truth: Array, rows: Sample) -> Iterator[Row]:
    band = np.maximum(np.searchsorted(evidence.starts, p, side="right") - 1, 0)
    ends = evidence.interval(p)
    for at in np.unique(band):
        of = band == at
        said, seen, true = (float(np.average(share[of], weights=rows.weight[of])) for share in (p, rows.y, truth))
        low, high = np.average(ends[of], axis=0, weights=rows.weight[of]).tolist()
        names = {"contender": f"seed {seed}", "from": round(evidence.starts[at], 4), "moments": int(of.sum())}
        shares = {"said": said, "seen": seen, "true": true, "low": low, "high": high}
        yield {
            **names,
            **{name: round(share, 4) for name, share in shares.items()},
            "covers": bool(low <= true <= high),
        }


def truth_of(rows: Sample, path: Path, horizon_days: int) -> Array:
    """float64[n]: the true probability of each moment, NaN where it is not told."""
    table = pq.read_table(path, filters=[("horizon_days", "=", horizon_days)])
    keys = zip(table.column("lead_id").to_pylist(), table.column("as_of").cast("int64").to_pylist(), strict=True)
    known = dict(zip(keys, table.column("probability").to_pylist(), strict=True))
    asked = zip(rows.lead.tolist(), rows.as_of.tolist(), strict=True)
    return np.array([known.get(key, np.nan) for key in asked])
