"""How many converted leads a model takes, by the criteria of Riley et al. (BMJ 368:m441, 2020), and how long they take.

Leads are counted, not moments: those of one lead share its outcome. Three things are asked for, and the largest number
of leads decides: coefficients need to be shrunk by no more than a tenth; what the model explains looks no more than
.05 better in training than it is; the base rate is known to .05 and to a quarter of itself.

Nothing is known beforehand of how well leads can be told apart, so the model is taken to explain 15 % of what could be
explained (Nagelkerke's R²), as the authors advise. The parameters are those of the simplest model that tells leads
apart here (training/model/prior.py): trees that stop early spend no fewer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.contract import US_PER_DAY
from features.numbers_in_words import amount, counted, number

if TYPE_CHECKING:
    from training.samples.sample import Sample

SHRINKAGE, OPTIMISM, EXPLAINED = 0.9, 0.05, 0.15
MARGIN, RELATIVE_MARGIN = 0.05, 0.25
CURRENT_DAYS = 84
"""The days (of moments whose outcome is known) that tell the current rate."""
WEEK = 7 * US_PER_DAY
WEEKS = {"one": "{count} week", "other": "{count} weeks"}


@dataclass(frozen=True)
class Need:
    """What there is and what is needed: leads with known outcome, those that converted, how many have to, and why.

    per_week: leads that have converted in a week lately.
    """

    leads: int
    converted: int
    needed: int
    per_week: float
    criterion: str

    @property
    def met(self) -> bool:
        """Whether there are enough."""
        return self.converted >= self.needed

    @property
    def weeks(self) -> float | None:
        """How long the missing ones take at the current rate; None where none convert."""
        return max(self.needed - self.converted, 0) / self.per_week if self.per_week else None


def need_of(sample: Sample, parameters: int, asked: int = 0) -> Need:
    """What a sample has and needs; `asked`: so many converted leads are enough whatever the criteria say (0: none)."""
    known = sample.of(sample.mature)
    leads, first_won = known.every * len(np.unique(known.lead[known.is_whole])), _first_conversions(known)
    rate = (len(first_won) + 0.5) / (leads + 1)
    criterion, size = max(criteria(rate, parameters).items(), key=lambda item: item[1])
    per_week = 0.0
    if len(known):
        days = min(CURRENT_DAYS * US_PER_DAY, max(int(np.ptp(known.as_of)), WEEK))
        per_week = float((first_won > known.as_of.max() - days).sum() / (days / WEEK))
    needed = math.ceil(size * rate)
    return Need(leads, len(first_won), asked or needed, per_week, "fewest_converted" if asked else criterion)


def _first_conversions(known: Sample) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """int64[converted leads], µs UTC: the first moment of each that was followed by a conversion; rows are in order."""
    won = known.y > 0
    _, first = np.unique(known.lead[won], return_index=True)
    return np.asarray(known.as_of[won][first])


def criteria(rate: float, parameters: int) -> dict[str, float]:
    """How many leads each criterion asks for, at a rate of conversion and with so many parameters.

    >>> {name: round(size) for name, size in criteria(0.174, 30).items()}
    {'shrinkage': 2831, 'optimism': 933, 'base rate': 292}
    """
    most = 1 - math.exp(2 * (rate * math.log(rate) + (1 - rate) * math.log(1 - rate)))
    explained = EXPLAINED * most
    honest = EXPLAINED / (EXPLAINED + OPTIMISM)
    margin = min(MARGIN, RELATIVE_MARGIN * rate)
    return {
        "shrinkage": _leads_for(SHRINKAGE, explained, parameters),
        "optimism": _leads_for(honest, explained, parameters),
        "base rate": (1.96 / margin) ** 2 * rate * (1 - rate),
    }


def _leads_for(shrinkage: float, explained: float, parameters: int) -> float:
    """Leads at which coefficients have to be shrunk by a factor no smaller than that (van Houwelingen & Le Cessie)."""
    return parameters / ((shrinkage - 1) * math.log(1 - explained / shrinkage))


def sentence(need: Need) -> str:
    """What is there, what is missing, and how long it takes.

    >>> sentence(Need(900, 40, 110, 2.5, "shrinkage"))
    '40 of 900 leads have converted, 110 are needed (shrinkage): 70 more, about 28 weeks at the current 2.5 a week'
    """
    missing = f"{number(need.needed - need.converted)} more"
    if need.weeks is None:
        pace = "none has converted lately"
    else:
        pace = f"about {counted(math.ceil(need.weeks), WEEKS)} at the current {amount(need.per_week)} a week"
    return (
        f"{number(need.converted)} of {number(need.leads)} leads have converted, {number(need.needed)} are needed "
        f"({need.criterion}): {missing}, {pace}"
    )
