"""Whose an event is at each time, beside a plain reading of what was said of it and of who is whose alias."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.histories import FAR
from data.judging.holders import spans_of
from data.judging.verdicts import RETRACTED
from data.log.identities import NOBODY, Owners

LEADS = st.integers(1, 4)
TIMES = st.integers(0, 6)
CONTENTS = st.sampled_from([7, 8, int(RETRACTED)])
VERSIONS = st.lists(st.tuples(CONTENTS, LEADS, TIMES), min_size=1, max_size=6, unique_by=lambda version: version[1:])
STEPS = st.dictionaries(LEADS, st.dictionaries(TIMES, LEADS | st.just(int(NOBODY)), min_size=1, max_size=3), max_size=3)
Steps = dict[int, dict[int, int]]
Version = tuple[int, int, int]


def owners_of(steps: Steps) -> Owners:
    flat = [(since, owner) for alias in sorted(steps) for since, owner in sorted(steps[alias].items())]
    starts = np.cumsum([0, *(len(steps[alias]) for alias in sorted(steps))])
    since, owner = ([step[place] for step in flat] for place in (0, 1))
    return Owners(np.array(sorted(steps), np.uint64), starts, np.array(since, np.int64), np.array(owner, np.uint64))


def owner_at(steps: Steps, lead: int, at: int) -> int:
    past = [since for since in steps.get(lead, {}) if since <= at]
    return steps[lead][max(past)] if past else lead


def held(versions: list[Version], steps: Steps, at: int) -> dict[int, int]:
    """By lead that has the event at a time, which version of it: the newest statement may name several leads."""
    said = [time for *_, time in versions if time <= at]
    holders: dict[int, tuple[bool, int, int]] = {}
    for place, (content, lead, time) in enumerate(versions):
        owner = owner_at(steps, lead, at)
        if said and time == max(said) and content != RETRACTED and owner != NOBODY:
            holders[owner] = min(holders.get(owner, (True, 99, 0)), (lead != owner, lead, place))
    return {owner: place for owner, (_, _, place) in holders.items()}


@given(VERSIONS, STEPS)
@settings(max_examples=200)
@example([(7, 1, 3), (8, 2, 3)], {})
def test_at_each_time_those_have_it_of_whom_it_was_said_last(versions: list[Version], steps: Steps) -> None:
    content, lead, at = (np.array(column) for column in zip(*versions, strict=True))
    spans = spans_of(content.astype(np.uint64), lead.astype(np.uint64), at.astype(np.int64), owners_of(steps))
    rows = [tuple(map(int, row)) for row in zip(*spans, strict=True)]
    for moment in range(8):
        there = [(holder, version) for holder, since, until, version in rows if since <= moment < until]
        assert len(there) == len(dict(there)), "two versions of one lead at once"
        assert dict(there) == held(versions, steps, moment)
    assert all(since < until for _, since, until, _ in rows)
    ends = {(holder, until, version) for holder, _, until, version in rows if until != FAR}
    assert not ends & {(holder, since, version) for holder, since, _, version in rows}, "a span that goes on is one"
