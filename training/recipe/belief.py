"""Whether a model is too good to be true: then something gives the outcome away that no column's check has seen."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from data.contract import DataError
from features.numbers_in_words import number, percent
from training.model.boosted import Boosted
from training.recipe.train import Judged

BELIEVED = 0.99
"""Above this AUC, by the low end of its interval, nobody's future is known."""


def check_believable(model: Boosted, judged: Judged, allow: Collection[str]) -> None:
    """Raises DataError for a judge that tells the newest slice apart for sure; its strongest column may be allowed."""
    auc = judged.evaluation.judgements[0].metrics["auc"]
    if auc.low is None or auc.value is None or auc.low <= BELIEVED:
        return
    shares = model.feature_importances_
    name, share = model.encoder_.names[int(np.argmax(shares))], float(shares.max())
    if name not in allow:
        raise DataError(
            f"the model tells who converts with an AUC of {number(auc.value, 4)}, which no honest column can; "
            f"{name!r} has the largest part of its gain ({percent(share)}). Look how it comes to be, then drop it "
            f"(features.drop), or, where it is no leak, train with --allow {name}"
        )
