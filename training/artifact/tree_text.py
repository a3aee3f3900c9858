"""LightGBM's text format taken apart, a tree being a table of named fields, and put together again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

Tree = dict[str, list[str]]
"""The fields of a tree in LightGBM's text."""
CATEGORICAL, DEFAULT_LEFT, MISSING_ZERO, MISSING_NAN = 1, 2, 4, 8
"""Bits of LightGBM's decision_type."""
END = "end of trees"


def trees_of(texts: Sequence[str]) -> list[Tree]:
    """The fields of each tree in the texts of boosters."""
    return [tree for text in texts for tree in _trees(text)]


def splits_on(tree: Tree, feature: int) -> bool:
    """Whether a tree looks at a feature."""
    return str(feature) in tree.get("split_feature", [])


def only(text: str, chosen: Sequence[bool]) -> str:
    """A booster's text with some of its trees: one bool for each tree, in the text's order."""
    body, end, rest = text.partition(END)
    head, *trees = body.split("\nTree=")
    selected = [tree for tree, keep in zip(trees, chosen, strict=True) if keep]
    return "\nTree=".join([_sizeless(head), *selected]) + "\n" + end + rest


def with_trees(text: str, trees: Iterable[Tree], features: Sequence[str], infos: Sequence[str]) -> str:
    """A booster's text with other trees, which read these features.

    infos: what LightGBM notes of each feature's values. With what settings it was fitted stays told behind the trees.
    """
    head = _sizeless(text.partition("\nTree=")[0])
    header = {
        "max_feature_idx": str(len(features) - 1),
        "feature_names": " ".join(features),
        "feature_infos": " ".join(infos),
    }
    lines = [line.split("=", 1)[0] for line in head.splitlines()]
    head = "\n".join(
        f"{name}={header[name]}" if name in header else line
        for name, line in zip(lines, head.splitlines(), strict=True)
    )
    blocks = [f"Tree={number}\n{_written(tree)}\n\n" for number, tree in enumerate(trees)]
    _, begin, fitted_with = text.partition("\nparameters:")
    return head.rstrip("\n") + "\n\n" + "".join(blocks) + END + "\n" + begin + fitted_with


def head_of(text: str, name: str) -> list[str]:
    """The words of a line at the head of a booster's text, e.g. `feature_infos`."""
    lines = (line.partition("=") for line in text.partition("\nTree=")[0].splitlines())
    return next(value.split() for key, _, value in lines if key == name)


def _sizeless(head: str) -> str:
    """LightGBM finds trees by their sizes in bytes where they are given, and by their heads where not."""
    return "\n".join(line for line in head.splitlines() if not line.startswith("tree_sizes="))


def _written(tree: Tree) -> str:
    return "\n".join(f"{name}={' '.join(values)}" for name, values in tree.items())


def _trees(text: str) -> Iterator[Tree]:
    """The fields of each tree in a booster's text."""
    for block in text.partition(END)[0].split("\nTree=")[1:]:
        fields = (line.split("=", 1) for line in block.splitlines() if "=" in line)
        yield {name: value.split() for name, value in fields}
