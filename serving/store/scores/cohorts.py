"""What the store knows about scores that were given: one per lead and week, outcomes, and whom they were given to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, func, select, union_all

from features.labels import Target
from serving.store.database.connection import Database, chunks
from serving.store.database.schema import attributes, events, events_before_merge, leads, scores
from serving.store.events.deals import deals_of
from training.monitoring.cohorts import MONDAY, WEEK, GivenScores, StoredTurns


class CohortReader:
    """Reads a store for monitoring."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def scores(self, target: str, since: int) -> GivenScores:
        """Scores of a target with `as_of` from `since` (µs UTC) on."""
        week = (scores.c.as_of - MONDAY) // WEEK
        firsts = (
            select(func.min(scores.c.id))
            .where(scores.c.target == target, scores.c.as_of >= since)
            .group_by(scores.c.lead_id, week)
        )
        return self._given(firsts)

    def first_of_month(self, target: str, begin: int, end: int) -> GivenScores:
        """The first score of each lead with `as_of` in [begin, end), µs UTC."""
        firsts = select(func.min(scores.c.id)).group_by(scores.c.lead_id)
        return self._given(firsts.where(scores.c.target == target, scores.c.as_of >= begin, scores.c.as_of < end))

    def turns(self, target: Target, before: int) -> StoredTurns:
        """Events that mean something to a target and were known `before` (µs UTC); what they mean is not said here."""
        names = ("lead_id", "event_type", "known_at", "occurred_at", "deal")
        now, then = (
            select(*(table.c[name] for name in names)).where(
                table.c.event_type.in_(target.turning), table.c.known_at < before
            )
            for table in (events, events_before_merge)
        )
        others = select(leads.c.lead_id, leads.c.merged_since).where(leads.c.merged_since < before)
        with self._database.read() as connection:
            rows = connection.execute(union_all(now, then)).all()
            merged_at = dict[str, int](connection.execute(others).all())
        lead, kind, known_at, occurred_at, deal = zip(*rows, strict=True) if rows else ((),) * 5
        who, what = np.array(lead, dtype=np.str_), np.array(kind, dtype=np.str_)
        known, occurred = np.array(known_at, dtype=np.int64), np.array(occurred_at, dtype=np.int64)
        return StoredTurns(who, what, known, occurred, deal=deals_of(deal), merged_at=merged_at)

    def active(self, since: int, before: int) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        """Event type and lead (str[n] each), each pair once, of events known from `since` on, before `before` (µs)."""
        query = select(events.c.event_type, events.c.lead_id).distinct()
        query = query.where(events.c.known_at >= since, events.c.known_at < before)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        names, lead = zip(*rows, strict=True) if rows else ((), ())
        return np.array(names, dtype=np.str_), np.array(lead, dtype=np.str_)

    def categories(self, lead_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Profile column -> text -> how many of the leads have it in the profile that holds now."""
        counts: dict[str, dict[str, int]] = {}
        current = leads.join(
            attributes, (attributes.c.lead_id == leads.c.lead_id) & (attributes.c.valid_from == leads.c.profile_from)
        )
        for chunk in chunks([str(lead_id) for lead_id in lead_ids]):
            query = (
                select(attributes.c.name, attributes.c.text, func.count())
                .select_from(current)
                .where(leads.c.lead_id.in_(chunk), attributes.c.text.is_not(None))
                .group_by(attributes.c.name, attributes.c.text)
            )
            with self._database.read() as connection:
                for name, text, count in connection.execute(query):
                    counts.setdefault(name, {})[text] = counts.get(name, {}).get(text, 0) + int(count)
        return counts

    def _given(self, ids: Select[tuple[int]]) -> GivenScores:
        """The scores of these ids."""
        names = ("lead_id", "as_of", "probability", "stage", "model_version")
        query = select(*(scores.c[name] for name in names)).where(scores.c.id.in_(ids))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(scores.c.as_of, scores.c.lead_id)).all()
        lead, as_of, p, stage, version = zip(*rows, strict=True) if rows else ((),) * 5
        moments = np.array(as_of, dtype=np.int64)
        return GivenScores(
            np.array(lead, dtype=np.str_),
            moments,
            (moments - MONDAY) // WEEK,
            np.array(p, dtype=np.float64),
            np.array(stage, dtype=np.str_),
            np.array(version, dtype=np.str_),
        )
