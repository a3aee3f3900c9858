"""What is known of leads' colleagues at moments: companies beside histories, handed to the compiled walk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.companies import Companies
from data.contract import US_PER_DAY
from data.histories import Histories
from features.plan import Plan
from features.walk.companies import AroundPlan, walk_around


def look_around(
    plan: Plan,
    around: AroundPlan,
    histories: Histories,
    lead: NDArray[np.int32],
    as_of: NDArray[np.int64],
    version: NDArray[np.int64],
) -> NDArray[np.float32]:
    """float32[columns of `around`, m], for moments sorted by (lead, as_of); `version` is the profile version of each.

    Raises ValueError for histories without companies: their columns would be wrong without a word.
    """
    if histories.companies is None:
        raise ValueError("the model looks at companies; give the histories a source of them, or no_companies()")
    companies = histories.companies.around(histories)
    account, own = companies.places_of(histories)
    named = np.append(account, np.int32(-1))[version]
    numbers = np.empty((len(around.columns), len(as_of)), np.float32)
    walk_around(
        around.ops,
        around.member,
        plan.codes(companies.types),
        (companies.members.starts, companies.members.leads, companies.members.ends),
        tuple(map(_writable, _events(companies))),
        (companies.version_starts, companies.valid_from, companies.account),
        _traits(companies, around),
        (companies.absences.starts, companies.absences.from_at, companies.absences.until),
        (_writable(lead), _writable(as_of), named, own[lead]),
        numbers,
        US_PER_DAY,
    )
    return numbers


def _events(companies: Companies) -> tuple[NDArray[np.generic], ...]:
    c = companies
    return c.starts, c.known_at, c.occurred_at, c.event_type, c.superseded_at


def _traits(companies: Companies, around: AroundPlan) -> NDArray[np.int32]:
    none = np.full(len(companies.valid_from), -1, np.int32)
    rows = [companies.traits.get(name, none) for name in around.traits]
    return np.array(rows, np.int32).reshape(len(around.traits), len(none))


def _writable(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """One that may not be written to is of another type, for which all would be compiled once more."""
    return np.require(array, requirements="W")
