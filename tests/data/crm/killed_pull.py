"""A pull in a process of its own, which kills itself at a chosen step: about to open, rename or remove something."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from data.pull.into_log import pull_into
from data.pull.landing import Landing, Position
from data.pull.pull import World
from data.pull.record_columns import Row
from tests.data.crm.accounts import ENVIRON, asked_at
from tests.data.killed_ingest import Executioner

honest = Landing.land


def position_too_early(self: Landing, resource: str, rows: Mapping[str, Sequence[Row]], position: Position) -> None:
    """Notes that a page has landed before its rows have (a planted fault)."""
    honest(self, resource, {}, position)
    honest(self, resource, rows, position)


def run(name: str, url: str, folder: Path, point: int, fault: str, outcome: Path) -> None:
    """Pulls, if it lives long enough; `outcome` then holds the number of steps. point: 0 for none."""
    if fault == "position too early":
        vars(sys.modules[Landing.__module__])["Landing"].land = position_too_early
    executioner = Executioner(folder, point)
    sys.addaudithook(executioner)
    pull_into(folder / "log", asked_at(name, url), folder / "pull", World(ENVIRON, time.sleep, time.time), buckets=2)
    outcome.write_text(str(executioner.steps))
