"""Projects of companies in the simulated funnel: while one is on, some leads of the company look, and any may sign.

So what one lead does says something about its colleagues that they do not show themselves. truth.parquet takes each
lead for itself and knows nothing of projects: with them it is no best possible prediction.
"""

from __future__ import annotations

import numpy as np

from data.simulated.cohort import SimulatedCohort
from data.simulated.funnel import Ints
from data.simulated.options import FunnelOptions

SHARE, LENGTH = 0.4, 70
"""Share of companies that have one, and its days."""
EAGER = 2
"""The intent that a lead which looks has at least while its company's project is on: evaluating."""
SIGNS = 0.25
"""By how much of the hazard of one that is ready any lead signs then, at least."""


def draw_projects(options: FunnelOptions, cohort: SimulatedCohort, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """First day of the project of each lead's company and the day after its last; -1 where there is none."""
    none = np.full(len(cohort), -1)
    if not options.shared:
        return none, none
    companies = int(cohort.account.max()) + 1
    begins = np.where(rng.random(companies) < SHARE, rng.integers(options.days, size=companies), -1)[cohort.account]
    return begins, np.where(begins < 0, -1, begins + LENGTH)
