"""What the cells of the quality benchmark come to: means over splits, paired differences, and whether aims are met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.harness import Row
from benchmarks.quality._split import Array, Rows
from training.measuring.metrics import RESAMPLES, ece, ece_floor, interval, measures
from training.samples.log_odds import clip, logit, row_losses

OURS = "leadscore"
TIE = 0.002
"""Log-loss by which we may be worse and still count as not worse."""
MOST_CPU_S = 60.0
FLOOR_DRAWS = 50
BLOCK = 4_000_000


@dataclass(frozen=True)
class Cell:
    """One contender on one split: its probabilities for `rows`, and what they cost."""

    rows: Rows
    p: Array
    cpu_s: float
    peak_mb: float


Cells = Mapping[int, Cell]
"""By number of the split."""


def table(cells_by_set: Mapping[str, Mapping[str, Cells]], splits: int) -> list[Row]:
    """One row per set and contender; `found` holds cells by set, contender and split."""
    return [
        summary(name, contender, cells, by_contender.get(OURS, {}), splits)
        for name, by_contender in cells_by_set.items()
        for contender, cells in by_contender.items()
    ]


def summary(name: str, contender: str, cells: Cells, ours: Cells, splits: int) -> Row:
    """Means over the splits that were run; the difference is over those that we were run on too."""
    judged = [_measured(cell) for cell in cells.values()]
    mean = {key: float(np.mean([judgement[key] for judgement in judged])) for key in judged[0]}
    value, low, high = difference(cells, ours)
    return {
        "set": name,
        "contender": contender,
        "splits": f"{len(cells)}/{splits}",
        **mean,
        "minus_ours": "" if contender == OURS else f"{value:+.4f} ({low:+.4f} to {high:+.4f})",
        "cpu_s": float(np.mean([cell.cpu_s for cell in cells.values()])),
        "peak_mb": max(cell.peak_mb for cell in cells.values()),
    }


def each_split(cells_by_set: Mapping[str, Mapping[str, Cells]]) -> list[Row]:
    """The log-loss of every cell: one row per set and contender."""
    return [
        {"set": name, "contender": contender}
        | {f"split {number}": _measured(cell, floor=False)["log_loss"] for number, cell in sorted(cells.items())}
        for name, by_contender in cells_by_set.items()
        for contender, cells in by_contender.items()
    ]


def difference(one: Cells, other: Cells) -> tuple[float, float, float]:
    """Mean over common splits of the difference in log-loss, one minus other, with its 95 % interval.

    Leads are resampled (Poisson bootstrap), the same way in all splits; where the truth is known it stands for the
    label, so that the luck of labels does not enter. The models are taken as they are.
    """
    common = sorted(set(one) & set(other))
    if not common:
        return (float("nan"),) * 3
    sums, masses = zip(*(_by_lead(one[number], other[number]) for number in common), strict=True)
    total, mass = _aligned(sums), _aligned(masses)
    some = mass.sum(axis=0) > 0
    total, mass = total[:, some], mass[:, some]
    rng = np.random.default_rng(0)
    step = max(1, BLOCK // total.shape[1])
    blocks = (rng.poisson(1.0, (min(step, RESAMPLES - at), total.shape[1])) for at in range(0, RESAMPLES, step))
    draws = np.concatenate([((block @ total.T) / (block @ mass.T)).mean(axis=1) for block in blocks])
    low, high = interval(draws).tolist()
    return float((total.sum(axis=1) / mass.sum(axis=1)).mean()), low, high


def aims(cells_by_set: Mapping[str, Mapping[str, Cells]]) -> Iterator[str]:
    """A line per set: the best peer among those run on all of our splits, and how we compare."""
    for name, by_contender in cells_by_set.items():
        ours = by_contender.get(OURS, {})
        peers = {name: cells for name, cells in by_contender.items() if name != OURS}
        means = {name: _mean_loss(cells) for name, cells in peers.items() if set(cells) >= set(ours)}
        if ours and means:
            best = min(means, key=means.__getitem__)
            yield f"{name}: {OURS} is {_against(ours, best, peers[best])}"


def _against(ours: Cells, name: str, peer: Cells) -> str:
    value, low, high = difference(ours, peer)
    cost = max(cell.cpu_s for cell in ours.values())
    return (
        f"{verdict(low, high)} the best peer, {name}: {value:+.4f} ({low:+.4f} to {high:+.4f}); "
        f"at most {cost:.1f} CPU s{'' if cost <= MOST_CPU_S else ', more than the aim'}"
    )


def verdict(low: float, high: float) -> str:
    """In words, from the interval of our log-loss minus a peer's."""
    if high < 0:
        return "better than"
    if high <= TIE:
        return "not worse than"
    return "worse than" if low > 0 else "not surely as good as"


def _measured(cell: Cell, floor: bool = True) -> dict[str, float]:
    rows, p = cell.rows, clip(cell.p)
    all_of = measures(rows.y, p, rows.weight)
    cells = {key: all_of[key] for key in ("log_loss", "brier", "auc", "average_precision", "top_decile_lift")}
    if floor:
        cells["ece"] = ece(rows.y, p, rows.weight)
        cells["ece_floor"] = float(ece_floor(p, rows.weight, rows.lead, draws=FLOOR_DRAWS).mean())
        if rows.truth is not None:
            luck_free = row_losses(rows.truth, logit(p)) - row_losses(rows.truth, logit(clip(rows.truth)))
            cells["above_truth"] = float(np.average(luck_free, weights=rows.weight))
    return cells


def _mean_loss(cells: Cells) -> float:
    losses = [np.average(_losses(cell), weights=cell.rows.weight) for cell in cells.values()]
    return float(np.mean(losses))


def _losses(cell: Cell) -> Array:
    rows = cell.rows
    return row_losses(rows.y if rows.truth is None else rows.truth, logit(cell.p))


def _by_lead(one: Cell, other: Cell) -> tuple[Array, Array]:
    rows = one.rows
    lost = np.bincount(rows.lead, rows.weight * (_losses(one) - _losses(other)))
    return np.asarray(lost, np.float64), np.asarray(np.bincount(rows.lead, rows.weight), np.float64)


def _aligned(columns: Sequence[Array]) -> Array:
    """Vectors of unequal length as rows of one matrix, filled up with 0."""
    width = max(map(len, columns))
    return np.stack([np.pad(column, (0, width - len(column))) for column in columns])
