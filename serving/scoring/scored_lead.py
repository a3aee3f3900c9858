"""A lead as it was scored for a list: numbers, words, and its row in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from features.numbers_in_words import Language, percent
from serving.scoring.reason_selection import MOST

Cell = str | float | None
"""What stands in a file."""
FIT: Mapping[Language, str] = {"en": "fit", "de": "Passung"}


@dataclass(frozen=True)
class ScoredLead:
    """A score, and what is said of it.

    speaks_for, speaks_against: reasons in words, the strongest first. fit, engagement: log-odds that profile and
    behaviour add; fit_share: 0 to 1. as_of: ISO. caution: what is to be said of the model, "" for nothing. within: the
    probability for further horizons, by days. chain: that of each target of a chain, in its order.
    """

    lead_id: str
    probability: float
    low: float
    high: float
    stage: str
    in_words: str
    speaks_for: Sequence[str]
    speaks_against: Sequence[str]
    fit: float
    engagement: float
    fit_share: float
    target: str
    model_version: str
    as_of: str
    caution: str
    within: Mapping[int, float] = field(default_factory=dict)
    chain: Mapping[str, float] = field(default_factory=dict)

    def row(self) -> dict[str, Cell]:
        """The row of a file, by column."""
        return {
            "lead_id": self.lead_id,
            "probability": self.probability,
            "low": self.low,
            "high": self.high,
            "stage": self.stage,
            "in_words": self.in_words,
            **_numbered("for", self.speaks_for),
            **_numbered("against", self.speaks_against),
            "fit": self.fit,
            "engagement": self.engagement,
            "fit_share": self.fit_share,
            "target": self.target,
            "model_version": self.model_version,
            "as_of": self.as_of,
            **{f"within_{days}d": p for days, p in self.within.items()},
            "caution": self.caution,
            **{f"chain_{name}": p for name, p in self.chain.items()},
        }

    def lines(self, language: Language = "en") -> str:
        """Lines of text: who, which stage, how likely, what speaks for (+) and against (-) it."""
        share = percent(self.fit_share, 0, language)
        return "\n".join(
            [
                f"{self.lead_id}  {self.stage}  {self.in_words}; {FIT[language]} {share}",
                *(f"    + {reason}" for reason in self.speaks_for),
                *(f"    - {reason}" for reason in self.speaks_against),
            ]
        )


def _numbered(side: str, reasons: Sequence[str]) -> dict[str, str]:
    return {f"{side}_{i + 1}": reasons[i] if i < len(reasons) else "" for i in range(MOST)}
