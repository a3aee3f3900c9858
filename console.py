"""What the command line shows: tables, progress, errors in one line."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from data.contract import UsageError
from data.typed_json import JsonValue

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

WIDTH = 120
"""Columns of tables that go into a file or a pipe."""
FEWEST_SHARE = 0.03
"""With less done nobody can say how long the rest takes."""


class ProgressStep(Protocol):
    """Tells how far a job is."""

    def __call__(self, done: float, of: float = 1.0) -> None:
        """`done` of `of` parts are finished."""


class Screen:
    """Results go to standard output, everything else to standard error; `as_json` replaces tables by one JSON value."""

    def __init__(self, quiet: bool = False, as_json: bool = False) -> None:
        # Rich is imported late, here and below: help and refusals show nothing that needs it.
        from rich.console import Console

        width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH
        self.out = Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=width)
        self.err = Console(stderr=True, highlight=False)
        self.quiet = quiet or as_json
        self.as_json = as_json

    def say(self, text: str) -> None:
        """A line about what is going on."""
        if not self.quiet:
            self.err.print(text, style="dim", markup=False)

    def tell(self, text: str) -> None:
        """A line of the result."""
        if not self.as_json:
            self.out.print(text, markup=False)

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table of the result."""
        if self.as_json:
            return
        from rich.table import Table
        from rich.text import Text

        # Text, since what stands in brackets would else be taken for a style, and be gone.
        table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False, header_style="bold")
        for i, name in enumerate(head):
            table.add_column(Text(name), justify=_side([row[i] for row in rows]), overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        self.out.print(table)

    def result(self, value: Any) -> None:
        """The same result for a script."""
        if self.as_json:
            text = json.dumps(_strict(value), indent=1, ensure_ascii=False, default=_plain_value)
            print(text)  # noqa: T201 -- this is the console

    def keep(self, rows: Sequence[Mapping[str, JsonValue]], path: Path | None) -> None:
        """The rows of a result as a Parquet file, where one was asked for. Raises UsageError for a path of no file."""
        if path is None:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        try:
            pq.write_table(pa.Table.from_pylist(list(rows)), draft)
            os.replace(draft, path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            why = os.strerror(error.errno or 0)
            raise UsageError(f"--parquet {path} cannot be written ({why}); name another file") from None
        self.tell(f"{len(rows)} rows in {path}")

    @contextmanager
    def progress(self, text: str) -> Iterator[ProgressStep]:
        """A bar on a terminal, a line elsewhere."""
        if not self.shows_bars:
            self.say(text)
            yield lambda done, of=1.0: None
            return
        from rich.progress import TaskProgressColumn

        with self._bar(TaskProgressColumn()) as bar:
            task = bar.add_task(text, total=100)
            yield lambda done, of=1.0: bar.update(task, completed=100 * done / max(of, 1e-9))

    @contextmanager
    def stages(self, of: int) -> Iterator[Callable[[str], None]]:
        """Takes the name of each of `of` stages as it begins: a bar on a terminal, a line for each elsewhere."""
        if not self.shows_bars:
            yield self.say
            return
        from rich.progress import MofNCompleteColumn

        with self._bar(MofNCompleteColumn()) as bar:
            task = bar.add_task("", total=of, completed=-1)
            yield lambda text: bar.update(task, description=text, advance=1)

    @contextmanager
    def shares(self, of: Mapping[str, float]) -> Iterator[Callable[[str], None]]:
        """Takes the name of each stage as it begins. of: the share of the time that each of them takes, in order."""
        begun, done = time.monotonic(), dict(zip(of, accumulate(of.values(), initial=0.0), strict=False))

        def told(name: str) -> str:
            share = done.get(name, 0.0)
            left = (time.monotonic() - begun) * (1 / share - 1) if share >= FEWEST_SHARE else None
            return f"{name} ({share:.0%} done{'' if left is None else f', about {_duration(left)} left'})"

        if not self.shows_bars:
            yield lambda name: self.say(told(name))
            return
        from rich.progress import TaskProgressColumn

        with self._bar(TaskProgressColumn()) as bar:
            task = bar.add_task("", total=1.0)
            yield lambda name: bar.update(task, description=told(name), completed=done.get(name, 0.0))

    @property
    def shows_bars(self) -> bool:
        """Whether somebody watches a terminal."""
        return self.err.is_terminal and not self.quiet

    def _bar(self, how_far: ProgressColumn) -> Progress:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), how_far, TimeElapsedColumn())
        return Progress(*columns, console=self.err, transient=True)


def _strict(value: Any) -> Any:
    """The same without what JSON has no word for.

    >>> _strict({"slope": float("nan"), "bands": (0.5, float("inf"))})
    {'slope': None, 'bands': [0.5, None]}
    """
    if isinstance(value, Mapping):
        return {name: _strict(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain_value(value: Any) -> Any:
    """NumPy's numbers as Python's, all else in words."""
    return _strict(value.item()) if hasattr(value, "item") else str(value)


def _side(cells: Sequence[str]) -> Literal["left", "right"]:
    """Numbers stand on the right, words on the left."""
    return "right" if all(cell[:1] in "+-0123456789" for cell in cells) else "left"


def _duration(seconds: float) -> str:
    """
    >>> _duration(41), _duration(200)
    ('41 s', '3 min')
    """
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def plain(value: float | str | None) -> str:
    """A value as people write it; nothing where it is unknown.

    >>> plain(0.25), plain(None), plain("DE")
    ('0.25', '', 'DE')
    """
    return "" if value is None or value != value else value if isinstance(value, str) else f"{value:.4g}"
