"""leads.csv of the simulated funnel: invented names and addresses, and profiles in one or more versions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from data.simulated.cohort import EMPLOYEES, SimulatedCohort
from data.simulated.funnel import START, Floats, Ints
from data.simulated.options import FunnelOptions

GIVEN = ("Ada", "Anna", "Ben", "Clara", "David", "Elif", "Emil", "Eva", "Jan", "Jonas", "Lea", "Lina", "Luca", "Marie")
FAMILY = ("Bauer", "Berger", "Fischer", "Gruber", "Huber", "Keller", "Koch", "Kowalski", "Martin", "Meyer", "Moser")
EMPLOYEES_UNKNOWN = 0.2
UPDATED = (0.12, 0.03)
"""Shares of leads whose number of employees is updated once, and twice. Chance decides, so it tells nothing."""


def lead_ids(count: int) -> NDArray[np.str_]:
    """Ids of all leads, by index."""
    return np.array([f"L{index:07d}" for index in range(count)])


def iso_times(micros: Ints) -> pa.Array:
    """Text like 2024-01-31T09:30:00.000000Z from int64 µs after START; a negative number becomes null.

    >>> iso_times(np.array([3_600_000_001, -1])).to_pylist()
    ['2024-01-01T01:00:00.000001Z', None]
    """
    times = pa.array(micros + START, pa.int64(), mask=micros < 0).cast(pa.timestamp("us"))
    return pc.strftime(times, format="%Y-%m-%dT%H:%M:%SZ")


def profile_table(options: FunnelOptions, cohort: SimulatedCohort, rng: np.random.Generator) -> pa.Table:
    """One row per lead and version, by lead and time; all columns are text.

    Only `employees` ever changes. It depends on company_size alone, so that a version says nothing about the state.
    """
    lead, valid_from, employees = _versions(options, cohort, rng)
    named = rng.integers(len(GIVEN) * len(FAMILY), size=len(cohort))
    given, family = np.array(GIVEN)[named // len(FAMILY)], np.array(FAMILY)[named % len(FAMILY)]
    phone = [f"+49 30 555 {index:07d}" for index in range(len(cohort))]
    columns = {
        "account_id": np.array([f"A{account:06d}" for account in cohort.account]),
        "full_name": np.array([f"{first} {last}" for first, last in zip(given, family, strict=True)]),
        "email": np.array([f"{last.lower()}.{index}@example.com" for index, last in enumerate(family)]),
        "phone": np.where(cohort.profile["has_phone"] == "yes", phone, ""),
        **{name: cohort.profile[name] for name in ("has_phone", "industry", "company_size")},
    }
    more = {name: cohort.profile[name] for name in ("seniority", "country", "lead_source")}
    return pa.table(
        {
            "lead_id": lead_ids(len(cohort))[lead],
            "valid_from": iso_times(valid_from),
            **{name: values[lead] for name, values in columns.items()},
            "employees": pa.array(employees, pa.int64(), mask=employees < 0),
            **{name: values[lead] for name, values in more.items()},
        }
    )


def _versions(options: FunnelOptions, cohort: SimulatedCohort, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Lead, µs after START and employees (-1: unknown) of every version within the observation."""
    count = len(cohort)
    head = _employees(cohort, rng)
    changes = (rng.random(count)[:, None] < np.array(UPDATED)).sum(axis=1)
    later = rng.integers(5 * US_PER_DAY, 200 * US_PER_DAY, size=(count, len(UPDATED))).cumsum(axis=1)
    growth = np.exp(rng.normal(0.0, 0.1, size=(count, len(UPDATED)))).cumprod(axis=1)
    unknown = rng.random(count) < EMPLOYEES_UNKNOWN
    lead, version = np.nonzero(np.arange(len(UPDATED) + 1) <= changes[:, None])
    at = np.hstack([np.zeros((count, 1), np.int64), later])[lead, version] + cohort.created_at[lead]
    size = np.rint(head[lead] * np.hstack([np.ones((count, 1)), growth])[lead, version]).astype(np.int64)
    size[(version == 0) & unknown[lead]] = -1
    observed = at < options.days * US_PER_DAY
    return lead[observed], at[observed], np.where(size[observed] == 0, 1, size[observed])


def _employees(cohort: SimulatedCohort, rng: np.random.Generator) -> Floats:
    """Log-uniform within the company's size."""
    ranges = np.array([EMPLOYEES[size] for size in cohort.profile["company_size"]], dtype=np.float64)
    low, high = np.log(ranges).T
    employees: Floats = np.rint(np.exp(rng.uniform(low, high)))
    return employees
