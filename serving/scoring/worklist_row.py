"""What people want to see of a lead beside its score: what drives it, what it did last, how often it was contacted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.contract import US_PER_DAY
from data.histories import Histories
from features.kernel import Moments
from serving.scoring.latest_events import latest_events
from serving.scoring.scorer import Scorer, Scores
from serving.store.events.sales_events import EVENTS
from serving.store.leads.worklist import WorklistRow
from serving.store.scores.reason import Explanation, written_facts

PRESSURE_US = 30 * US_PER_DAY
"""Contacts within such a time are pressure."""
NEVER = np.iinfo(np.int64).min


def worklist_rows(
    scorer: Scorer, histories: Histories, moments: Moments, scores: Scores, explained: Sequence[Explanation]
) -> list[WorklistRow]:
    """One row of the list for each of `scores`, whose explanations are `explained`.

    `moments` holds one moment per lead, which sees the whole history.
    """
    fit, engagement = scorer.model.parts(scores.matrix)[:, 1:].T.tolist()
    lead_ids, as_of = histories.lead_ids.to_pylist(), int(moments.as_of[0])
    active, contacts, ignored, channel = _behaviour(scorer, histories, as_of)
    latest = latest_events(histories, scorer.plan.vocabulary.groups.get("contact", ()))
    return [
        WorklistRow(
            lead_ids[lead],
            fit[row],
            engagement[row],
            *_top_reason(explained[row]),
            None if active[lead] == NEVER else int(active[lead]),
            int(contacts[lead]),
            int(ignored[lead]),
            None if channel[lead] < 0 else histories.channels[channel[lead]],
            latest[lead],
        )
        for row, lead in enumerate(moments.lead.tolist())
    ]


def _top_reason(explained: Explanation) -> tuple[str | None, str | None]:
    """The feature that stands for the first headline for a lead, and what is said there as JSON."""
    first = next((reason for reason in explained.reasons if reason.facts and reason.adds > 0), None)
    return (None, None) if first is None else (first.feature, written_facts(first.facts))


def _behaviour(
    scorer: Scorer, histories: Histories, as_of: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """int64[n_leads] each: latest own activity, contacts, those since the last answer, channel of the first touch."""
    lead = np.repeat(np.arange(histories.n_leads), np.diff(histories.starts))
    at, person = histories.occurred_at, ~histories.bot
    groups = scorer.plan.vocabulary.groups
    contact = _is_one_of(histories, groups.get("contact", ())) & person
    own = person & ~contact & ~_is_one_of(histories, EVENTS)
    answer = _is_one_of(histories, groups.get("answer", ())) & person
    active, answered = (_latest(histories.n_leads, lead[mask], at[mask]) for mask in (own, answer))
    recent = contact & (at >= as_of - PRESSURE_US)
    ignored = recent & (at > answered[lead])
    counts = [np.bincount(lead[mask], minlength=histories.n_leads).astype(np.int64) for mask in (recent, ignored)]
    touches = np.flatnonzero(own & (histories.channel >= 0))[::-1]
    channel = np.full(histories.n_leads, -1, dtype=np.int64)
    channel[lead[touches]] = histories.channel[touches]
    return active, counts[0], counts[1], channel


def _is_one_of(histories: Histories, types: Sequence[str]) -> NDArray[np.bool_]:
    wanted = np.array([name in types for name in histories.types], dtype=np.bool_)
    return wanted[histories.event_type] if histories.n_events else np.zeros(0, np.bool_)


def _latest(n_leads: int, lead: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
    latest = np.full(n_leads, NEVER, dtype=np.int64)
    np.maximum.at(latest, lead, at)
    return latest
