"""A forest as bit masks, compiled: log-odds of rows, and how much of them comes from the profile.

Nobody walks down the trees. Each tree has a bit per leaf, from left to right; every split that sends a row to
the right rules out the leaves below its left child, and the first leaf that remains is the row's (Lucchese et al.,
QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees, SIGIR 2015). The splits of
a feature lie in order of threshold, so those that send a row right come first: memory is read from front to back, and
hardly a branch is guessed wrong.

Each split on a row's way changes what the tree expects; the change goes to the family of the split's feature, fit or
engagement (Saabas, Interpreting random forests, 2014). The changes add up to the log-odds minus the trees' mean. All of
a path is known beforehand, so a leaf simply holds the sum, and the parts cost no more than the log-odds alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros
from numpy.typing import NDArray

from data.compiled import njit
from serving.trees.trees import NAN_LEFT, Forest
from training.artifact.standalone import EDGE
from training.artifact.tree_text import CATEGORICAL, DEFAULT_LEFT, MISSING_ZERO
from training.samples.log_odds import Array

ZERO = 1e-35
ODD = CATEGORICAL | MISSING_ZERO
WORD = 64
Calibration = tuple[float, ...]
ALL = 2**WORD - 1


class Masks(NamedTuple):
    """A forest's splits by feature instead of by tree.

    thresholds, kinds: float64[n] and int32[n], as in trees.NODE. words, masks: uint32[n] and uint64[n], what a split
    does to a row that goes right. starts: int32[features, 4], where a feature's splits by number begin, those of them
    that send a missing value right, those by category or with 0 as missing, and where they end.
    sets, members: of a Forest. trees: int32[trees + 1, 2], first word and first leaf of each tree.
    leaves: float64[leaves, 2], log-odds, and what of them splits by fit have added.

    Plain arrays in one flat tuple: Numba takes long to recognize anything else, and does so at each call.
    """

    thresholds: Array
    kinds: NDArray[np.int32]
    words: NDArray[np.uint32]
    masks: NDArray[np.uint64]
    starts: NDArray[np.int32]
    sets: NDArray[np.int32]
    members: NDArray[np.uint32]
    trees: NDArray[np.int32]
    leaves: Array


def masks_of(forest: Forest, is_fit: NDArray[np.bool_]) -> Masks:
    """The masks of a forest; is_fit: bool[features], which features come from the profile."""
    size, first = _leaves(forest)
    is_leaf = forest.nodes["feature"] < 0
    trees = np.zeros((len(forest.roots) + 1, 2), np.int32)
    trees[1:, 0] = np.cumsum(-(-size[forest.roots] // WORD))
    trees[1:, 1] = np.cumsum(size[forest.roots])
    tree = np.searchsorted(forest.roots, np.arange(len(forest.nodes)), side="right") - 1
    leaves = np.empty((trees[-1, 1], 2))
    leaves[(trees[tree, 1] + first)[is_leaf]] = _worth(forest, is_fit)[is_leaf]
    splits = list(_splits(forest, first, size, trees[tree, 0]))
    splits.sort(key=lambda split: split[:3])
    # Feature f has the groups 3 f, 3 f + 1 and 3 f + 2; each begins where the one before ends.
    starts = np.searchsorted([3 * split[0] + split[1] for split in splits], np.arange(3 * len(is_fit) + 1))
    at = 3 * np.arange(len(is_fit))[:, None] + np.arange(4)
    _, _, thresholds, masks, words, kinds = zip(*splits, strict=True) if splits else ((),) * 6
    return Masks(
        np.array(thresholds, np.float64),
        np.array(kinds, np.int32),
        np.array(words, np.uint32),
        np.array(masks, np.uint64),
        starts[at].astype(np.int32),
        forest.starts,
        forest.members,
        trees,
        leaves,
    )


def _leaves(forest: Forest) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """int64[nodes] twice: how many leaves are below a node, and the number of the first one in its tree."""
    split = np.flatnonzero(forest.nodes["feature"] >= 0).tolist()
    lefts = forest.nodes["left"].tolist()
    size, first = [1] * len(lefts), [0] * len(lefts)
    for node in reversed(split):  # parents come before their children
        size[node] = size[lefts[node]] + size[lefts[node] + 1]
    for node in split:
        first[lefts[node]] = first[node]
        first[lefts[node] + 1] = first[node] + size[lefts[node]]
    return np.array(size), np.array(first)


def _worth(forest: Forest, is_fit: NDArray[np.bool_]) -> Array:
    """float64[nodes, 2]: what is expected at a node, and how much of that its path's splits by fit have added."""
    feature, lefts, mean = (column.tolist() for column in (forest.nodes["feature"], forest.nodes["left"], forest.mean))
    by_fit = [0.0] * len(mean)
    for node, left in enumerate(lefts):
        if feature[node] >= 0:
            for child in (left, left + 1):
                by_fit[child] = by_fit[node] + bool(is_fit[feature[node]]) * (mean[child] - mean[node])
    return np.column_stack([mean, by_fit])


