# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Backtest and drift
# How would the recipe have done at past dates, and would we have noticed had the world changed? It reads the
# workspace that `make demo` made; `LEADSCORE_VAR` and `LEADSCORE_CONFIG` name another one. The backtest takes up to
# half a minute there, since its models are smaller than those of `leadscore backtest`: two folds, larger steps, no
# twins. All else takes seconds.

# %%
# %matplotlib inline
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from features.training_set import TrainingSet
from training.backtesting.backtest import backtest
from training.backtesting.backtest_result import summarise
from training.backtesting.contenders import BASE_RATE, CHAMPION, Contender, Predict, standard
from training.backtesting.inflation import inflation
from training.monitoring.cohorts import MONDAY, WEEK, GivenScores, MaturedScores
from training.monitoring.monitor import checks_of, decide
from training.report.backtest_plots import losses_over_time, promised_realised
from training.report.backtest_tables import means
from training.samples.sample import Sample
from workspace import Workspace

workspace = Workspace.here()
settings = workspace.settings
plan = replace(
    settings.training_plan,
    parameters={**settings.training_plan.parameters, "n_folds": 2, "learning_rate": 0.1},
    twin="no",
)
timeline = workspace.timeline(TrainingSet.open(workspace.training_set_path))

# %% [markdown]
# ## Contenders
# A contender is a name and a `fit` that takes what was known at a past date and returns a way to predict. Here is one
# of our own beside the recipe and the base rate: the rate of the newest quarter only.


# %%
def newest_rate(past: Sample) -> Predict:
    """The share that converted among the newest quarter of the mature moments."""
    known = past.of(past.mature)
    newest = known.of(known.as_of >= np.quantile(known.as_of, 0.75))
    rate = float(np.average(newest.y, weights=newest.weight))
    return lambda rows: np.full(len(rows), max(rate, 1e-6))


recipe = standard(plan, timeline.columns)
chosen = [contender for contender in recipe if contender.name in (CHAMPION, BASE_RATE)]
contenders = [*chosen, Contender("newest rate", "rate of the newest quarter", newest_rate)]
folder = Path(tempfile.mkdtemp())
made = backtest(timeline, contenders, plan.digest, folder, count=3)
result = summarise(made, segments=[])

# %%
table = means(result)
pd.DataFrame(table.rows, columns=list(table.head))

# %%
losses_over_time(result)

# %%
promised_realised(result.origins)

# %% [markdown]
# ## Inflation
# Scores that rise while conversions do not: each period's predictions raised a little more than before.

# %%
periods = [(period.rows, period.predictions[CHAMPION]) for period in made.periods]
raised = [(rows, np.clip(p * (1 + nth), 0, 0.99)) for nth, (rows, p) in enumerate(periods)]
{"as it was": inflation(periods).alarm, "with scores raised": inflation(raised).alarm}

# %% [markdown]
# ## Monitoring
# `leadscore monitor` does this with the scores in the store. All periods with outcomes as promised, with
# outcomes that have become rarer, and with scores that no longer tell leads apart.


# %%
lead, as_of = (np.concatenate([getattr(rows, name) for rows, _ in periods]) for name in ("lead", "as_of"))
p = np.concatenate([predicted for _, predicted in periods])
no_words = np.full(len(p), "")
scores = GivenScores(lead, as_of, (as_of - MONDAY) // WEEK, p, no_words, no_words)
_, code = np.unique(lead, return_inverse=True)
luck = np.random.default_rng(0).random(code.max() + 1)[code]
worlds = {
    "scores are right": (luck < p).astype(np.float64),
    "half as many convert": (luck < p / 2).astype(np.float64),
    "scores tell nothing": (luck < p.mean()).astype(np.float64),
}
advice = {name: decide(checks_of(MaturedScores(scores, y), []), len(y)) for name, y in worlds.items()}
pd.DataFrame([(name, *verdict) for name, verdict in advice.items()], columns=["world", "advice", "because"])
