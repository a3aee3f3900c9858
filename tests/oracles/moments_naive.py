"""Moments and labels as plain loops over one lead.

Written from the documentation of features/outcomes.py, features/population.py and features/moments.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from features.labels import Target
from features.moments import MomentPolicy
from tests.oracles.features_naive import DAY, Event, Lead

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Looked:
    """One moment: label is None where it is unknown, event_days where no target is seen in the window."""

    as_of: int
    label: int | None
    mature: bool
    censored: bool
    event_days: float | None = None
    observed_days: float = 0.0


def is_valid(event: Event, as_of: int) -> bool:
    """Visible, and not known to be wrong before the moment."""
    return event.known_at < as_of and not event.superseded_at < as_of


def valid(lead: Lead, types: Sequence[str], as_of: int) -> list[Event]:
    """Events of some types that are valid at a moment."""
    return [event for event in lead.events if event.event_type in types and is_valid(event, as_of)]


def by_occurrence(event: Event) -> tuple[int, int]:
    return event.occurred_at, event.known_at


def by_knowledge(event: Event) -> tuple[int, int]:
    return event.known_at, event.occurred_at


def standing(lead: Lead, target: Target, as_of: int) -> list[Event]:
    """Valid target events less those that are undone: each undoing takes the newest one that it finds."""
    stand = valid(lead, target.events, as_of)
    for undoing in sorted(valid(lead, target.undone_by, as_of), key=by_occurrence):
        before = [event for event in stand if event.occurred_at <= undoing.occurred_at and is_about(undoing, event)]
        if before:
            newest = max(before, key=by_occurrence)
            stand = [event for event in stand if event is not newest]
    return stand


def is_about(event: Event, outcome: Event) -> bool:
    """Whether what undoes or reopens names the deal of an outcome, or none."""
    return not event.deal or event.deal == outcome.deal


def reopens(reopening: Event, outcome: Event) -> bool:
    """Whether a reopening comes after an outcome."""
    return by_knowledge(reopening) > by_knowledge(outcome)


def reopens_win(reopening: Event, outcome: Event) -> bool:
    """The same where the outcome is a target event: it may be of another deal."""
    return reopens(reopening, outcome) and is_about(reopening, outcome)


def is_out(lead: Lead, target: Target, as_of: int) -> bool:
    """Whether there is an outcome that no reopening has put behind the lead."""
    reopenings = valid(lead, target.reopened_by, as_of)
    closed = valid(lead, target.closed_by, as_of)
    won = [] if target.repeats else standing(lead, target, as_of)
    return any(not any(reopens(reopening, outcome) for reopening in reopenings) for outcome in closed) or any(
        not any(reopens_win(reopening, outcome) for reopening in reopenings) for outcome in won
    )


def is_known(lead: Lead, target: Target, as_of: int) -> bool:
    """Whether there is anything about it, and it has done what is required."""
    anything = any(is_valid(event, as_of) for event in lead.events)
    seen = anything or any(version.valid_from < as_of for version in lead.versions)
    return seen and (not target.requires or bool(valid(lead, target.requires, as_of)))


def is_open(lead: Lead, target: Target, as_of: int) -> bool:
    """Whether a lead is in the population at a moment, by what is valid then."""
    away = any(begin < as_of <= end for begin, end in lead.absences)
    return is_known(lead, target, as_of) and not is_out(lead, target, as_of) and not away


def joined_at(lead: Lead, target: Target) -> int | None:
    """When a lead joins: it is first known, and has done what is required."""
    times = [event.known_at for event in lead.events] + [version.valid_from for version in lead.versions]
    return min((at for at in times if is_known(lead, target, at + 1)), default=None)


def instants(lead: Lead, target: Target, policy: MomentPolicy, until: int) -> Iterator[int]:
    """The instants at which a policy looks at a lead, before it is asked whether the lead is open."""
    joined = joined_at(lead, target)
    if joined is None:
        return
    if policy.policy == "grid":
        yield from _grid(policy.every_days, joined, until)
    elif policy.policy == "ages":
        yield from (joined + days * DAY for days in sorted(policy.ages_days))
    else:
        yield from sorted({event.known_at + 1 for event in lead.events if is_valid(event, event.known_at + 1)})


def _grid(every: int, begin: int, end: int) -> Iterator[int]:
    """Whole steps of days from the first Monday on, backwards and forwards."""
    step = timedelta(days=every)
    at = MONDAY + (datetime.fromtimestamp(begin // 1_000_000, UTC) - MONDAY) // step * step
    while (time := round((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))) <= end:
        yield time
        at += step


def looked_at(
    lead: Lead, target: Target, policy: MomentPolicy, until: int, known_until: int | None = None
) -> list[Looked]:
    """All moments of a lead, before any are thinned out."""
    joined = joined_at(lead, target)
    moments = []
    for as_of in instants(lead, target, policy, until):
        young = joined is not None and as_of <= joined + policy.max_age_days * DAY
        if as_of <= until and young and is_open(lead, target, as_of):
            moments.append(as_of)
    return [label_of(lead, target, as_of, until, known_until) for as_of in moments]


def ends_of(lead: Lead, until: int, known_until: int | None) -> tuple[int, int]:
    """Until when a lead was observed, and by which knowledge it is judged: no later than it was merged for good."""
    known = until if known_until is None else known_until
    merged = [begin for begin, end in lead.merged if begin < known <= end]
    return min([until, *merged]), min([known, *merged])


def label_of(lead: Lead, target: Target, as_of: int, until: int, known_until: int | None = None) -> Looked:
    until, known = ends_of(lead, until, known_until)
    opens = as_of + target.gap_days * DAY
    closes = opens + target.horizon_days * DAY
    happened = [event.occurred_at for event in standing(lead, target, known)]
    within = [at for at in happened if opens <= at < closes and at < until]
    converted = bool(within)
    mature = closes + target.settle_days * DAY <= until
    censored = not mature and not converted
    event_days = (min(within) - opens) / DAY if within else None
    settled = until - target.settle_days * DAY
    observed_days = max(min(settled, closes) - opens, 0) / DAY
    return Looked(as_of, None if censored else int(converted), mature, censored, event_days, observed_days)


def nothing_left(lead: Lead, target: Target, as_of: int, until: int, known_until: int | None = None) -> bool:
    """Whether a target that does not repeat has happened already, unseen, and not before the lead was reopened."""
    _, known = ends_of(lead, until, known_until)
    reopenings = [event for event in valid(lead, target.reopened_by, known) if event.known_at < as_of]
    before = [event for event in standing(lead, target, known) if event.occurred_at < as_of]
    left = [event for event in before if not any(reopens_win(reopening, event) for reopening in reopenings)]
    return not target.repeats and bool(left)