def _splits(
    forest: Forest, first: NDArray[np.int64], size: NDArray[np.int64], word: NDArray[np.int32]
) -> Iterator[tuple[int, int, float, int, int, int]]:
    """Feature, group, threshold, mask, word and kind of each split; several where its leaves fill more than a word."""
    nodes, sizes, firsts, words = forest.nodes.tolist(), size.tolist(), first.tolist(), word.tolist()
    for node, (feature, kind, left, threshold) in enumerate(nodes):
        if feature < 0:
            continue
        groups = (2,) if kind & ODD else (0,) if kind & NAN_LEFT else (0, 1)
        low, high = firsts[node], firsts[node] + sizes[left]
        for at in range(low // WORD, (high - 1) // WORD + 1):
            begin, end = max(low - WORD * at, 0), min(high - WORD * at, WORD)
            mask = ALL ^ (((1 << (end - begin)) - 1) << begin)
            for group in groups:
                yield feature, group, threshold, mask, words[node] + at, kind


@njit()
def predict(masks, base, calibrator, matrix):  # type: ignore[no-untyped-def]
    """float64[n, 4]: log-odds, what fit and engagement add to `base`, the trees' mean, to make them, and probability.

    masks: of `masks_of`. calibrator: a, b and c of `training.artifact.standalone.calibrated`.
    matrix: float64[n, features].
    What a row gets is the same in whatever company it comes.
    """
    trees, leaves = masks.trees, masks.leaves
    words = np.empty(trees[-1, 0], np.uint64)
    out = np.empty((len(matrix), 4))
    for row in range(len(matrix)):
        _rule_out(words, masks, matrix, row)
        raw = fit = 0.0
        for tree in range(len(trees) - 1):
            leaf = _leaf(words, trees, tree)
            raw += leaves[leaf, 0]
            fit += leaves[leaf, 1]
        out[row] = raw, fit, raw - base - fit, calibrated_one(raw, *calibrator)
    return out


@njit()
def predict_periods(masks, bounds, models, offsets, matrix):  # type: ignore[no-untyped-def]
    """float64[n, periods, 2]: log-odds in each period, `offsets` included, and what of them splits by fit have added.

    models: int64[periods], the number of each period's model. bounds: int64[number of models + periods + 1], where
    trees begin that all periods of a model share, and behind those of all models the trees of each period.
    """
    trees, leaves, periods, first = masks.trees, masks.leaves, len(offsets), models[-1] + 1
    words = np.empty(trees[-1, 0], np.uint64)
    out = np.empty((len(matrix), periods, 2))
    for row in range(len(matrix)):
        _rule_out(words, masks, matrix, row)
        model, shared, shared_fit = -1, 0.0, 0.0
        for k in range(periods):
            if models[k] != model:
                model, shared, shared_fit = models[k], 0.0, 0.0
                for tree in range(bounds[model], bounds[model + 1]):
                    leaf = _leaf(words, trees, tree)
                    shared += leaves[leaf, 0]
                    shared_fit += leaves[leaf, 1]
            raw, fit = offsets[k] + shared, shared_fit
            for tree in range(bounds[first + k], bounds[first + k + 1]):
                leaf = _leaf(words, trees, tree)
                raw += leaves[leaf, 0]
                fit += leaves[leaf, 1]
            out[row, k, 0], out[row, k, 1] = raw, fit
    return out


@njit(inline="always")
def _rule_out(words, masks, matrix, row):  # type: ignore[no-untyped-def]
    """Takes from the words of all trees the leaves that a row does not reach."""
    starts, thresholds, split_words, split_masks = masks.starts, masks.thresholds, masks.words, masks.masks
    words[:] = np.uint64(ALL)
    for feature in range(matrix.shape[1]):
        value = matrix[row, feature]
        if np.isnan(value):
            for i in range(starts[feature, 1], starts[feature, 2]):
                words[split_words[i]] &= split_masks[i]
        else:
            for i in range(starts[feature, 0], starts[feature, 1]):
                if value <= thresholds[i]:
                    break
                words[split_words[i]] &= split_masks[i]
        for i in range(starts[feature, 2], starts[feature, 3]):
            if not _goes_left(masks.kinds[i], thresholds[i], value, masks.sets, masks.members):
                words[split_words[i]] &= split_masks[i]


@njit(inline="always")
def _leaf(words, trees, tree):  # type: ignore[no-untyped-def]
    """The first leaf of a tree that is left."""
    word, leaf = trees[tree, 0], trees[tree, 1]
    while words[word] == 0:
        word += 1
        leaf += WORD
    return leaf + np.int64(trailing_zeros(words[word]))


@njit()
def calibrated_one(raw, a, b, c):  # type: ignore[no-untyped-def]
    """As training.artifact.standalone.calibrated, for one."""
    tail = np.log1p(np.exp(-abs(raw)))
    log_p, log_q = min(raw, 0.0) - tail, min(-raw, 0.0) - tail
    logit = a * log_p - b * log_q + c
    return min(max(1.0 / (1.0 + np.exp(-min(max(logit, -700.0), 700.0))), EDGE), 1 - EDGE)


# Inlined: Numba counts references of every array that crosses a call, and that would cost more than the split.
@njit(inline="always")
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
