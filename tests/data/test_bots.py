"""Bot rules look back only: what comes later never changes the label of an event."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.log.bots import label_bots
from data.sources.mapping import BotRule

TYPES = ["email_sent", "email_click", "page_view"]
FAST = BotRule(name="fast", types=("email_click",), after="email_sent", seconds=10)
SLOW = BotRule(name="slow", types=("email_click", "page_view"), after="email_sent", seconds=30)
Events = list[tuple[int, int]]
"""(occurred_at in seconds, type) in the order in which they became known."""

events = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2)), max_size=12)


def labels(leads: list[Events], rules: tuple[BotRule, ...] = (FAST,)) -> list[int]:
    rows = [event for lead in leads for event in lead]
    occurred = np.array([at * 1_000_000 for at, _ in rows], dtype=np.int64)
    kinds = np.array([kind for _, kind in rows], dtype=np.int32)
    starts = np.cumsum([0, *map(len, leads)]).astype(np.int64)
    return [int(bot) for bot in label_bots(rules, starts, occurred, kinds, TYPES)]


def labelled(history: Events, i: int, rule: BotRule) -> bool:
    """Straight from the rule: one of its types, at most so many seconds after a trigger that was known before."""
    at, kind = history[i]
    before = [when for when, other in history[:i] if TYPES[other] == rule.after]
    return TYPES[kind] in rule.types and any(0 <= at - when <= rule.seconds for when in before)


@settings(max_examples=200)
@given(st.lists(events, min_size=1, max_size=3))
def test_labels_are_those_of_the_first_rule_that_fits(leads: list[Events]) -> None:
    rules = (FAST, SLOW)
    expected = [
        next((place for place, rule in enumerate(rules) if labelled(lead, i, rule)), -1)
        for lead in leads
        for i in range(len(lead))
    ]
    assert labels(leads, rules) == expected


@settings(max_examples=100)
@given(events, events)
def test_later_events_change_no_label(known: Events, later: Events) -> None:
    assert labels([known + later])[: len(known)] == labels([known])


def test_edges() -> None:
    assert labels([[(0, 0), (10, 1)]]) == [-1, 0]
    assert labels([[(0, 0), (11, 1)]]) == [-1, -1]
    assert labels([[(5, 0), (5, 1)]]) == [-1, 0]
    assert labels([[(5, 1), (5, 0)]]) == [-1, -1], "the mail became known after the click"
    assert labels([[(0, 0)], [(1, 1)]]) == [-1, -1], "another lead's mail"


def test_a_mail_known_late_hides_no_earlier_one() -> None:
    assert labels([[(0, 0), (50, 0), (5, 1)]]) == [-1, -1, 0]


def test_no_rules_label_nothing() -> None:
    assert labels([[(0, 0), (1, 1)]], ()) == [-1, -1]
