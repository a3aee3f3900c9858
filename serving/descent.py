"""Down the trees of a forest, compiled: log-odds of rows, and how much of them comes from the profile.

Each split on a row's way changes what the tree expects; the change goes to the family of the split's feature, fit or
engagement (Saabas, Interpreting random forests, 2014). The changes add up to the log-odds minus the trees' mean. All of
a path is known beforehand, so a leaf simply holds the sum, and the parts cost no more than the log-odds alone.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from serving.trees import CATEGORICAL, DEFAULT_LEFT, MISSING_ZERO, NAN_LEFT, Forest
from training.logits import Array

ZERO = 1e-35
ODD = CATEGORICAL | MISSING_ZERO
AT_ONCE = 16
"""Rows that go down a tree one after the other, while its nodes are at hand and the rows still are."""


def worth_of(forest: Forest, is_fit: NDArray[np.bool_]) -> Array:
    """float64[nodes, 2]: what is expected at a node, and how much of that its path's splits by fit have added.

    is_fit: bool[features], which features come from the profile.
    """
    by_fit = np.zeros(len(forest.nodes))
    for node in np.flatnonzero(forest.nodes["feature"] >= 0).tolist():  # parents come before their children
        at = forest.nodes[node]
        for child in (at["left"], at["left"] + 1):
            by_fit[child] = by_fit[node] + is_fit[at["feature"]] * (forest.mean[child] - forest.mean[node])
    return np.column_stack([forest.mean, by_fit])


@njit(cache=True, nogil=True)
def descend(nodes, roots, sets, worth, base, matrix):  # type: ignore[no-untyped-def]
    """float64[n, 3]: log-odds, and what fit and engagement add to `base`, the trees' mean, to make them.

    nodes, roots: of a Forest; sets: its (starts, members). matrix: float64[n, features]. What a row gets is the same in
    whatever company it comes.
    """
    starts, members = sets
    out = np.zeros((len(matrix), 3))
    for first in range(0, len(matrix), AT_ONCE):
        for root in roots:
            for row in range(first, min(first + AT_ONCE, len(matrix))):
                node = root
                while nodes[node].feature >= 0:
                    at = nodes[node]
                    value = matrix[row, at.feature]
                    # No branch: which way a row goes cannot be foretold, and a wrong guess costs more than the split.
                    left = (value <= at.threshold) | (np.isnan(value) & (at.kind & NAN_LEFT != 0))
                    if at.kind & ODD:
                        left = _goes_left(at.kind, at.threshold, value, starts, members)
                    node = at.left + (not left)
                out[row, 0] += worth[node, 0]
                out[row, 1] += worth[node, 1]
    for row in range(len(matrix)):
        out[row, 2] = out[row, 0] - base - out[row, 1]
    return out


# Inlined: Numba counts references of every array that crosses a call, and that would cost more than the split.
@njit(cache=True, nogil=True, inline="always")
def _goes_left(kind, threshold, value, starts, members):  # type: ignore[no-untyped-def]
    """LightGBM's decision at a split by category, or at one where 0 is missing."""
    if kind & CATEGORICAL:
        if np.isnan(value) or value < 0 or value >= 2**31:
            return False
        code, which = int(value), int(threshold)
        word = starts[which] + code // 32
        return word < starts[which + 1] and (members[word] >> np.uint32(code % 32)) & np.uint32(1) == 1
    if np.isnan(value) or abs(value) <= ZERO:
        return kind & DEFAULT_LEFT != 0
    return value <= threshold
