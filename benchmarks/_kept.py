"""Steps of a long benchmark whose rows are kept, so that one that was cut off goes on where it was."""

from __future__ import annotations

import json
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

    def add(self, row: Row) -> None:
        """Keeps a row, and tells of it."""
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)  # noqa: T201
