"""What is known about the lead itself, as it was known at the moment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from features.kinds.accumulators import Accumulators
from features.kinds.definition import Definition, Family, Kind, Sentence, Value, View

PROFILE = Sentence("profile: {column}", "Profil: {column}")


@dataclass(frozen=True)
class Profile(Definition):
    """A category of the profile as it was known at the moment; missing where unknown.

    The value in the newest profile version with `valid_from < as_of` (a lead's first version: `<=`).
    """

    kind: ClassVar[Kind] = "category"
    family: ClassVar[Family] = "fit"
    sentence: ClassVar = PROFILE

    column: str

    def read(self, accumulators: Accumulators) -> None:
        return None

    def by_definition(self, view: View) -> Value:
        return view.profile(self.column)


@dataclass(frozen=True)
class ProfileNumber(Definition):
    """A number of the profile as it was known at the moment, by the rule of `Profile`; missing where unknown.

    A number beyond ± 3.4e38 (the largest float32) is missing too.
    """

    family: ClassVar[Family] = "fit"
    sentence: ClassVar = PROFILE

    column: str

    def read(self, accumulators: Accumulators) -> None:
        return None

    def by_definition(self, view: View) -> Value:
        known = view.profile(self.column)
        return math.nan if known is None else known
