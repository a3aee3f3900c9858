"""A compiled catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from data.histories import Histories, Named
from data.vocabulary import Vocabulary
from features.kinds import Definition
from features.walk.companies import AroundPlan
from features.walk.instructions import Instructions


@dataclass(frozen=True)
class Plan:
    """A compiled catalogue: definitions in column order, and the instructions for the numbers among them.

    ends: place of a computed column -> from when on (µs UTC) nothing is known of the events that it is made of.
    around: what is read off colleagues; None where no definition asks. naming: what events are told apart by beside
    their type: whether they name a campaign, an asset. Each doubles the codes.
    """

    definitions: tuple[Definition, ...]
    vocabulary: Vocabulary
    instructions: Instructions
    ends: Mapping[int, int] = field(default_factory=dict)
    around: AroundPlan | None = None
    naming: tuple[Named, ...] = ()

    @cached_property
    def n_numbers(self) -> int:
        """How many columns are computed, and not looked up."""
        around = 0 if self.around is None else len(self.around.columns)
        return len(self.instructions.counted) + len(self.instructions.ops) + around

    @cached_property
    def n_rows(self) -> int:
        """How many events and profile versions a moment names: a first and a last of each touch, and one version."""
        return 2 * len(self.instructions.touches) + 1

    def codes(self, types: Sequence[str]) -> NDArray[np.int32]:
        """int32[len(types)]: the code of each of a log's event types in this plan's vocabulary."""
        names = tuple(types)
        codes = self._codes.get(names)
        if codes is None:
            known = {name: code for code, name in enumerate(self.vocabulary.types)}
            codes = np.fromiter(map(known.get, names, repeat(len(known))), np.int32, len(names))
            self._codes.clear()
            self._codes[names] = codes
        return codes

    def walk_codes(self, types: Sequence[str]) -> NDArray[np.int32]:
        """int32[2^naming * len(types)]: the code of each type, for each way in which its events may name something."""
        ways = range(2 ** len(self.naming))
        codes = self.codes(types)
        return np.concatenate([codes + np.int32(way * (len(self.vocabulary.types) + 1)) for way in ways])

    def told_apart(self, histories: Histories) -> Histories:
        """The same histories, their event types numbered as `walk_codes` has them."""
        kind = histories.event_type
        for place, name in enumerate(self.naming):
            codes, _ = histories.names(name)
            if codes is not None:
                kind = kind + np.where(codes < 0, 0, len(histories.types) * 2**place).astype(np.int32)
        return histories if kind is histories.event_type else replace(histories, event_type=kind)

    @cached_property
    def _codes(self) -> dict[tuple[str, ...], NDArray[np.int32]]:
        """The answer before: leads of one source name the same types."""
        return {}
