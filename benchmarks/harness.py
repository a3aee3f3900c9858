"""Measures contenders in processes of their own: CPU seconds, wall seconds, peak memory."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

OUT = Path("var/bench")
WIDTH = 160
"""Columns of a table that goes into a file or a pipe."""
NAMES = ("set", "contender")
"""Columns that name a row."""
Row = dict[str, Any]


def measure(
    contender: str,
    size: int,
    job: Callable[..., Mapping[str, Any] | None],
    *arguments: Any,
    python: str = sys.executable,
) -> Row:
    """Runs a module-level function in a fresh process and returns its row of the table.

    cpu_s and wall_s are those of the call alone (imports and whatever `job.prepare(*arguments)` does come before);
    peak_mb is the highest resident memory of the process. What the job returns is added to the row. `python` is the
    interpreter, of another environment where a peer needs one. Raises RuntimeError when it fails.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        # A fresh interpreter: a forked one would start with the parent's memory.
        request = json.dumps([job.__module__, job.__name__, arguments])
        os.set_inheritable(writer, True)
        os.execv(python, [python, "-m", "benchmarks.harness", str(writer), request])
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        answer = pipe.read()
    _, status, usage = os.wait4(child, 0)
    if status or not answer:
        raise RuntimeError(f"benchmark {contender} of size {size:,} ended with status {status}")
    return {"contender": contender, "size": size, **json.loads(answer), "peak_mb": round(usage.ru_maxrss / 1024, 1)}


def measure_warm(contender: str, size: int, job: Callable[..., Mapping[str, Any] | None], *arguments: Any) -> Row:
    """`measure` for many short jobs: each process is forked from one that has imported the job's module already.

    peak_mb counts what was imported.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([job.__module__])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_warm_child, args=(sender, job, arguments))
    process.start()
    sender.close()
    try:
        row: Row = receiver.recv()
    except EOFError:
        row = {}
    process.join()
    if process.exitcode or not row:
        raise RuntimeError(f"benchmark {contender} of size {size:,} ended with status {process.exitcode}")
    return {"contender": contender, "size": size, **row}


def _warm_child(sender: Connection, job: Callable[..., Mapping[str, Any] | None], arguments: Sequence[Any]) -> None:
    row = _timed(job, arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sender.send({**row, "peak_mb": round(peak / 1024, 1)})


def report(name: str, rows: Sequence[Row]) -> None:
    """Prints the rows as a table and writes them to var/bench/NAME.json."""
    heads = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(title=f"benchmark {name}", title_justify="left", box=None, header_style="bold")
    for head in heads:
        table.add_column(head, justify="left" if head in NAMES else "right", no_wrap=head in NAMES)
    for row in rows:
        table.add_row(*(_shown(row.get(head)) for head in heads))
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(list(rows), indent=1) + "\n", encoding="utf-8")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)


def _child(writer: int, request: str) -> None:
    module, name, arguments = json.loads(request)
    job = getattr(importlib.import_module(module), name)
    prepare = getattr(job, "prepare", None)
    if prepare is not None:
        prepare(*arguments)
    row = _timed(job, arguments)
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        json.dump(row, pipe)


def _timed(job: Callable[..., Mapping[str, Any] | None], arguments: Sequence[Any]) -> Row:
    wall, cpu = time.perf_counter(), _cpu_seconds()
    more = job(*arguments) or {}
    took = {"cpu_s": round(_cpu_seconds() - cpu, 4), "wall_s": round(time.perf_counter() - wall, 4)}
    return {**took, **more}


def _cpu_seconds() -> float:
    """CPU of this process and of children it has waited for."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    _child(int(sys.argv[1]), sys.argv[2])
