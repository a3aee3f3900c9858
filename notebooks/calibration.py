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
# # Calibration, and what it means
# A probability of 20 % is right when of 100 leads that got it 20 convert. This notebook checks that on leads that the
# model had not seen, spoils it on purpose, and mends it again. It reads the workspace that `make demo` made;
# `LEADSCORE_VAR` and `LEADSCORE_CONFIG` name another one. Each cell takes a few seconds.

# %%
# %matplotlib inline
import numpy as np
import pandas as pd
from scipy.special import expit

from training.calibration.calibrator import calibrator_of
from training.measuring.evaluation import Evaluation, evaluate
from training.report.plots import reliability
from training.samples.log_odds import Array, logit
from training.updating.review import predictions
from workspace import Workspace

workspace = Workspace.here()
split, p = predictions(workspace.registry, workspace.settings.target, workspace.settings.training_plan)
rows = split.judged
len(rows), int(rows.y.sum())

# %% [markdown]
# ## Do the champion's probabilities come true?
# Its judge learnt from the past only; these are the newest moments. Each dot is a band of probabilities, so that the
# few at the top have dots of their own. Bars that cross the diagonal say: no evidence against it.

# %%
honest = evaluate(rows.y, rows.weight, rows.lead, {"champion": p})
reliability(honest.bands)

# %% [markdown]
# ## Spoilt on purpose
# Twice the log-odds: the order of leads stays, so AUC and lift stay as well. Yet 60 % no longer means 60 %, and
# whoever plans with it plans wrong. The log-loss notices.

# %%
spoilt_p = expit(2 * logit(p))
spoilt = evaluate(rows.y, rows.weight, rows.lead, {"champion": spoilt_p})
reliability(spoilt.bands)


# %%
def summary(evaluation: Evaluation) -> dict[str, float | None]:
    """What tells ranking from calibration; a slope of 1 is perfect, below 1 too extreme, above 1 too timid."""
    judgement = evaluation.judgements[0]
    return {name: judgement.metrics[name].value for name in ("auc", "log_loss", "slope", "intercept")} | {
        "ECE": judgement.ece,
        "ECE of a perfect model": judgement.ece_floor.value,
    }


pd.DataFrame({"champion": summary(honest), "spoilt": summary(spoilt)})

# %% [markdown]
# An ECE alone says little: with few leads even a perfect model shows some. So it stands beside what a perfect one of
# that size would show.
#
# ## Mended
# A calibrator is a monotone map with three numbers. Training fits it to what the newest leads came to, out of fold, and
# pulls it towards changing nothing, the more the fewer converted; here it learns from the first half of the slice and
# is looked at on the second.

# %%
older = rows.as_of < np.median(rows.as_of)
calibrator = calibrator_of(spoilt_p[older], rows.y[older], rows.weight[older], rows.as_of[older], rows.lead[older])
mended_p: Array = calibrator(spoilt_p)
newer = rows.of(~older)
after = evaluate(newer.y, newer.weight, newer.lead, {"mended": mended_p[~older], "spoilt": spoilt_p[~older]})
pd.DataFrame([calibrator.to_dict()])

# %%
reliability(after.bands)
