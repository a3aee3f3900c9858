"""LightGBM's text format as flat arrays: all trees of all boosters one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.artifact.standalone import ArtifactError
from training.artifact.tree_text import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, Tree, trees_of

Number = TypeVar("Number", bound=np.generic)
COUNTS: dict[str, list[str]] = {"internal_count": [], "leaf_count": ["1"]}
"""Fields that tell how many training rows came to splits and leaves, and what they are in a tree of one leaf."""
NAN_LEFT = 16
"""A bit that we add to it: a missing value goes left at this split, whatever the reason."""
NODE = np.dtype([("feature", np.int32), ("kind", np.int32), ("left", np.int32), ("threshold", np.float64)], align=True)
"""A node, all in one place of memory. feature: -1 for a leaf. kind: bits above. left: number of its left child, the
right one comes next. threshold: for a category split the row of `starts`."""


class Forest(NamedTuple):
    """Trees of all boosters of a model.

    roots: int32[trees]. nodes: NODE[n], a tree's children in pairs, after their parents. mean: float64[n], what the
    trees expect at a node by the shares of training rows below it, a leaf's value; already divided by their number.
    starts: int32[c + 1] and members: uint32[w], bit sets of the categories that go left, set i is
    members[starts[i]:starts[i + 1]].
    """

    roots: NDArray[np.int32]
    nodes: NDArray[np.void]
    mean: NDArray[np.float64]
    starts: NDArray[np.int32]
    members: NDArray[np.uint32]


def forest_of(texts: Sequence[str]) -> Forest:
    """Reads the boosters of an artifact, whose hashes have been compared. Raises ArtifactError for another format."""
    return grown(trees_of(texts), len(texts))


def grown(trees: Sequence[Tree], boosters: int) -> Forest:
    """A forest of trees that come from so many boosters. Raises ArtifactError where one is none."""
    if not trees:
        raise ArtifactError("the boosters hold no tree; train again")
    try:
        inner = np.array([int(tree["num_leaves"][0]) - 1 for tree in trees])
        roots = np.append(0, np.cumsum(2 * inner + 1))
        place, is_split = _places(trees, inner, roots)
        starts, members, first_set = _sets(trees)
        nodes = _nodes(trees, inner, roots, place[is_split], first_set)
        mean = _means(trees, nodes, place, is_split) / boosters
    except (KeyError, IndexError, ValueError, ArithmeticError) as error:
        raise ArtifactError(f"a booster's text cannot be read ({type(error).__name__}: {error}); train again") from None
    return Forest(roots[:-1].astype(np.int32), nodes, mean, starts, members)


def _places(
    trees: Sequence[Tree], inner: NDArray[np.int64], roots: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """int64[nodes]: where each tree's splits and then its leaves stand; which of these are splits, bool[nodes].

    The children of a tree's split i are 2i + 1 and 2i + 2 behind its root.
    """
    children = [_column(trees, name, inner, np.int64) for name in ("left_child", "right_child")]
    size, tree, split = 2 * inner + 1, np.repeat(np.arange(len(inner)), inner), _counted(inner)
    place = np.repeat(roots[:-1], size)
    for side, noted in enumerate(children):
        child = np.where(noted >= 0, noted, inner[tree] + ~noted)  # leaves are written as -1, -2 …
        if (child <= split).any():
            raise ValueError("a tree's children are not below it")
        if (child >= size[tree]).any():
            raise ValueError("a tree has another number of children than of nodes")
        place[roots[tree] + child] = roots[tree] + 2 * split + 1 + side
    if not np.array_equal(np.sort(place), np.arange(len(place))):
        raise ValueError("a tree has another number of children than of nodes")
    return place, _counted(size) < np.repeat(inner, size)


def _sets(trees: Sequence[Tree]) -> tuple[NDArray[np.int32], NDArray[np.uint32], NDArray[np.int64]]:
    """`starts` and `members` of a Forest, and the number of each tree's first set, int64[trees]."""
    starts, members, first_set = [0], list[str](), []
    for tree in trees:
        first_set.append(len(starts) - 1)
        if "cat_boundaries" in tree:
            begin = starts[-1]
            starts += [begin + int(end) for end in tree["cat_boundaries"][1:]]
            members += tree.get("cat_threshold", [])
    return np.array(starts, np.int32), np.array(members, dtype=np.uint32), np.array(first_set)


def _nodes(
    trees: Sequence[Tree],
    inner: NDArray[np.int64],
    roots: NDArray[np.int64],
    place: NDArray[np.int64],
    first_set: NDArray[np.int64],
) -> NDArray[np.void]:
    """The nodes of all trees; place: where their splits stand. Raises ValueError or KeyError where a tree is none."""
    if any(tree.get("is_linear", ["0"]) != ["0"] for tree in trees):
        raise ValueError("linear trees are not supported")
    nodes = np.zeros(roots[-1], NODE)
    nodes["feature"] = -1
    kind = _column(trees, "decision_type", inner, np.int32)
    threshold = _column(trees, "threshold", inner, np.float64)
    nan_left = np.where(kind & MISSING_NAN, kind & DEFAULT_LEFT > 0, threshold >= 0)
    splits = np.zeros(len(place), NODE)
    splits["feature"], splits["kind"] = _column(trees, "split_feature", inner, np.int32), kind | NAN_LEFT * nan_left
    splits["left"] = np.repeat(roots[:-1], inner) + 1 + 2 * _counted(inner)
    splits["threshold"] = threshold + np.repeat(first_set, inner) * (kind & CATEGORICAL)
    nodes[place] = splits
    return nodes


def _means(
    trees: Sequence[Tree], nodes: NDArray[np.void], place: NDArray[np.int64], is_split: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """float64[nodes]: what trees expect at their nodes. Raises ValueError, KeyError or ArithmeticError."""
    counts = [text for tree in trees for name in COUNTS for text in tree.get(name, COUNTS[name])]
    values = np.zeros(len(nodes))
    values[place[~is_split]] = _words(trees, "leaf_value", np.float64)
    counted = np.zeros(len(nodes))
    counted[place] = np.array(counts, dtype=np.float64)
    mean, count, lefts = values.tolist(), counted.tolist(), nodes["left"].tolist()
    for node in reversed(np.flatnonzero(nodes["feature"] >= 0).tolist()):
        left = lefts[node]
        share = count[left] / (count[left] + count[left + 1])
        mean[node] = share * mean[left] + (1 - share) * mean[left + 1]
    return np.array(mean)


def _column(trees: Sequence[Tree], name: str, inner: NDArray[np.int64], kind: type[Number]) -> NDArray[Number]:
    """A field of all splits. Raises ValueError where a tree has it for another number of them."""
    if [len(tree.get(name, [])) for tree in trees] != inner.tolist():
        raise ValueError(f"a tree has another number of {name} than of splits")
    return _words(trees, name, kind)


def _words(trees: Sequence[Tree], name: str, kind: type[Number]) -> NDArray[Number]:
    return np.array([text for tree in trees for text in tree.get(name, [])], dtype=kind)


def _counted(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1 … for each size, one after the other.

    >>> _counted(np.array([2, 0, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
