"""Running rates: of each value of a category the share that had converted so far, in order of time.

A row sees of its value how many leads had come to a known outcome before it, and how many of them had converted:
each lead counts once for each value, at its first moment with it, and never in its own rows. So nothing that is known
later enters an earlier row (ordered target statistics: Prokhorenkova et al., CatBoost, NeurIPS 2018), and a model
learns how far a rate can be trusted when few have been seen. More than `MOST_COUNTED` count as so many: beyond it the
count of a common value says nothing of trust any more, but what time it is, and trees learn dates from it.

At the end of training rates stand still: each value has one. A split on a rate is then a split of the values, and
`folded` writes it as that. An artifact, a server and whoever explains a score know nothing of rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.artifact.tree_text import CATEGORICAL, Tree, head_of, trees_of, with_trees
from training.samples.log_odds import Array

PSEUDO_LEADS = 20.0
"""Leads of the rate of all that a value's own is mixed with."""
MOST_COUNTED = 1_000.0
"""Leads from which on a rate is to be trusted: all but a fiftieth of it is its own."""
WORD = 32


@dataclass(frozen=True)
class PastOutcomes:
    """What is known of rows in order of time, and since when.

    lead: [n]. time: int64[n], of the moment; since: int64[n], when its outcome was certain, in the same unit.
    y: float64[n], 0/1, NaN where it is not certain yet.
    """

    lead: NDArray[np.generic]
    time: NDArray[np.int64]
    since: NDArray[np.int64]
    y: Array


@dataclass(frozen=True)
class Frozen:
    """What has become of a rate at the end. column: of the category in the matrix; levels: float32[values + 1]: by
    code, the last one for what is missing."""

    column: int
    levels: NDArray[np.float32]


def running_rates(
    matrix: NDArray[np.float32], columns: Sequence[int], known: PastOutcomes
) -> tuple[NDArray[np.float32], tuple[Frozen, ...]]:
    """float32[n, 2 * columns]: rate and log count of each category in the matrix, NaN before any outcome was known;
    and what they are at the end.

    columns: places of the categories, whose codes count from 0, NaN being missing. Nothing where no outcome is known.
    """
    if not len(columns) or np.isnan(known.y).all():
        return np.empty((len(matrix), 0), np.float32), ()
    _, lead = np.unique(known.lead, return_inverse=True)
    seen, won, (all_seen, all_won) = _tally(np.zeros(len(matrix), np.int64), 1, lead, known)
    made, frozen = list[NDArray[np.float32]](), list[Frozen]()
    for column in columns:
        codes = matrix[:, column]
        values = int(np.nanmax(codes, initial=-1)) + 1
        code = np.where(np.isnan(codes), values, codes).astype(np.int64)
        counted, converted, (last_counted, last_converted) = _tally(code, values + 1, lead, known)
        made += _rate(counted, converted, seen, won)
        frozen += [Frozen(column, level) for level in _rate(last_counted, last_converted, all_seen, all_won)]
    return np.column_stack(made), tuple(frozen)


def _rate(seen: Array, won: Array, all_seen: Array, all_won: Array) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The smoothed share and the log of how many were seen; NaN where of nobody anything was known."""
    base = (all_won + 0.5) / (all_seen + 1.0)
    share = (won + PSEUDO_LEADS * base) / (seen + PSEUDO_LEADS)
    count = np.log1p(np.minimum(seen, MOST_COUNTED))
    return tuple(np.where(all_seen > 0, values, np.nan).astype(np.float32) for values in (share, count))  # type: ignore[return-value]


def _tally(
    code: NDArray[np.int64], codes: int, lead: NDArray[np.int64], known: PastOutcomes
) -> tuple[Array, Array, tuple[Array, Array]]:
    """How many other leads of its code each row could know the outcome of, and how many of them had converted.

    float64[n] each, and both of each code at the end, float64[codes] each.
    """
    _, first, pair = np.unique(lead * codes + code, return_index=True, return_inverse=True)
    counts = ~np.isnan(known.y[first])
    rows = first[counts]
    moments = np.unique(known.since[rows])
    span = len(moments) + 1
    key = code[rows] * span + np.searchsorted(moments, known.since[rows])
    order = np.argsort(key, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(known.y[rows][order])])
    begin, end = (np.searchsorted(key[order], np.arange(codes) * span + edge) for edge in (0, span))
    # What was certain before the moment, strictly: as in data/visibility.py.
    until = np.searchsorted(key[order], code * span + np.searchsorted(moments, known.time, side="left"))
    own = counts[pair] & (known.since[first][pair] < known.time)
    seen = until - begin[code] - own
    won = total[until] - total[begin[code]] - np.where(own, np.nan_to_num(known.y[first][pair]), 0.0)
    return seen.astype(np.float64), won, ((end - begin).astype(np.float64), total[end] - total[begin])


def folded(text: str, width: int, frozen: Sequence[Frozen]) -> str:
    """A booster's text in which splits on rates are splits of the values of their categories.

    width: features of the matrix before the rates; what comes behind them moves up. Scores of rows whose rates are
    the frozen ones stay the same.
    """
    columns = [*range(width), *range(width + len(frozen), len(head_of(text, "feature_infos")))]
    names = [f"Column_{place}" for place in range(len(columns))]
    infos = head_of(text, "feature_infos")
    moved = {str(old): str(new) for new, old in enumerate(columns)}
    rates = {str(width + place): rate for place, rate in enumerate(frozen)}
    trees = [_folded(tree, rates, moved) for tree in trees_of([text])]
    return with_trees(text, trees, names, [infos[place] for place in columns])


def _folded(tree: Tree, rates: dict[str, Frozen], moved: dict[str, str]) -> Tree:
    tree = {name: list(values) for name, values in tree.items()}
    for node, feature in enumerate(tree.get("split_feature", [])):
        if feature in rates:
            _split_values(tree, node, rates[feature])
        else:
            tree["split_feature"][node] = moved[feature]
    return tree


def _split_values(tree: Tree, node: int, rate: Frozen) -> None:
    """Writes a split on a rate as one of values: those whose rate lies below go left."""
    left = rate.levels.astype(np.float64) <= float(tree["threshold"][node])
    if left[-1]:  # of categories LightGBM sends what is missing to the right
        left, children = ~left, (tree["left_child"], tree["right_child"])
        children[0][node], children[1][node] = children[1][node], children[0][node]
    members = np.packbits(_padded(left[:-1]), bitorder="little").view("<u4").tolist()
    starts = tree.setdefault("cat_boundaries", ["0"])
    tree["split_feature"][node] = str(rate.column)
    tree["threshold"][node], tree["decision_type"][node] = str(len(starts) - 1), str(CATEGORICAL)
    starts.append(str(int(starts[-1]) + len(members)))
    tree.setdefault("cat_threshold", []).extend(map(str, members))
    tree["num_cat"] = [str(len(starts) - 1)]


def _padded(bits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bits filled up to whole words, at least one."""
    return np.append(bits, np.zeros(-len(bits) % WORD if len(bits) else WORD, np.bool_))
