"""What colleagues tell helps where companies want to buy together, and nothing changes where there are none.

`make proof NAME=companies` takes 6,000 leads of three seeds; LEADS in the environment asks for another number.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.simulated.simulate import FunnelOptions, simulate
from data.sources.mapping import read_mapping
from settings import Settings
from training.measuring.metrics import interval
from training.recipe.train import fit_model, split_by_time
from training.samples.log_odds import Array
from training.samples.sample import read_sample
from workspace import Workspace

TRAINING = {"folds": 2, "max_rounds": 300, "learning_rate": 0.1, "model": "fixed", "twin": "no", "rates": "no"}
EDGE = 1e-6


def log_of(folder: Path, leads: int, seed: int, accounts: bool = True) -> Path:
    """The log of a funnel in which companies have projects; without accounts where they are not mapped."""
    made = simulate(folder / "funnel", FunnelOptions(leads, seed=seed, days=400, wholesale=False, shared=True))
    mapping = read_mapping("simulated")
    if not accounts:
        plain = tuple(part.model_copy(update={"account_id": None}) for part in mapping.leads)
        mapping = mapping.model_copy(update={"leads": plain})
    ingest(folder / "log", mapping, [str(made.events)], [str(made.leads)], buckets=4)
    return folder / "log"


def losses(folder: Path, log: Path, companies: str) -> tuple[Array, Array, list[str]]:
    """Log-loss and weight of each row of the newest slice, which the model has not seen, and whose rows they are."""
    settings = Settings.model_validate(
        {"features": {"companies": companies}, "training": TRAINING, "moments": {"every_days": 14}}
    )
    training_set = Workspace(folder / companies, log, settings).build()
    split = split_by_time(read_sample(training_set), settings.training_plan)
    model = fit_model(split.learn, settings.training_plan)
    judged = split.judged
    p = np.clip(model.predict_proba(judged.features)[:, 1], EDGE, 1 - EDGE)
    return -np.log(np.where(judged.y > 0, p, 1 - p)), judged.weight, judged.lead.tolist()


def differences(folder: Path, log: Path) -> tuple[float, float, Array]:
    """The mean log-loss without companies, what it gains with them, and draws of that, company by company."""
    without, weight, lead = losses(folder, log, "no")
    with_them, _, again = losses(folder, log, "yes")
    assert lead == again
    companies = EventLog.open(log).companies
    account = dict(zip(companies.lead_ids.to_pylist(), companies.account[companies.version_starts[:-1]], strict=True))
    group = np.unique([account[lead_id] for lead_id in lead], return_inverse=True)[1]
    gained = np.bincount(group, weight * (with_them - without))
    mass, rng = np.bincount(group, weight), np.random.default_rng(0)
    picked = rng.integers(len(mass), size=(1_000, len(mass)))
    draws = gained[picked].sum(axis=1) / mass[picked].sum(axis=1)
    return float(np.average(without, weights=weight)), float(gained.sum() / mass.sum()), draws


@pytest.mark.proof("companies")
def test_log_loss_falls_beyond_its_interval_where_intent_is_shared(tmp_path: Path, full: bool) -> None:
    if not full:
        pytest.skip("what chance does not explain needs thousands of leads: make proof NAME=companies")
    leads = int(os.environ.get("LEADS", "6000"))
    for seed in (1, 2, 3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        loss, gain, draws = differences(folder, log_of(folder, leads, seed))
        low, high = interval(draws)
        print(f"seed {seed}: log-loss {loss:.5f}, with companies {gain:+.5f} ({low:+.5f} to {high:+.5f})")  # noqa: T201
        assert gain < 0
        assert high < 0


def test_where_no_account_is_known_nothing_changes(tmp_path: Path) -> None:
    log = log_of(tmp_path, 300, 1, accounts=False)
    made = [
        Workspace(tmp_path / companies, log, Settings.model_validate({"features": {"companies": companies}})).build()
        for companies in ("no", "yes")
    ]
    assert made[0].digest == made[1].digest
    assert made[0].recipe.digest == made[1].recipe.digest
