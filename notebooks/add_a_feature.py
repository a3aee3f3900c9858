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
# # Add a feature and retrain
# Does a new feature help? Build the training set with and without it, judge both on the newest slice, and look at the
# paired difference instead of at two numbers. It reads the workspace that `make demo` made; `LEADSCORE_VAR` and
# `LEADSCORE_CONFIG` name another one.

# %%
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from features.definitions import Count, Trend
from features.training_set import build
from training.measuring.evaluation import evaluate
from training.measuring.tables import apart
from training.recipe.train import Split, fit_model, split_by_time
from training.report.plots import reliability
from training.samples.sample import read_sample
from workspace import Workspace

config = os.environ.get("LEADSCORE_CONFIG")
workspace = Workspace.open(Path(os.environ.get("LEADSCORE_VAR", "var")), Path(config) if config else None)
log, settings = workspace.event_log(), workspace.settings
target, plan = settings.chosen_target, settings.training_plan

# %% [markdown]
# ## The feature
# A value of a few fields; its column name and its words derive from it.

# %%
candidates = [Count("pricing_view", days=14), Trend("web", short=7, long=90)]
[each.name for each in candidates]

# %% [markdown]
# ## Two training sets

# %%
scratch = Path(tempfile.mkdtemp())
recipe = workspace.recipe(log)
window = target.horizon_days + target.gap_days


def split_of(catalogue: list, name: str) -> Split:
    """The training set of a catalogue, split at the newest slice."""
    made = build(log, replace(recipe, catalogue=catalogue), scratch / name, settings.jobs)
    return split_by_time(read_sample(made), plan, window)


without = split_of(recipe.catalogue, "without")
with_them = split_of([*recipe.catalogue, *candidates], "with")
len(without.learn), len(without.judged)

# %% [markdown]
# ## Judged on the same moments, which neither model has seen

# %%
predictions = {
    "with": fit_model(with_them.learn, plan).predict_proba(with_them.judged.features)[:, 1],
    "without": fit_model(without.learn, plan).predict_proba(without.judged.features)[:, 1],
}
rows = without.judged
evaluation = evaluate(rows.y, rows.weight, rows.lead, predictions)
difference = evaluation.judgements[1].difference
print("log-loss without minus with:", apart(difference))  # noqa: T201 -- a notebook shows its results

# %% [markdown]
# An interval that holds 0 says: no evidence that it helps. Keep what is surely better; leave out what is not.
#
# ## Do the probabilities come true?

# %%
reliability(evaluation.bins)
