"""Where leads come from: the first thing that each did itself."""

from __future__ import annotations

import numpy as np

from data.histories import Histories
from serving.scoring.scorer import Scorer
from serving.store.scores.funnel import LeadOrigin


def origins(scorer: Scorer, histories: Histories) -> list[LeadOrigin]:
    """One for each lead. What is done to a lead (the group `contact`), machines and outcomes do not count."""
    first = first_touches(scorer, histories)
    lead_ids = histories.lead_ids.to_pylist()
    return [
        LeadOrigin(lead_id, None, None, None) if at < 0 else _origin(lead_id, histories, at)
        for lead_id, at in zip(lead_ids, first, strict=True)
    ]


def first_touches(scorer: Scorer, histories: Histories) -> list[int]:
    """For each lead the place of its first own event, -1 for none."""
    target = scorer.target
    passive = {*scorer.plan.vocabulary.groups.get("contact", ()), *target.turning}
    own = np.array([name not in passive for name in histories.types], dtype=np.bool_)
    touches = (
        np.flatnonzero(own[histories.event_type] & ~histories.bot) if histories.n_events else np.empty(0, np.int64)
    )
    first = np.full(histories.n_leads, -1, dtype=np.int64)
    # Backwards, so that the earliest of each lead is written last.
    first[np.searchsorted(histories.starts, touches, side="right")[::-1] - 1] = touches[::-1]
    return [int(event) for event in first.tolist()]


def _origin(lead_id: str, histories: Histories, at: int) -> LeadOrigin:
    channel = int(histories.channel[at])
    return LeadOrigin(
        lead_id,
        None if channel < 0 else histories.channels[channel],
        histories.types[histories.event_type[at]],
        int(histories.occurred_at[at]),
    )
