"""Steps of a long benchmark whose rows are kept, so that one that was cut off goes on where it was."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, measure


@dataclass(frozen=True)
class Kept:
    """Rows of steps, one a line of a file, by name and size."""

    path: Path

    def rows(self) -> list[Row]:
        """All rows, the oldest first."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def row(self, contender: str, size: int) -> Row | None:
        """The row of a step that was done."""
        return next((row for row in self.rows() if (row["contender"], row["size"]) == (contender, size)), None)

    def measured(
        self, contender: str, size: int, job: Callable[..., Mapping[str, Any] | None], *arguments: Any, tries: int = 1
    ) -> Row:
        """The row of a step: the one that is kept, or that of the cheapest of some tries, which is then kept."""
        row = self.row(contender, size)
        if row is None:
            row = min(
                (measure(contender, size, job, *arguments) for _ in range(tries)), key=lambda some: float(some["cpu_s"])
            )
            self.add(row)
        return row

    def in_turn(
        self, size: int, steps: Mapping[str, tuple[Callable[..., Mapping[str, Any] | None], Any]], tries: int
    ) -> list[Row]:
        """The rows of steps that are compared: all are measured in each turn, since the machine's speed changes from
        minute to minute. Of each its middle one; the first step's ratio is the middle of its ratios to the last's."""
        rows = [row for name in steps if (row := self.row(name, size))]
        if len(rows) < len(steps):
            turns = [[measure(name, size, *step) for name, step in steps.items()] for _ in range(tries)]
            rows = [
                sorted(column, key=lambda row: float(row["cpu_s"]))[tries // 2] for column in zip(*turns, strict=True)
            ]
            rows[0]["cpu_ratio"] = round(statistics.median(turn[0]["cpu_s"] / turn[-1]["cpu_s"] for turn in turns), 2)
            for row in rows:
                self.add(row)
        return rows

    def add(self, row: Row) -> None:
        """Keeps a row, and tells of it."""
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)  # noqa: T201
