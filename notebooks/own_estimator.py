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
# # An estimator of your own
# X and y for any scikit-learn estimator, split as this project splits: forward in time, purged, grouped by lead. It
# reads the workspace that `make demo` made; `LEADSCORE_VAR` and `LEADSCORE_CONFIG` name another one. All of it takes
# less than a minute on the demo's workspace, most of that the search.

# %%
# %matplotlib inline
from collections.abc import Iterator
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.calibration import CalibrationDisplay
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import PartialDependenceDisplay
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from training.model.classifier import LeadConversionClassifier
from workspace import Workspace

workspace = Workspace.here()
frame = workspace.frame().known
frame.X.shape, frame.y.mean(), frame.time.min(), frame.time.max()


# %% [markdown]
# ## The split
# At a past date one knew the labels whose window had closed by then. Learnt from is what was known, judged are later
# moments of leads that were not learnt from. A random split would put moments of a lead on both sides, and flatter.


# %%
def forward(shares: tuple[float, ...]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to learn from and rows to judge, at each of these shares of the time."""
    certain = frame.time + pd.Timedelta(days=workspace.settings.chosen_target.window.certain_after_days)
    cuts = [*frame.time.quantile(list(shares)), frame.time.max()]
    for cut, end in pairwise(cuts):
        past = certain <= cut
        later = (frame.time >= cut) & (frame.time < end) & ~frame.lead.isin(frame.lead[past])
        yield np.flatnonzero(past), np.flatnonzero(later)


*earlier, (learn, judged) = forward((0.5, 0.65, 0.8))
[(len(past), len(later)) for past, later in [*earlier, (learn, judged)]]

# %% [markdown]
# ## A pipeline, and a search over the earlier splits
# The newest split takes no part in the choice: it judges.

# %%
encoded = make_column_transformer(
    (
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        make_column_selector(dtype_include="category"),
    ),
    remainder="passthrough",
    verbose_feature_names_out=False,
).set_output(transform="pandas")
pipeline = make_pipeline(encoded, HistGradientBoostingClassifier(learning_rate=0.1, max_iter=60, random_state=0))
search = GridSearchCV(
    pipeline,
    {"histgradientboostingclassifier__max_leaf_nodes": [4, 15]},
    scoring="neg_log_loss",
    cv=earlier,
)
search.fit(frame.X, frame.y)
own = search.best_estimator_.fit(frame.X.iloc[learn], frame.y.iloc[learn])
search.best_params_, -search.best_score_

# %% [markdown]
# ## Beside ours, on the same moments
# Few trees, so that it takes seconds; `leadscore train` fits more.

# %%
ours = LeadConversionClassifier(n_folds=2, max_rounds=80, learning_rate=0.1)
ours.fit(
    frame.X.iloc[learn],
    frame.y.iloc[learn],
    frame.weight.iloc[learn],
    groups=frame.lead.iloc[learn],
    time=frame.time.iloc[learn].astype("int64"),
)
X, y = frame.X.iloc[judged], frame.y.iloc[judged]
said = {"own": own.predict_proba(X)[:, 1], "ours": ours.predict_proba(X)[:, 1]}
said["base rate"] = np.full(len(y), frame.y.iloc[learn].mean())
losses = {name: log_loss(y, p) for name, p in said.items()}
losses

# %% [markdown]
# ## Do the probabilities come true?
# On logarithmic axes, since most leads have a low probability; where nobody converted a line leaves the picture.

# %%
figure, axes = plt.subplots(figsize=(6, 5))
for name in ("own", "ours"):
    CalibrationDisplay.from_predictions(y, said[name], n_bins=4, strategy="quantile", name=name, ax=axes)
axes.set(xscale="log", yscale="log", xlim=(0.003, 1), ylim=(0.003, 1))
plt.close(figure)
figure

# %% [markdown]
# ## What moves a prediction?
# Each number is what a feature adds in log-odds, on average over the judged moments, up or down: SHAP values of all
# members. `shap.TreeExplainer(ours.boosters_[0])(ours.encoded(X))` hands those of one to the plots of `shap`.

# %%
added = ours.contributions(X).drop(columns="base")
strength = added.abs().mean().sort_values().tail(12)
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.barh(strength.index, strength.to_numpy(), color="#2563eb")
axes.set_xlabel("mean change in log-odds, up or down")
plt.close(figure)
figure

# %% [markdown]
# ## How does it depend on one feature?
# The average prediction when a feature is set to a value and all else stays as it is: what the model has learnt, not
# what would happen if somebody changed it.

# %%
strongest = [name for name in reversed(strength.index) if pd.api.types.is_float_dtype(frame.X[name])][:2]
few = X.dropna(subset=strongest).head(400).astype(dict.fromkeys(strongest, "float64"))
figure, axes = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
PartialDependenceDisplay.from_estimator(own, few, strongest, grid_resolution=20, ax=axes)
plt.close(figure)
figure
