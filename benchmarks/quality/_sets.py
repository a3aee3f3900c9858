"""The data sets of the quality benchmark: what is left out, which rows are learnt from, which are judged on."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedShuffleSplit

from benchmarks.quality._split import Rows, Split
from data.contract import UsageError
from data.intake.ingest import ingest
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from training.measuring.metrics import lead_codes
from training.samples.folds import hash_of_lead
from training.samples.sample import Sample, read_sample
from workspace import Workspace

ORIGINS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Learn from what lies before, judge on the tenth that follows."""
SEEDS = (0, 1, 2, 3, 4)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "June", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LEAKY = (
    "Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity", "Asymmetrique Activity Index",
    "Asymmetrique Profile Index", "Asymmetrique Activity Score", "Asymmetrique Profile Score",
)  # fmt: skip
"""Columns of X Education that are filled in after the fact."""
CODES = ("OperatingSystems", "Browser", "Region", "TrafficType")
"""Columns of the online shoppers that are numbers by accident."""
JUDGED_OF = 3
"""Of leads with moments on both sides one in so many, by a hash of the id, is judged and counts so many times."""
FUNNEL = FunnelOptions(leads=10_000, seed=1)


@dataclass(frozen=True)
class DataSet:
    """How a set is split; `table` or `log` reads it from the folder of public data, the latter into a workspace."""

    protocol: str
    splits: Callable[[Path], Iterator[Split]]


