"""What features usually add to the scores of leads that score alike: by it reasons tell what sets a lead apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.samples.log_odds import Array


@dataclass(frozen=True)
class Usual:
    """Means over bands of moments that scored alike, the lowest first.

    total: what all features add together, log-odds, rising. adds: for each band what each feature adds.
    """

    total: tuple[float, ...]
    adds: tuple[tuple[float, ...], ...]

    def beside(self, added: Array) -> Array:
        """float64[n, features]: what is usual where features add so much together; added: float64[n, features].

        >>> Usual((0.0, 1.0), ((0.0, 0.0), (0.8, 0.2))).beside(np.array([[0.5, 0.0]])).tolist()
        [[0.4, 0.1]]
        """
        total, bands = added.sum(axis=1), np.array(self.adds)
        return np.column_stack([np.interp(total, self.total, column) for column in bands.T])
