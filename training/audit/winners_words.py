"""What only leads that converted had before their outcome: event types, channels and amounts, told of winners later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.histories import FAR, Histories
from features.numbers_in_words import number
from training.audit.column_checks import is_far_surer
from training.audit.findings import Finding

FEWEST_LEADS = 20
Word = tuple[str, str]
"""A kind of word, `event type`, `channel` or `amount of`, and the word."""


@dataclass
class WinnersWords:
    """Counts over leads. had: who had a word, winners before their first outcome, others ever; won: winners of them."""

    leads: int = 0
    winners: int = 0
    had: Counter[Word] = field(default_factory=Counter)
    won: Counter[Word] = field(default_factory=Counter)

    def add(self, histories: Histories, targets: Collection[str]) -> None:
        """Counts leads; `targets` are the event types that count as the outcome."""
        lead = np.repeat(np.arange(histories.n_leads), np.diff(histories.starts))
        codes = [code for code, name in enumerate(histories.types) if name in targets]
        outcome = np.full(histories.n_leads, FAR)
        is_target = np.isin(histories.event_type, codes)
        np.minimum.at(outcome, lead[is_target], histories.occurred_at[is_target])
        rows = (histories.occurred_at < outcome[lead]) & ~histories.bot
        amounts = rows & (np.nan_to_num(histories.value) != 0)
        self.leads += histories.n_leads
        self.winners += int((outcome < FAR).sum())
        for kind, names, code, of in (
            ("event type", histories.types, histories.event_type, rows),
            ("channel", histories.channels, histories.channel, rows & (histories.channel >= 0)),
            ("amount of", histories.types, histories.event_type, amounts),
        ):
            self._count(kind, names, lead[of], code[of], outcome < FAR)

    def _count(
        self,
        kind: str,
        names: Sequence[str],
        lead: NDArray[np.int64],
        code: NDArray[np.int32],
        has_won: NDArray[np.bool_],
    ) -> None:
        pairs = np.unique(np.column_stack([lead, code]), axis=0)
        had = np.bincount(pairs[:, 1], minlength=len(names))
        won = np.bincount(pairs[has_won[pairs[:, 0]], 1], minlength=len(names))
        self.had.update({(kind, name): int(count) for name, count in zip(names, had, strict=True)})
        self.won.update({(kind, name): int(count) for name, count in zip(names, won, strict=True)})

    def findings(self) -> Iterator[Finding]:
        """Words of enough leads, nearly all of which converted, far surer than leads without them."""
        for word, had in sorted(self.had.items()):
            won, others = self.won[word], self.leads - had
            if had >= FEWEST_LEADS and others and is_far_surer(won, had, self.winners - won, others):
                kind, name = word
                evidence = (
                    f"{number(won)} of {number(had)} leads with the {kind} {name!r} converted after it, "
                    f"{number(self.winners - won)} of {number(others)} without: it was told of leads that had converted"
                )
                yield Finding("certain", name, "fail", evidence)
