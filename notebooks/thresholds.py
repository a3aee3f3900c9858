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
# # Choose thresholds with sales
# Where does MQL begin, where SQL? That depends on what sales wants to be promised, on how many leads it can take, and
# on what a win is worth. It reads the workspace that `make demo` made; `LEADSCORE_VAR` and `LEADSCORE_CONFIG` name
# another. The model, the same that `leadscore train` fits, takes up to a minute there; all else takes seconds.

# %%
# %matplotlib inline
import numpy as np
import pandas as pd

from features.training_set import TrainingSet
from training.recipe.train import fit_champion
from training.report.plots import score_distribution, what_if_curve
from training.samples.sample import read_sample
from training.thresholds.promise_text import sentence
from training.thresholds.threshold_selection import by_capacity, by_precision, by_value
from workspace import Workspace

workspace = Workspace.here()
settings = workspace.settings
days = settings.chosen_target.horizon_days

# %% [markdown]
# ## The evidence
# One out-of-fold prediction per lead of known outcome (`labels`), and what past weeks would have brought (`flow`).

# %%
sample = read_sample(TrainingSet.open(workspace.training_set_path))
fitted = fit_champion(sample, settings.training_plan)
labels, flow = fitted.grounds.labels, fitted.grounds.volume
{"leads of known outcome": len(labels.p), "converted": int(labels.y.sum()), "new leads a week": flow.per_week}

# %% [markdown]
# ## What would a threshold bring?
# The higher it is, the more of the leads above convert, and the fewer conversions are among them.

# %%
curve = fitted.grounds.curve
what_if_curve(curve, fitted.thresholds)

# %%
chosen = np.unique(np.linspace(0, len(curve.probability) - 1, 8).astype(int))
pd.DataFrame(
    {
        "from": curve.probability[chosen],
        "convert": curve.precision[chosen],
        "at least": curve.low[chosen],
        "of all conversions": curve.recall[chosen],
        "leads a week": curve.leads_per_week[chosen],
        "wins a week": curve.wins_per_week[chosen],
    }
).round(3)

# %% [markdown]
# ## Three ways to choose
# *A promise*: at least so many convert, with 95 % confidence, or an honest refusal. *Capacity*: no more leads a week
# than sales can work. *Value*: a touch has to pay.

# %%
rate = float(labels.y.mean())
ways = [
    by_precision("SQL", labels, flow, min(3 * rate, 0.9)),
    by_precision("SQL", labels, flow, 0.95),
    by_capacity("SQL", labels, flow, max(flow.per_week / 10, 0.1)),
    by_value("SQL", labels, flow, win=5_000.0, touch=150.0),
]
for way in ways:
    print(f"- {sentence(way, days)}\n")  # noqa: T201 -- a notebook shows its results

# %% [markdown]
# The second promises too much, and says so instead of pretending. Where leads stand:

# %%
score_distribution(labels.p, [threshold for threshold in ways if threshold.probability is not None][:1])

# %% [markdown]
# Put what was agreed into `leadscore.toml`, section `[thresholds.sql]`, and train again. A promise holds as long as
# leads stay like those it was learnt from: `leadscore monitor` watches that.
