"""LightGBM's text format as flat arrays: all trees of all boosters one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.artifact.standalone import ArtifactError
from training.artifact.tree_text import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, Tree, trees_of

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
    nodes, means, roots, starts, members, base = [], [], [], [np.zeros(1, np.int32)], [], 0
    try:
        for tree in trees:
            roots.append(base)
            nodes.append(_nodes(tree, base, sum(map(len, starts)) - 1))
            means.append(_means(tree, nodes[-1], base) / boosters)
            base += len(nodes[-1])
            starts.append(int(starts[-1][-1]) + np.array(tree.get("cat_boundaries", ["0"])[1:], dtype=np.int32))
            starts = starts if len(starts[-1]) else starts[:-1]
            members.append(np.array(tree.get("cat_threshold", []), dtype=np.uint32))
    except (KeyError, IndexError, ValueError) as error:
        raise ArtifactError(f"a booster's text cannot be read ({type(error).__name__}: {error}); train again") from None
    if not nodes:
        raise ArtifactError("the boosters hold no tree; train again")
    return Forest(
        np.array(roots, np.int32),
        np.concatenate(nodes),
        np.concatenate(means),
        np.concatenate(starts),
        np.concatenate(members),
    )


def _nodes(tree: dict[str, list[str]], base: int, first_set: int) -> NDArray[np.void]:
    """One tree's nodes. Raises ValueError, KeyError or IndexError where it is none."""
    if tree.get("is_linear", ["0"]) != ["0"]:
        raise ValueError("linear trees are not supported")
    place, inner = _places(tree), int(tree["num_leaves"][0]) - 1
    nodes = np.zeros(len(place), NODE)
    nodes["feature"] = -1
    if inner:
        kind, threshold = np.array(tree["decision_type"], dtype=np.int32), np.array(tree["threshold"], dtype=np.float64)
        nan_left = np.where(kind & MISSING_NAN, kind & DEFAULT_LEFT > 0, threshold >= 0)
        splits = np.zeros(inner, NODE)
        splits["feature"], splits["kind"] = tree["split_feature"], kind | NAN_LEFT * nan_left
        splits["left"] = base + 1 + 2 * np.arange(inner)
        splits["threshold"] = threshold + first_set * (kind & CATEGORICAL)
        nodes[place[:inner]] = splits
    return nodes


def _means(tree: dict[str, list[str]], nodes: NDArray[np.void], base: int) -> NDArray[np.float64]:
    """float64[len(nodes)]: what one tree expects at its nodes. Raises ValueError, KeyError or IndexError."""
    place, inner = _places(tree), len(nodes) // 2
    mean, count = np.zeros(len(nodes)), np.zeros(len(nodes))
    mean[place[inner:]] = tree["leaf_value"]
    count[place] = [*tree.get("internal_count", []), *tree.get("leaf_count", ["1"])]
    for node in reversed(np.flatnonzero(nodes["feature"] >= 0).tolist()):
        left = nodes["left"][node] - base
        share = count[left] / (count[left] + count[left + 1])
        mean[node] = share * mean[left] + (1 - share) * mean[left + 1]
    return mean


def _places(tree: dict[str, list[str]]) -> NDArray[np.int64]:
    """int64[n]: where a tree's splits and then its leaves stand; the children of split i are 2i + 1 and 2i + 2."""
    inner = int(tree["num_leaves"][0]) - 1
    place = np.zeros(2 * inner + 1, np.int64)
    if inner:
        # Leaves are written as -1, -2 …
        left, right = (np.array(tree[name], dtype=np.int64) for name in ("left_child", "right_child"))
        left, right = (np.where(children >= 0, children, inner + ~children) for children in (left, right))
        splits = np.arange(inner)
        if (left <= splits).any() or (right <= splits).any():
            raise ValueError("a tree's children are not below it")
        place[left], place[right] = 2 * splits + 1, 2 * splits + 2
        if not np.array_equal(np.sort(place), np.arange(2 * inner + 1)):
            raise ValueError("a tree has another number of children than of nodes")
    return place
