"""Undoings that find nothing to undo are told, since what they cancel stays won."""

from __future__ import annotations

from dataclasses import replace

import pytest

from features.labels import Target
from tests.features.leads import histories_of, in_order
from tests.oracles.features_naive import DAY, Event, Lead
from training.audit.undone import Undone

TARGET = Target("conversion", ("deal_won",), ("deal_lost",), undone_by=("deal_cancelled",))


def lead(name: str, *events: tuple[str, int, int]) -> Lead:
    """A lead with events: type, day, deal."""
    return Lead(name, in_order([Event(day * DAY, day * DAY, kind, deal=deal) for kind, day, deal in events]), [])


BEFORE = lead("before", ("deal_cancelled", 1, 0), ("deal_won", 2, 0))
OTHER = lead("other", ("deal_won", 1, 7), ("deal_cancelled", 2, 8))
TWICE = lead("twice", ("deal_won", 1, 0), ("deal_cancelled", 2, 0), ("deal_cancelled", 3, 0))
RIGHT = lead("right", ("deal_won", 1, 7), ("deal_won", 1, 0), ("deal_cancelled", 2, 7), ("deal_lost", 3, 0))


@pytest.mark.parametrize(
    ("leads", "told"),
    [
        ([RIGHT], []),
        ([RIGHT, BEFORE], ["1 of 2 events undo nothing"]),
        ([OTHER], ["1 of 1 events undo nothing"]),
        ([TWICE], ["1 of 2 events undo nothing"]),
        ([RIGHT] * 150 + [BEFORE], []),  # fewer than one in a hundred
    ],
    ids=["right", "before it happened", "another deal", "twice", "one of many"],
)
def test_what_undoes_nothing_is_counted(leads: list[Lead], told: list[str]) -> None:
    undone = Undone(TARGET, 9 * DAY)
    for one in leads:
        undone.add(histories_of([one]))
    findings = list(undone.findings())
    assert [finding.evidence.partition(": ")[0] for finding in findings] == told
    assert all((finding.name, finding.severity) == ("deal_cancelled", "warn") for finding in findings)


def test_a_type_that_also_ends_the_chance_needs_nothing_to_undo() -> None:
    undone = Undone(replace(TARGET, closed_by=("deal_cancelled",)), 9 * DAY)
    undone.add(histories_of([BEFORE]))
    assert list(undone.findings()) == []
