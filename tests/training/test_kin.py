"""Which events are one act with an outcome, and which leads are one life, against a look at every pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.contract import US_PER_SECOND
from data.histories import Histories
from tests.features.leads import START, histories_of, in_order
from tests.oracles.features_naive import Event, Lead
from training.audit.duplicate_leads import WITHIN, Acts, fingerprints, near_outcome

Life = list[tuple[str, int]]
LIVES = st.lists(
    st.lists(st.tuples(st.sampled_from(["page", "won", "signed"]), st.integers(0, 40)), max_size=8), max_size=5
)


def histories(lives: list[Life]) -> Histories:
    """Leads with events (type, second)."""
    leads = []
    for number, life in enumerate(lives):
        events = [Event(at, at, kind) for kind, second in life for at in [START + second * US_PER_SECOND]]
        leads.append(Lead(f"L{number}", in_order(events), []))
    return histories_of(leads)


@given(LIVES)
def test_near_is_within_seconds_of_an_outcome_of_the_same_lead(lives: list[Life]) -> None:
    made = histories(lives)
    near, after = near_outcome(made, ["won"])
    for lead in range(made.n_leads):
        rows = range(made.starts[lead], made.starts[lead + 1])
        won = [made.occurred_at[row] for row in rows if made.types[made.event_type[row]] == "won"]
        for row in rows:
            apart = [made.occurred_at[row] - at for at in won if abs(made.occurred_at[row] - at) <= WITHIN]
            assert near[row] == bool(apart)
            assert after[row] == (bool(apart) and min(apart) > 0)


def test_acts_are_counted_by_type() -> None:
    acts = Acts()
    for _ in range(2):
        acts.add(histories([[("page", 0), ("page", 30), ("won", 31), ("signed", 41), ("signed", 60)]]), ["won"])
    assert (dict(acts.events), dict(acts.near)) == ({"page": 4, "signed": 4}, {"page": 2, "signed": 2})
    assert (acts.after["page"], acts.after["signed"]) == (0, 2)


@given(LIVES)
def test_one_life_under_two_ids_has_one_fingerprint(lives: list[Life]) -> None:
    prints = fingerprints(histories([*lives, *lives]))
    assert (prints[: len(lives)] == prints[len(lives) :]).all()
    for one, left in zip(prints, lives, strict=False):
        assert (one == 0) == (len({second for _, second in left}) < 3)
        for other, right in zip(prints, lives, strict=False):
            assert one == 0 or (one == other) == (sorted(left) == sorted(right))


def test_another_value_or_time_is_another_life() -> None:
    made = histories([[("page", 0), ("page", 1), ("won", 2)]])
    other_value = replace(made, value=np.array([1.0, np.nan, np.nan]))
    other_time = replace(made, occurred_at=made.occurred_at + np.array([0, 0, 1]))
    assert len({int(fingerprints(events)[0]) for events in (made, other_value, other_time)}) == 3
