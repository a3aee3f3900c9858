"""Down the trees of a forest, compiled: log-odds of rows, and how much of them comes from fit and from engagement.

The parts are the exact Shapley value (Shapley 1953) of a game of two players, fit and engagement. What a player alone
achieves is the trees' expectation when only that player's features are known, by the shares of training rows at each
split, as in path-dependent TreeSHAP (Lundberg et al. 2018). With two players that takes two more walks, where SHAP
values of all features take the time of fifty predictions.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from serving.trees import BELOW, CATEGORICAL, DEFAULT_LEFT, KNOWN, MISSING_NAN, MISSING_ZERO
from training.logits import Array

ALL, FIT, ENGAGEMENT = range(3)
"""The games: both players know their features, only fit does, only engagement does."""
ZERO = 1e-35


def games(is_fit: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool[3, features]: what is known in each game; `is_fit` says which features come from the profile."""
    return np.stack([np.ones_like(is_fit), is_fit, ~is_fit])


def parts(worth: Array, base: float) -> Array:
    """float64[n, 3]: log-odds, and what fit and engagement add to `base`, the trees' mean, to make them.

    >>> parts(np.array([[3.0, 1.5, 2.0]]), base=1.0).tolist()
    [[3.0, 0.75, 1.25]]
    """
    fit = ((worth[:, FIT] - base) + (worth[:, ALL] - worth[:, ENGAGEMENT])) / 2
    return np.column_stack([worth[:, ALL], fit, worth[:, ALL] - base - fit])


@njit(cache=True, nogil=True)
def descend(forest, matrix, deepest):  # type: ignore[no-untyped-def]
    """float64[n, 3]: the sum of the trees' expectations in each game, for a forest that `marked` has marked.

    matrix: float64[n, features]. deepest: how many nodes a walk may leave for later, a tree's leaves at most.
    Tree by tree, so that its nodes are still at hand for the next game.
    """
    nodes, starts, members = forest.nodes, forest.starts, forest.members
    out = np.zeros((len(matrix), 3))
    later, weights = np.empty(deepest, np.int32), np.empty(deepest)
    for row in range(len(matrix)):
        values = matrix[row]
        for root in forest.roots:
            if not nodes[root].kind & (BELOW << FIT):
                # Nothing of the profile in this tree, as in many: one walk tells it all.
                out[row, FIT] += nodes[root].mean
                last = ALL
            else:
                last = ENGAGEMENT
            before = out[row, ALL]
            for game in range(last + 1):
                known, below, waiting = KNOWN << game, BELOW << game, 1
                later[0], weights[0] = root, 1.0
                while waiting:
                    waiting -= 1
                    node, weight = later[waiting], weights[waiting]
                    kind = nodes[node].kind
                    while kind & below:
                        if kind & known:
                            left = _goes_left(kind, nodes[node].threshold, values[nodes[node].feature], starts, members)
                            node = nodes[node].left if left else nodes[node].right
                        else:
                            share = nodes[node].left_share
                            later[waiting], weights[waiting] = nodes[node].right, weight * (1 - share)
                            waiting += 1
                            weight, node = weight * share, nodes[node].left
                        kind = nodes[node].kind
                    out[row, game] += weight * nodes[node].mean
            if last == ALL:
                out[row, ENGAGEMENT] += out[row, ALL] - before
    return out


# Inlined: Numba counts references of every array that crosses a call, and that would cost more than the split.
@njit(cache=True, nogil=True, inline="always")
def _goes_left(kind, threshold, value, starts, members):  # type: ignore[no-untyped-def]
    """LightGBM's decision at a split."""
    missing = np.isnan(value)
    if kind & CATEGORICAL:
        if missing or value < 0 or value >= 2**31:
            return False
        code, which = int(value), int(threshold)
        word = starts[which] + code // 32
        return word < starts[which + 1] and (members[word] >> np.uint32(code % 32)) & np.uint32(1) == 1
    if missing and not kind & MISSING_NAN:
        value, missing = 0.0, False
    if missing or (kind & MISSING_ZERO and abs(value) <= ZERO):
        return kind & DEFAULT_LEFT != 0
    return value <= threshold
