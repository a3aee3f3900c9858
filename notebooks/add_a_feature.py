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
# `LEADSCORE_CONFIG` name another one. A cell takes seconds there, the two training sets and the two models up to half
# a minute: the models are smaller than those of `leadscore train`, with two folds, larger steps and no twins.

# %%
# %matplotlib inline
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from data.own_functions import own_function
from features.compiler import compile_plan
from features.feature_wording import in_words
from features.kernel import Moments, compute
from features.kinds import Count, Definition, Trend
from features.kinds.accumulators import Accumulators, Counted
from features.kinds.definition import Sentence, View
from features.own_features import own_columns
from features.training_set import build
from training.measuring.evaluation import evaluate
from training.measuring.tables import apart
from training.recipe.train import Split, fit_model, split_by_time
from training.report.plots import reliability
from training.samples.sample import read_sample
from workspace import Workspace

workspace = Workspace.here()
log, settings = workspace.event_log(), workspace.settings
plan = replace(
    settings.training_plan,
    parameters={**settings.training_plan.parameters, "n_folds": 2, "learning_rate": 0.1},
    twin="no",
)

# %% [markdown]
# ## First as a plain function
# It is called once for each moment with what was known of the lead then (`features/own_features.py` says what), and
# returns a number or None. Plain Python is slow, many times as slow as all features of the kernel together. To
# train with it, name it in the settings: `own = ["mine.py:pricing_views_in_two_weeks"]` under `[features]`. `train` and
# `backtest` judge it, and no server computes it. Here it is computed for one bucket.

# %%
scratch = Path(tempfile.mkdtemp())
(scratch / "mine.py").write_text('''
from datetime import timedelta


def pricing_views_in_two_weeks(history):
    """How often the lead has looked at prices in the last 14 days."""
    since = history.as_of - timedelta(days=14)
    return sum(event.event_type == "pricing_view" and event.occurred_at >= since for event in history.events)
''')
own = own_function("mine.py:pricing_views_in_two_weeks", scratch)
histories = log.bucket(0)
ends = Moments(np.arange(histories.n_leads, dtype=np.int32), np.full(histories.n_leads, log.observed_until_us + 1))
tried = own_columns([own], histories, ends)[own.short_name].to_numpy()
tried.mean()

# %% [markdown]
# ## The same as a feature of a known kind
# A value of a few fields; its column name and its words derive from it, and the compiled walk computes it, in training
# and on the server. Both say the same.

# %%
known = compute(compile_plan([Count("pricing_view", days=14)], log.vocabulary), histories, ends)
np.testing.assert_array_equal(tried, known["count_pricing_view_14d"].to_numpy())
candidates = [Count("pricing_view", days=14), Trend("web", short=7, long=90)]
[feature.name for feature in candidates]

# %% [markdown]
# ## Two training sets

# %%
recipe = workspace.recipe(log)


def split_of(catalogue: list, name: str) -> Split:
    """The training set of a catalogue, split at the newest slice."""
    made = build(log, replace(recipe, catalogue=catalogue), scratch / name, settings.jobs)
    return split_by_time(read_sample(made), plan)


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
reliability(evaluation.bands)

# %% [markdown]
# ## A kind that is new
# Is what you want to know of no kind yet? A kind is one class: its fields, what it means, its words in both languages,
# the definition in plain Python, and how the kernel reads it. What the kernel accumulates already (counts of events, of
# days, of visits, of values; first and last events; sums, maxima, decays) needs no more than that.


# %%
@dataclass(frozen=True)
class Priced(Definition):
    """Number of events in the window that have a value."""

    sentence: ClassVar = Sentence("{events} with a value {days}", "{events} mit Wert {days}")

    events: str
    days: int | None = None

    def read(self, accumulators: Accumulators) -> Counted:
        """The kernel counts events with a value, because means need it."""
        return Counted(accumulators.value_row(self.events), accumulators.window(self.days))

    def by_definition(self, view: View) -> float:
        """What it means, where speed does not matter."""
        return float(sum(event.value is not None for event in view.matching(self.events, self.days)))


priced = [Priced("any", days=90), Priced("any")]
values = compute(compile_plan(priced, log.vocabulary), histories, ends)
{in_words(feature, "en", log.words): values[feature.name].to_numpy().mean() for feature in priced}

# %% [markdown]
# To train with it, move the class into `features/kinds/` and add it to KINDS there. That is all: settings, JSON, words
# and tests follow, and `tests/features/test_kernel.py` holds the kernel against `by_definition` on odd histories.
# A kind that reads the accumulators in a new way returns `Operands` and has a branch in `features/walk/derived.py`;
# `tests/features/test_new_kind.py` adds one and counts the files: three.
