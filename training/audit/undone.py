"""What undoes outcomes, and finds none to undo: dated before it, or about another deal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from data.histories import Histories
from data.visibility import is_valid
from features.labels import Target
from features.numbers_in_words import number
from features.outcome_events import TARGET, UNDOES, outcome_events_of
from features.outcomes import standing
from training.audit.findings import Finding

SHARE = 0.01


class Undone:
    """Counts undoings, bucket by bucket. Types that also end or reopen a chance need nothing to undo, and are left out.

    until: by what is valid then, µs UTC.
    """

    def __init__(self, target: Target, until: int) -> None:
        self._until = until
        types = tuple(name for name in target.undone_by if name not in (*target.closed_by, *target.reopened_by))
        self._target = replace(target, undone_by=types)
        self._undoings = self._without = 0

    def add(self, histories: Histories) -> None:
        """Counts those of some leads."""
        if not self._target.undone_by:
            return
        events = outcome_events_of(histories, self._target)
        valid = is_valid(events.known_at, events.superseded_at, self._until)
        undoings = int((valid & (events.meaning == UNDOES)).sum())
        happened = int((valid & (events.meaning & TARGET > 0)).sum())
        undone = happened - len(standing(events, self._until).times)
        self._undoings += undoings
        self._without += undoings - undone

    def findings(self) -> Iterator[Finding]:
        """A warning where more than a few undo nothing: what they cancel would stay won."""
        if self._without > 0 and self._without >= SHARE * self._undoings:
            outcome = " or ".join(self._target.events)
            evidence = (
                f"{number(self._without)} of {number(self._undoings)} events undo nothing: no {outcome} of their lead, "
                "or of the deal that they name, occurred before. Are they dated after it, and do both name one deal?"
            )
            yield Finding("undone", ", ".join(self._target.undone_by), "warn", evidence)
