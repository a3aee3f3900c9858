"""Trees for one value of a feature: what remains of them once it is known, such as the period of a hazard model."""

from __future__ import annotations

from training.artifact.standalone import ArtifactError
from training.artifact.tree_text import CATEGORICAL, Tree


def pruned(tree: Tree, feature: int, value: float) -> Tree:
    """The tree without its splits on a numeric feature that has this value.

    A branch that stays weighs what the split had weighed. Raises ArtifactError for a tree that cannot be read.
    """
    try:
        return _Pruning(tree, feature, value).made()
    except (KeyError, IndexError, ValueError, RecursionError) as error:
        raise ArtifactError(f"a booster's text cannot be read ({type(error).__name__}: {error}); train again") from None


class _Pruning:
    """One tree as it is written anew: parents before their children, as LightGBM numbers them."""

    def __init__(self, tree: Tree, feature: int, value: float) -> None:
        self.old, self.feature, self.value = tree, str(feature), value
        names = ("split_feature", "threshold", "decision_type", "left_child", "right_child", "internal_count")
        self.splits: dict[str, list[str]] = {name: [] for name in names}
        self.leaves: dict[str, list[str]] = {"leaf_value": [], "leaf_count": []}

    def made(self) -> Tree:
        inner = int(self.old["num_leaves"][0]) > 1
        self._grow(0 if inner else -1, None)
        unchanged: Tree = {
            name: self.old[name] for name in ("is_linear", "cat_boundaries", "cat_threshold") if name in self.old
        }
        return {**unchanged, "num_leaves": [str(len(self.leaves["leaf_value"]))], **self.splits, **self.leaves}

    def _grow(self, node: int, count: str | None) -> int:
        """Writes a node (leaves are ~number) and all below it; `count` is what it weighs if not its own. Its number."""
        if node < 0:
            own = self.old.get("leaf_count", ["1"])[~node]
            self.leaves["leaf_value"].append(self.old["leaf_value"][~node])
            self.leaves["leaf_count"].append(own if count is None else count)
            return ~(len(self.leaves["leaf_value"]) - 1)
        weighs = self.old["internal_count"][node] if count is None else count
        if self.old["split_feature"][node] == self.feature:
            return self._grow(self._way(node), weighs)
        place = len(self.splits["threshold"])
        for name in ("split_feature", "threshold", "decision_type"):
            self.splits[name].append(self.old[name][node])
        for name, number in (("internal_count", weighs), ("left_child", ""), ("right_child", "")):
            self.splits[name].append(number)
        for side in ("left_child", "right_child"):
            child = int(self.old[side][node])
            if child >= 0 and child <= node:
                raise ValueError("a tree's children are not below it")
            self.splits[side][place] = str(self._grow(child, None))
        return place

    def _way(self, node: int) -> int:
        """The child of a split on the feature."""
        if int(self.old["decision_type"][node]) & CATEGORICAL:
            raise ValueError("a period is no category")
        side = "left_child" if self.value <= float(self.old["threshold"][node]) else "right_child"
        child = int(self.old[side][node])
        if 0 <= child <= node:
            raise ValueError("a tree's children are not below it")
        return child
