"""A share that was counted, and how sure it is; how it reads: features/numbers_in_words.py."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z = 1.959963984540054
"""Of a 95 % interval."""


@dataclass(frozen=True)
class Share:
    """`count` of `of` leads; low, high: 95 % interval (Wilson, J. Am. Stat. Assoc. 22, 1927)."""

    count: int
    of: int
    value: float
    low: float
    high: float


def share(count: int, of: int) -> Share | None:
    """The share with its interval; None of nobody.

    >>> found = share(9, 100)
    >>> round(found.low, 3), round(found.high, 3)
    (0.048, 0.162)
    """
    if of <= 0:
        return None
    p, scale = count / of, 1 + Z**2 / of
    middle, half = p + Z**2 / (2 * of), Z * sqrt(p * (1 - p) / of + Z**2 / (4 * of**2))
    return Share(count, of, p, max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale))
