"""LightGBM's text format as flat arrays: all trees of all boosters one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.standalone import ArtifactError

CATEGORICAL, DEFAULT_LEFT, MISSING_ZERO, MISSING_NAN = 1, 2, 4, 8
"""Bits of LightGBM's decision_type."""
KNOWN, BELOW = 1 << 8, 1 << 16
"""Bits that `marked` adds, shifted by the game: the split's feature is known; such a split stands here or below."""
NODE = np.dtype(
    [
        ("feature", np.int32),
        ("kind", np.int32),
        ("left", np.int32),
        ("right", np.int32),
        ("threshold", np.float64),
        ("left_share", np.float64),
        ("mean", np.float64),
    ],
    align=True,
)
"""A node, all in one place of memory. feature: -1 for a leaf. kind: bits above. left, right: numbers of its children.
threshold: for a category split the row of `starts`. left_share: share of training rows that went left. mean: expected
value at the node by those shares, a leaf's value; already divided by the number of boosters."""


class Forest(NamedTuple):
    """Trees of all boosters of a model.

    roots: int32[trees]. nodes: NODE[n], a tree's inner nodes and then its leaves. starts: int32[c + 1] and
    members: uint32[w], bit sets of the categories that go left, set i is members[starts[i]:starts[i + 1]].
    """

    roots: NDArray[np.int32]
    nodes: NDArray[np.void]
    starts: NDArray[np.int32]
    members: NDArray[np.uint32]


def forest_of(texts: Sequence[str]) -> Forest:
    """Reads the boosters of an artifact, whose hashes have been compared. Raises ArtifactError for another format."""
    trees = [tree for text in texts for tree in _trees(text)]
    nodes, roots, starts, members, base = [], [], [np.zeros(1, np.int32)], [], 0
    try:
        for tree in trees:
            roots.append(base)
            nodes.append(_nodes(tree, base, sum(map(len, starts)) - 1, len(texts)))
            base += len(nodes[-1])
            starts.append(int(starts[-1][-1]) + np.array(tree.get("cat_boundaries", ["0"])[1:], dtype=np.int32))
            starts = starts if len(starts[-1]) else starts[:-1]
            members.append(np.array(tree.get("cat_threshold", []), dtype=np.uint32))
    except (KeyError, IndexError, ValueError) as error:
        raise ArtifactError(f"a booster's text cannot be read ({type(error).__name__}: {error}); train again") from None
    if not nodes:
        raise ArtifactError("the boosters hold no tree; train again")
    return Forest(np.array(roots, np.int32), np.concatenate(nodes), np.concatenate(starts), np.concatenate(members))


def marked(forest: Forest, known: NDArray[np.bool_]) -> Forest:
    """The forest with KNOWN and BELOW bits set; known: bool[games, features], what is known in each game."""
    nodes = forest.nodes.copy()
    feature, kind = nodes["feature"].tolist(), nodes["kind"]
    left, right = nodes["left"].tolist(), nodes["right"].tolist()
    for game, features in enumerate(known):
        for node in reversed(range(len(nodes))):
            if feature[node] >= 0:
                own = bool(features[feature[node]])
                children = (kind[left[node]] | kind[right[node]]) & (BELOW << game)
                kind[node] |= own * (KNOWN << game) | (own or children > 0) * (BELOW << game)
    return forest._replace(nodes=nodes)


def _trees(text: str) -> Iterator[dict[str, list[str]]]:
    """The fields of each tree in a booster's text."""
    for block in text.partition("end of trees")[0].split("\nTree=")[1:]:
        fields = (line.split("=", 1) for line in block.splitlines() if "=" in line)
        yield {name: value.split() for name, value in fields}


def _nodes(tree: dict[str, list[str]], base: int, first_set: int, boosters: int) -> NDArray[np.void]:
    """One tree's nodes. Raises ValueError, KeyError or IndexError where it is none."""
    if tree.get("is_linear", ["0"]) != ["0"]:
        raise ValueError("linear trees are not supported")
    leaves = int(tree["num_leaves"][0])
    inner = leaves - 1
    if inner and np.min([len(tree[name]) for name in SPLIT_FIELDS]) < inner:
        raise ValueError("a tree has fewer splits than leaves")
    nodes = np.zeros(inner + leaves, NODE)
    nodes["feature"] = -1
    nodes["mean"][inner:] = np.array(tree["leaf_value"], dtype=np.float64) / boosters
    if not inner:
        return nodes
    splits = nodes[:inner]
    splits["feature"], splits["kind"] = tree["split_feature"], tree["decision_type"]
    splits["threshold"] = np.array(tree["threshold"], dtype=np.float64) + first_set * (splits["kind"] & CATEGORICAL)
    counts = np.array([*tree["internal_count"], *tree["leaf_count"]], dtype=np.float64)
    left, right = (_places(tree[name], inner) for name in ("left_child", "right_child"))
    splits["left"], splits["right"] = base + left, base + right
    splits["left_share"] = counts[left] / (counts[left] + counts[right])
    for node in reversed(range(inner)):
        share = splits["left_share"][node]
        nodes["mean"][node] = share * nodes["mean"][left[node]] + (1 - share) * nodes["mean"][right[node]]
    return nodes


SPLIT_FIELDS = ("split_feature", "decision_type", "threshold", "left_child", "right_child", "internal_count")


def _places(children: Sequence[str], inner: int) -> NDArray[np.int64]:
    """Numbers of children within a tree; a child's number is above its parent's, leaves are written as -1, -2 …"""
    places = np.array(children, dtype=np.int64)
    places = np.where(places >= 0, places, inner + ~places)
    if (places <= np.arange(inner)).any() or (places > 2 * inner).any():
        raise ValueError("a tree's children are not below it")
    return places
