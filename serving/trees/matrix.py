"""Kernel output to model input without a table in between, for few rows at a time: what `Encoder.matrix` does.

A table of one row costs more than its score, so requests have this path; a test holds both equal on random histories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.compiled import njit
from data.histories import Histories, Named
from features.kernel import LARGEST, Computed
from features.kinds import Definition, FirstTouch, LastTouch, Profile, ProfileNumber
from training.artifact.manifest import Feature
from training.samples.log_odds import Array

Codes = dict[float | str, float]


@dataclass(frozen=True)
class Touch:
    """A column of the matrix that names the first or last event of a group."""

    place: int
    touch: int
    is_first: bool
    of: Named
    codes: Codes


class MatrixPlan:
    """Where each feature of a model comes from. Raises KeyError when the catalogue does not make one of them."""

    def __init__(self, catalogue: Sequence[Definition], features: Sequence[Feature]) -> None:
        place = {feature.name: i for i, feature in enumerate(features)}
        codes: list[Codes] = [
            {name: float(i) for i, name in enumerate(feature.categories or ())} for feature in features
        ]
        kinds = (FirstTouch, LastTouch, Profile, ProfileNumber)
        numbers = [definition.name for definition in catalogue if not isinstance(definition, kinds)]
        touches = [definition for definition in catalogue if isinstance(definition, FirstTouch | LastTouch)]
        profiles = [definition for definition in catalogue if isinstance(definition, Profile | ProfileNumber)]
        made = {definition.name for definition in catalogue}
        if missing := [name for name in place if name not in made]:
            raise KeyError(f"feature {missing[0]!r} is not in the catalogue")
        self.width = len(features)
        self.number_from = np.array([i for i, name in enumerate(numbers) if name in place], dtype=np.int64)
        self.number_to = np.array([place[name] for name in numbers if name in place], dtype=np.int64)
        self.touches = [
            Touch(
                place[definition.name],
                i,
                isinstance(definition, FirstTouch),
                definition.of,
                codes[place[definition.name]],
            )
            for i, definition in enumerate(touches)
            if definition.name in place
        ]
        self.categories = [
            (place[definition.name], definition.column, codes[place[definition.name]])
            for definition in profiles
            if definition.name in place and isinstance(definition, Profile)
        ]
        self.profile_numbers = [
            (place[definition.name], definition.column)
            for definition in profiles
            if definition.name in place and isinstance(definition, ProfileNumber)
        ]

    def matrix(
        self, computed: Computed, histories: Histories, versions: Sequence[Mapping[str, float | str | None]]
    ) -> Array:
        """float64[m, features]; NaN is missing. `versions` are the profile versions that `computed.version` counts."""
        matrix: Array = _spread(computed.columns, self.number_from, self.number_to, self.width)
        touched = zip(computed.first.tolist(), computed.last.tolist(), strict=True)
        for row, version, (first, last) in zip(matrix, computed.version.tolist(), touched, strict=True):
            self._touched(row, first, last, histories)
            if version >= 0:
                self._profile(row, versions[version])
        return matrix

    def _touched(self, out: Array, first: list[int], last: list[int], histories: Histories) -> None:
        for touch in self.touches:
            event = first[touch.touch] if touch.is_first else last[touch.touch]
            if event < 0:
                continue
            codes, names = histories.names(touch.of)
            code = -1 if codes is None else int(codes[event])
            if code >= 0:
                out[touch.place] = touch.codes.get(names[code], np.nan)

    def _profile(self, out: Array, version: Mapping[str, float | str | None]) -> None:
        for place, column, codes in self.categories:
            value = version.get(column)
            if value is not None:
                out[place] = codes.get(value, np.nan)
        for place, column in self.profile_numbers:
            number = version.get(column)
            if number is not None:
                wide = float(number)
                out[place] = np.float32(wide) if abs(wide) <= LARGEST else np.nan


@njit()
def _spread(numbers, number_from, number_to, width):  # type: ignore[no-untyped-def]
    """float64[m, width]: rows of `numbers`, float32[columns, m], in their places; elsewhere NaN."""
    matrix = np.full((numbers.shape[1], width), np.nan)
    for i in range(len(number_to)):
        for row in range(len(matrix)):
            matrix[row, number_to[i]] = numbers[number_from[i], row]
    return matrix
