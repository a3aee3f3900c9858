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
# # Segments, and whether they are treated alike
# Does a probability mean the same in every country, for every channel? And who is among the leads that sales would work
# first? It reads the workspace that `make demo` made; `LEADSCORE_VAR` and `LEADSCORE_CONFIG` name another one. Each
# cell takes a few seconds.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from training.measuring.metrics import binomial_interval
from training.recipe.segments import judged_segments, segments_of
from training.samples.independent import one_per_lead
from training.updating.review import predictions
from workspace import Workspace

workspace = Workspace.here()
split, p = predictions(workspace.registry, workspace.settings.target, workspace.settings.training_plan)
rows = split.judged
len(rows), int(rows.y.sum())

# %% [markdown]
# ## Said and come, by segment
# The champion's judge has seen none of these leads; each counts once. Of twenty right fields one lies outside its own
# 95 % interval, so a verdict of `more` or `fewer` is given only where it holds after all looks.

# %%
fields = [
    {"segment": name, "value": value, "leads": field.leads, "said": field.promised / field.leads}
    | {"came": field.came / field.leads, "low": field.low, "high": field.high, "verdict": field.verdict}
    for name, values in judged_segments(rows, p).items()
    for value, field in values.items()
]
table = pd.DataFrame(fields)
table.round(3)

# %% [markdown]
# ## The same as a picture
# A bar that crosses the dotted line says: no evidence against it. A wide bar says that little is known, not that all is
# well; some go on beyond the right edge.

# %%
shown = table[table.said > 0].iloc[::-1]
figure, axes = plt.subplots(figsize=(7, 0.32 * len(shown) + 1), layout="constrained")
names = shown.segment + ": " + shown.value
ratio, low, high = (shown[column] / shown.said for column in ("came", "low", "high"))
axes.errorbar(ratio, names, xerr=[ratio - low, high - ratio], fmt="o", color="#2563eb", capsize=2)
axes.axvline(1, color="gray", linestyle=":")
axes.set(xlabel="came for each that was said", xlim=(-0.05, min(4, high.max() * 1.05)), ylim=(-0.7, len(shown) - 0.3))
plt.close(figure)
figure

# %% [markdown]
# ## Who is worked first?
# Of the leads of each country: how many are in the tenth with the highest scores, and of those who convert, how many
# does that tenth reach (equal opportunity)? Another share is no proof of unfairness: leads differ. Where fewer of those
# who will convert are reached than elsewhere, look at what is recorded of them.

# %%
once = np.isin(np.arange(len(rows)), one_per_lead(rows.lead, rows.as_of))
drawn, said = rows.of(once), p[once]
worked = said >= np.quantile(said, 0.9)
group = next(values for name, values in segments_of([drawn]).items() if name in ("country", "first channel"))
reach = []
for value in np.unique(group):
    of = group == value
    won = of & (drawn.y == 1)
    share = float(worked[won].mean()) if won.any() else np.nan
    low, high = binomial_interval(share, won.sum()) if won.any() else (np.nan, np.nan)
    reach.append((value, int(of.sum()), float(worked[of].mean()), int(won.sum()), share, float(low), float(high)))
reached = pd.DataFrame(reach, columns=["group", "leads", "worked", "converted", "reached", "low", "high"])
reached.round(3)

# %%
known = reached[reached.converted > 0]
figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
errors = [known.reached - known.low, known.high - known.reached]
names = known.group + "\n" + known.converted.astype(str) + " of " + known.leads.astype(str)
axes.bar(names, known.worked, color="#cbd5e1", label="of its leads")
axes.errorbar(names, known.reached, yerr=errors, fmt="o", color="#dc2626", capsize=3, label="of those who convert")
axes.set(ylabel="in the tenth worked first", ylim=(-0.03, 1.03))
axes.set_xlabel("group, and how many of its leads converted")
figure.legend(loc="outside upper center", ncols=2, frameon=False)
plt.close(figure)
figure
