"""When a model is tried again that the machine could not try: later, and with more time, from one time to the next."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from serving.champion.smoke_test import SECONDS

LONGEST_PAUSE_S, LONGEST_TRIAL_S = 600.0, 3_600.0


@dataclass(frozen=True)
class Postponement:
    """A trial that is put off. mark: what names the model. tries: how often it was begun. pause_s: until the next."""

    mark: str
    tries: int
    pause_s: float
    begun: float = field(default_factory=lambda: time.monotonic())

    @staticmethod
    def after(before: Postponement | None, mark: str, look_s: float) -> Postponement:
        """The next one. look_s: what passes between two looks.

        >>> Postponement.after(Postponement.after(None, "7", 10.0), "7", 10.0).pause_s
        20.0
        """
        tries = 1 if before is None else before.tries + 1
        return Postponement(mark, tries, min(look_s * 2.0 ** (tries - 1), LONGEST_PAUSE_S))

    @staticmethod
    def patience(before: Postponement | None) -> float:
        """How many seconds the next trial may take.

        >>> Postponement.patience(None), Postponement.patience(Postponement("7", 2, 20.0))
        (120.0, 480.0)
        """
        return min(SECONDS * 2.0 ** (0 if before is None else before.tries), LONGEST_TRIAL_S)

    def holds(self, mark: str) -> bool:
        """Whether it is too early for another try of this model; another one need not wait."""
        return mark == self.mark and time.monotonic() < self.begun + self.pause_s

    def __str__(self) -> str:
        return f"that is no fault of the model's: tried again in {self.pause_s:g} seconds, and with more time"
