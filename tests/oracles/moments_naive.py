"""Moments and labels as plain loops over one lead, written from the documentation of features/moments.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def is_open(lead: Lead, target: Target, as_of: int) -> bool:
    """Whether a lead is in the population at a moment, by what is visible then."""
    seen = [event for event in lead.events if event.known_at < as_of]
    known = bool(seen) or any(version.valid_from < as_of for version in lead.versions)
    joined = not target.requires or any(event.event_type in target.requires for event in seen)
    ends = target.closed_by if target.repeats else (*target.events, *target.closed_by)
    return known and joined and not any(event.event_type in ends for event in seen)


def joined_at(lead: Lead, target: Target) -> int | None:
    """When a lead joins: it is first known, and has done what is required."""
    known = [event.known_at for event in lead.events] + [version.valid_from for version in lead.versions]
    required = [event.known_at for event in lead.events if event.event_type in target.requires]
    if not known or (target.requires and not required):
        return None
    return max(min(known), min(required)) if target.requires else min(known)


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
        yield from sorted({event.known_at + 1 for event in lead.events})


def _grid(every: int, begin: int, end: int) -> Iterator[int]:
    """Whole steps of days from the first Monday on, backwards and forwards."""
    step = timedelta(days=every)
    at = MONDAY + (datetime.fromtimestamp(begin // 1_000_000, UTC) - MONDAY) // step * step
    while (time := round((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))) <= end:
        yield time
        at += step


def looked_at(lead: Lead, target: Target, policy: MomentPolicy, until: int) -> list[Looked]:
    """All moments of a lead, before any are thinned out."""
    joined = joined_at(lead, target)
    found = []
    for as_of in instants(lead, target, policy, until):
        young = joined is not None and as_of <= joined + policy.max_age_days * DAY
        if as_of <= until and young and is_open(lead, target, as_of):
            found.append(as_of)
    return [label_of(lead, target, as_of, until) for as_of in found]


def label_of(lead: Lead, target: Target, as_of: int, until: int) -> Looked:
    opens = as_of + target.gap_days * DAY
    closes = opens + target.horizon_days * DAY
    within = [at for at in happened(lead.events, target, until) if opens <= at < closes]
    converted = bool(within)
    mature = closes + target.settle_days * DAY <= until
    censored = not mature and not converted
    event_days = (min(within) - opens) / DAY if within else None
    settled = until - target.settle_days * DAY
    observed_days = max(min(settled, closes) - opens, 0) / DAY
    return Looked(as_of, None if censored else int(converted), mature, censored, event_days, observed_days)


def happened(events: Iterable[Event], target: Target, until: int) -> list[int]:
    """When the target occurred, as far as it is known at the end of observation."""
    return [event.occurred_at for event in events if event.event_type in target.events and event.known_at < until]


def nothing_left(lead: Lead, target: Target, as_of: int, until: int) -> bool:
    """Whether a target that does not repeat has happened already, unseen."""
    return not target.repeats and any(at < as_of for at in happened(lead.events, target, until))
