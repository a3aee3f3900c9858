"""What other thresholds would bring: leads, wins and precision of about fifty of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.measuring.metrics import binomial_interval
from training.samples.log_odds import Array
from training.thresholds.threshold_selection import check_flow, check_labels, cuts_of
from training.thresholds.volume import ScoredLabels, Volume

FEWEST = 10
"""A precision of fewer leads is noise and not shown."""


@dataclass(frozen=True)
class WhatIf:
    """What each threshold would bring (m, from the highest down): volume, wins, precision with its interval, recall."""

    probability: Array
    leads_per_week: Array
    wins_per_week: Array
    precision: Array
    low: Array
    high: Array
    recall: Array


def what_if(labels: ScoredLabels, flow: Volume) -> WhatIf:
    """The consequences of about fifty thresholds; an interval holds for a threshold chosen without looking at it."""
    check_flow(flow)
    check_labels(labels)
    cuts, selected, converted = cuts_of(labels, FEWEST)
    brought = np.array([flow.above(cut) for cut in cuts]).reshape(-1, 2)
    # A lower beginning lets no fewer through, also where its weeks follow a flatter trend of their own.
    leads, wins = np.maximum.accumulate(brought).T
    precision = converted / selected
    low, high = binomial_interval(precision, selected)
    return WhatIf(cuts, leads, wins, precision, low, high, converted / max(labels.y.sum(), 1))