def public_data() -> Path:
    """The folder of public data sets. Raises UsageError when it is not there."""
    folder = Path(os.environ.get("LEADSCORE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "bpic2012_events.csv.gz").exists():
        raise UsageError(
            f"the public data sets are not in {folder}; set LEADSCORE_DATA to where they are, or --sets funnel"
        )
    return folder


def in_order(rows: Rows) -> Iterator[Split]:
    """Rolling origins over rows in order of time."""
    for origin in ORIGINS:
        at, end = (round(len(rows) * share) for share in (origin, origin + 0.1))
        yield Split(rows.of(np.arange(at)), rows.of(np.arange(at, end)), in_order=True)


def at_random(rows: Rows) -> Iterator[Split]:
    """A fifth of each class, drawn by each seed, is judged on."""
    for seed in SEEDS:
        drawn = StratifiedShuffleSplit(1, test_size=0.2, random_state=seed).split(rows.y, rows.y)
        learn, judged = next(drawn)
        yield Split(rows.of(np.sort(learn)), rows.of(np.sort(judged)), in_order=False)


def purged(sample: Sample, truth: NDArray[np.float64] | None = None) -> Iterator[Split]:
    """Rolling origins over mature moments in order of time: purged by the label window, no lead on both sides."""
    mature = np.flatnonzero(sample.mature)
    rows = Rows(
        sample.features, sample.y, sample.weight, lead_codes(sample.lead), sample.as_of, sample.since, truth
    ).of(mature)
    drawn = np.array([hash_of_lead(lead) % JUDGED_OF == 0 for lead in sample.lead[mature].tolist()])
    reached = np.cumsum(rows.weight) / rows.weight.sum()
    for origin in ORIGINS:
        cut, end = (int(rows.time[np.searchsorted(reached, share)]) for share in (origin, min(origin + 0.1, 1 - 1e-9)))
        known, late = sample.window.is_mature(rows.time, cut), rows.time >= cut
        both = np.isin(rows.lead, np.intersect1d(rows.lead[known], rows.lead[late]))
        judged = late & (drawn | ~both) & (rows.time <= end if origin == ORIGINS[-1] else rows.time < end)
        if rows.truth is not None:
            judged &= ~np.isnan(rows.truth)
        counted = replace(rows, weight=rows.weight * np.where(both, JUDGED_OF, 1.0))
        learn = rows.of(np.flatnonzero(known & ~(both & drawn)))
        yield Split(learn, counted.of(np.flatnonzero(judged)), in_order=True)


def bank(work: Path) -> Rows:
    """Calls in date order, without `duration`, which is known after the call only; pdays 999 means never."""
    frame = pd.read_csv(public_data() / "bank-additional-full.csv.gz", sep=";")
    frame["pdays"] = frame["pdays"].astype(float).replace(999.0, np.nan)
    return table_rows(frame.drop(columns=["duration", "y"]), frame["y"] == "yes")


def shoppers(work: Path) -> Rows:
    """Sessions by month, `PageValues` kept as the literature does."""
    frame = pd.read_csv(public_data() / "online_shoppers_intention.csv.gz")
    order = np.argsort(frame["Month"].map(MONTHS.index).to_numpy(), kind="stable")
    frame = frame.iloc[order].reset_index(drop=True)
    frame[list(CODES)] = frame[list(CODES)].astype(str)
    return table_rows(frame.drop(columns="Revenue"), frame["Revenue"])


def x_education(work: Path) -> Rows:
    """Leads by ascending number, without ids and what is filled in after the fact; `Select` is missing."""
    frame = pd.read_csv(public_data() / "x_education_leads.csv.gz", na_values=["Select"])
    frame = frame.sort_values("Lead Number", kind="stable").reset_index(drop=True)
    return table_rows(frame.drop(columns=["Prospect ID", "Lead Number", "Converted", *LEAKY]), frame["Converted"])


def table_rows(frame: pd.DataFrame, y: pd.Series) -> Rows:
    """A plain table in order of time: text and truth values become categories."""
    columns = {
        str(name): pa.array(column.to_numpy(np.float64), pa.float64(), from_pandas=False)
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        else pa.array([None if pd.isna(value) else str(value) for value in column], pa.string()).dictionary_encode()
        for name, column in frame.items()
    }
    places = np.arange(len(frame))
    return Rows(pa.table(columns), y.to_numpy(np.float64), np.ones(len(frame)), places, places, places)


def bpi(work: Path) -> Iterator[Split]:
    """Applications for a loan at a bank: daily moments, activated within 30 days."""
    folder = public_data()
    events, leads = folder / "bpic2012_events.csv.gz", folder / "bpic2012_applications.csv.gz"
    return _from_log(work, "bpic2012", [events], [leads], "bpic2012")


def retail(work: Path) -> Iterator[Split]:
    """Customers of a shop: weekly moments, a purchase within 90 days."""
    return _from_log(work, "online_retail", [public_data() / "online_retail.csv.gz"], [], "online_retail")


def funnel(work: Path) -> Iterator[Split]:
    """The simulated funnel with all its troubles: moments every 14 days, won within 30 days, the truth known."""
    made = simulate(work / "funnel", FUNNEL)
    return _from_log(work, "simulated", [made.events], [made.leads], None, made.truth)


def _from_log(
    work: Path,
    mapping: str,
    events: Sequence[Path],
    leads: Sequence[Path],
    config: str | None,
    truth: Path | None = None,
) -> Iterator[Split]:
    """Our own training set: features are computed once, and given to all."""
    shutil.rmtree(work / "log", ignore_errors=True)
    ingest(work / "log", read_mapping(mapping), [str(event) for event in events], [str(lead) for lead in leads])
    settings = work / "settings.toml"
    if config is None:
        settings.write_text('[moments]\npolicy = "grid"\nevery_days = 14\n', encoding="utf-8")
    workspace = Workspace.open(work, Path(f"examples/{config}.toml") if config else settings)
    sample, target = read_sample(workspace.build()), workspace.settings.chosen_target
    true = None if truth is None else _true(truth, sample, target.horizon_days)
    return purged(sample, true)


def _true(path: Path, sample: Sample, horizon_days: int) -> NDArray[np.float64]:
    """float64[n]: the true probability of each moment, NaN where the file does not tell."""
    table = pq.read_table(path, filters=[("horizon_days", "=", horizon_days)])
    keys = {"lead_id": table.column("lead_id").cast("string"), "as_of": table.column("as_of").cast("int64")}
    known = pd.Series(
        table.column("probability").to_numpy(), pd.MultiIndex.from_arrays([key.to_pandas() for key in keys.values()])
    )
    wanted = pd.MultiIndex.from_arrays([pd.Series(sample.lead), sample.as_of])
    return known.reindex(wanted).to_numpy(np.float64)


ROLLING = "5 rolling origins"
SETS: Mapping[str, DataSet] = {
    "bank": DataSet(ROLLING, lambda work: in_order(bank(work))),
    "bank stratified": DataSet("5 seeds", lambda work: at_random(bank(work))),
    "shoppers": DataSet(ROLLING, lambda work: in_order(shoppers(work))),
    "X Education": DataSet(ROLLING, lambda work: in_order(x_education(work))),
    "BPI 2012": DataSet(ROLLING, bpi),
    "Online Retail": DataSet(ROLLING, retail),
    "funnel": DataSet(ROLLING, funnel),
}
"""By name, the quick ones first."""


def prepared(name: str, root: Path) -> list[Path]:
    """The folders of a set's splits, written anew when the code that makes them has changed."""
    folder = root / name.replace(" ", "_").lower()
    complete, wanted = folder / "complete", _code()
    if not complete.exists() or complete.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "work").mkdir(parents=True)
        for number, split in enumerate(SETS[name].splits(folder / "work")):
            split.write(folder / str(number))
        shutil.rmtree(folder / "work")
        complete.write_text(wanted, encoding="utf-8")
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _code() -> str:
    """sha256 of the files that decide what the splits hold."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    made_by = [
        path for kind in ("data/**/*.py", "features/*.py", "examples/*.toml") for path in sorted(root.glob(kind))
    ]
    for path in (Path(__file__), *made_by):
        digest.update(path.read_bytes())
    return digest.hexdigest()
