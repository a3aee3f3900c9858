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
# # Explore histories
# What is in the event log, who converts, and what was known of one lead at a moment. It reads the workspace that
# `make demo` made; `LEADSCORE_VAR` and `LEADSCORE_CONFIG` name another one. Each cell takes a few seconds.

# %%
# %matplotlib inline
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from features.compiler import compile_plan
from features.feature_wording import in_words
from features.kernel import Moments, compute
from features.moments import label_moments
from workspace import Workspace

workspace = Workspace.here()
log = workspace.event_log()
workspace.facts()

# %% [markdown]
# ## What happens
# The log lies in buckets of leads; a bucket is a set of sorted arrays. One of them is enough for a first look.

# %%
histories = log.bucket(0)
events = pd.Series(np.array(histories.types)[histories.event_type]).value_counts()
events.head(12)

# %%
per_lead = np.diff(histories.starts)
figure = Figure(figsize=(7, 3), layout="constrained")
axes = figure.add_subplot()
axes.hist(per_lead, bins=np.geomspace(1, per_lead.max() + 1, 30))
axes.yaxis.set_major_locator(MaxNLocator(integer=True))
axes.set(xscale="log", xlabel="Events of a lead", ylabel="Leads", title="How long histories are")
figure

# %% [markdown]
# ## Who converts, and when
# A *moment* is a lead at a time at which it could have been scored. What is not known yet is censored, no negative.

# %%
target, policy = workspace.settings.chosen_target, workspace.settings.moment_policy
labelled = label_moments(histories, target, policy, log.observed_until_us + 1)
pd.Series(
    {
        "moments": len(labelled),
        "converted": int((labelled.labels.label == 1).sum()),
        "not": int((labelled.labels.label == 0).sum()),
        "censored": int(labelled.labels.censored.sum()),
    }
)

# %%
months = labelled.moments.as_of.astype("datetime64[us]").astype("datetime64[M]")
mature = labelled.labels.mature
rate = pd.Series(labelled.labels.label[mature]).groupby(months[mature]).agg(["mean", "size"])
rate.columns = ["share that converts", "moments"]
rate

# %% [markdown]
# ## What was known of one lead
# The same compiled function that makes training sets and serves requests.

# %%
plan = compile_plan(workspace.settings.catalogue(log), log.vocabulary)
busiest = int(np.argmax(per_lead))
now = log.observed_until_us + 1
known = compute(plan, histories, Moments(np.array([busiest], np.int32), np.array([now]))).to_pylist()[0]
table = pd.DataFrame(
    [(in_words(definition, words=log.words), known[definition.name]) for definition in plan.definitions],
    columns=["what", "value"],
)
table.head(20)
