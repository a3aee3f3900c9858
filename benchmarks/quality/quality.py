"""Quality of probabilities against peers on the same splits: `make bench NAME=quality`.

Every cell (set, split, contender) runs in a process of its own on one thread; what it gave is kept below
var/bench/quality, so that an interrupted run goes on where it stopped, and only what has changed runs again. Costly
contenders come last. The table shows every cell that is there for the options given, and how many of the splits.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.harness import Row, measure, measure_warm, report
from benchmarks.quality import _own as own_models
from benchmarks.quality import _peers as peer_models
from benchmarks.quality._sets import ORIGINS, SETS, prepared
from benchmarks.quality._split import Split
from benchmarks.quality._table import OURS, Cell, aims, each_split, table

ROOT = Path("var/bench/quality")
SHOP = "Online Retail"
MODEL = (
    *(
        "model/classifier",
        "model/boosted",
        "model/members",
        "model/estimator",
        "model/encoding",
        "model/rates",
        "calibration/calibrator",
    ),
    *("samples/folds", "samples/log_odds", "artifact/standalone", "artifact/tree_text"),
)
RECIPES = {OURS: MODEL, "logistic regression": ("model/baselines", "samples/log_odds")}
"""The files of training/ that decide what a contender says."""


@dataclass(frozen=True)
class Contender:
    """A name, a budget in CPU seconds (0: none needed), a digest of what it does, and how a cell of it is run."""

    name: str
    budget: float
    digest: str
    measured: Callable[..., Row]

    @property
    def label(self) -> str:
        return f"{self.name} {self.budget:g} s" if self.budget else self.name


@dataclass(frozen=True)
class Task:
    """A cell to run: `path` is the file, without its ending, where the result lies."""

    set: str
    number: int
    folder: Path
    contender: Contender
    path: Path

    @property
    def done(self) -> bool:
        return self.path.with_suffix(".json").exists()

    def run(self) -> None:
        """Runs the cell; probabilities are written first, so that a kill leaves nothing half done behind."""
        who = self.contender
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".npy")
        row = who.measured(who, who.name, str(self.folder), str(draft), self.number, who.budget)
        about = self.path.with_suffix(".draft")
        about.write_text(json.dumps({key: row[key] for key in ("cpu_s", "peak_mb")}), encoding="utf-8")
        os.replace(about, self.path.with_suffix(".json"))

    def cell(self) -> Cell:
        """What the cell gave."""
        about = json.loads(self.path.with_suffix(".json").read_text(encoding="utf-8"))
        return Cell(Split.read(self.folder).judged, np.load(self.path.with_suffix(".npy")).astype(np.float64), **about)


def run(arguments: Sequence[str]) -> list[Row]:
    """Runs what is missing; returns one row per set and contender, and prints every split and the aims before."""
    options = _options(arguments)
    os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE")
    screen = Console()
    with screen.status("preparing the data sets"):
        folders = {name: prepared(name, ROOT / "data") for name in options.sets}
    tasks = list(_tasks(folders, _contenders(options.budget_flaml, options.budget_autogluon)))
    wanted = [
        task for task in tasks if task.contender.name in options.contenders and task.number in _splits(task, options)
    ]
    _run_all([task for task in wanted if not task.done], screen)
    cells: dict[str, dict[str, dict[int, Cell]]] = {name: {} for name in folders}
    for task in sorted(filter(lambda task: task.done, tasks), key=lambda task: task.number):
        cells[task.set].setdefault(task.contender.label, {})[task.number] = task.cell()
    report("quality_splits", each_split(cells))
    for line in aims(cells):
        screen.print(line, highlight=False)
    return table(cells, len(ORIGINS))


def _splits(task: Task, options: argparse.Namespace) -> list[int]:
    return list(options.splits_searched if task.contender.budget else options.splits)


def _run_all(tasks: Sequence[Task], screen: Console) -> None:
    for done, task in enumerate(tasks, start=1):
        screen.print(
            f"{done} of {len(tasks)}: {task.contender.label} on {task.set}, split {task.number}", highlight=False
        )
        try:
            task.run()
        except RuntimeError as error:
            screen.print(f"left out, for it failed: {error}", style="red", highlight=False)


def _tasks(folders: dict[str, list[Path]], contenders: Sequence[Contender]) -> Iterator[Task]:
    """Cheap contenders first, and of each the middle split of every set before the others."""
    numbers = sorted(range(len(ORIGINS)), key=lambda number: abs(number - len(ORIGINS) // 2))
    for contender in contenders:
        for number in numbers:
            for name, splits in folders.items():
                if contender.name in peer_models.SHOP and name != SHOP:
                    continue
                key = hashlib.sha256(f"{contender.digest} {contender.label} {_digest(splits[number])}".encode())
                path = (
                    ROOT
                    / "cells"
                    / f"{splits[number].parent.name}-{number}-{contender.name.replace(' ', '_').replace('/', '-')}"
                )
                yield Task(
                    name, number, splits[number], contender, path.with_name(f"{path.name}-{key.hexdigest()[:16]}")
                )


def _contenders(flaml: float, autogluon: float) -> list[Contender]:
    budgets = {"FLAML": flaml, "AutoGluon": autogluon}
    peers = _digest_of([Path(peer_models.__file__), peer_models.REQUIREMENTS])
    return [
        *(Contender(name, 0.0, _digest_of(_files(name)), _own) for name in own_models.CONTENDERS),
        *(Contender(name, budgets.get(name, 0.0), peers, _peer) for name in peer_models.CONTENDERS),
    ]


def _own(contender: Contender, *arguments: Any) -> Row:
    return measure_warm(contender.label, 0, own_models.fit, *arguments)


def _peer(contender: Contender, *arguments: Any) -> Row:
    python = peer_models.interpreter(ROOT / "env")
    return measure(contender.label, 0, peer_models.fit, *arguments, python=python)


def _files(name: str) -> list[Path]:
    """The files that decide what one of our own contenders says."""
    return [Path(own_models.__file__), *(Path("training") / f"{recipe}.py" for recipe in RECIPES.get(name, ()))]


def _digest(folder: Path) -> str:
    return _digest_of(sorted(folder.glob("*.parquet")))


def _digest_of(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    names = [*own_models.CONTENDERS, *peer_models.CONTENDERS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks quality")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS), metavar="SET")
    parser.add_argument("--contenders", nargs="+", choices=names, default=names, metavar="CONTENDER")
    parser.add_argument("--splits", nargs="+", type=int, default=list(range(len(ORIGINS))), metavar="NUMBER")
    # Contenders that search as long as they may are judged on the middle split unless more is asked for.
    parser.add_argument("--splits-searched", nargs="+", type=int, default=[len(ORIGINS) // 2], metavar="NUMBER")
    parser.add_argument("--budget-flaml", type=float, default=60.0, metavar="CPU_SECONDS")
    parser.add_argument("--budget-autogluon", type=float, default=120.0, metavar="CPU_SECONDS")
    return parser.parse_args(list(arguments))
