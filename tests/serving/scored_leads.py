"""A scored lead for tests of what is written, with what matters to them."""

from __future__ import annotations

from serving.scoring.scored_lead import ScoredLead


def scored_lead(lead_id: str, in_words: str = "1", fit: float = 0.0) -> ScoredLead:
    """A lead of probability 0.5."""
    return ScoredLead(
        lead_id, 0.5, 0.4, 0.6, "MQL", in_words, (), (), fit, 0.0, 0.5, "conversion", "1", "2024-05-01Z", caution=""
    )
