"""How long until a server is ready, and what of a processor that takes: the first time with a model, and again.

    make bench NAME=start                 what `make demo` left in var, copied below var/bench/start
    … NAME="start --var FOLDER --times 5"

*first*: as after `leadscore train` or `promote`. *first, from MLflow*: where nobody has noted who is champion, as after
MLflow's page has moved the alias. *warm*: again. Medians; processor seconds are those of the server and of what it has
waited for, until it is ready.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.harness import Row

FOLDER = Path("var/bench/start")
NEEDED = ("mlflow.db", "mlartifacts", "champions", "store.db")
CASES = ("first", "first, from MLflow", "warm")
PATIENCE_S = 300.0


def run(arguments: Sequence[str]) -> list[Row]:
    """A row for each kind of start, on one processor and on all."""
    parser = argparse.ArgumentParser(prog="make bench NAME=start")
    parser.add_argument("--var", type=Path, default=Path("var"))
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args(arguments)
    shutil.rmtree(FOLDER, ignore_errors=True)
    noted, unnoted = (_copied(options.var, FOLDER / name) for name in ("noted", "unnoted"))
    shutil.rmtree(unnoted / "champions", ignore_errors=True)
    return [
        _row(unnoted if "MLflow" in case else noted, case, processors, options.times)
        for processors in sorted({1, len(os.sched_getaffinity(0))})
        for case in CASES
    ]


def _copied(var: Path, place: Path) -> Path:
    """What a server needs of a workspace, elsewhere."""
    place.mkdir(parents=True)
    for name in NEEDED:
        if (source := var / name).exists():
            (shutil.copytree if source.is_dir() else shutil.copy)(source, place / name)
    return place


def _row(var: Path, case: str, processors: int, times: int) -> Row:
    taken = []
    for _ in range(times):
        if case != "warm":
            shutil.rmtree(var / "serving", ignore_errors=True)
        taken.append(_started(var, processors))
    wall, cpu = (statistics.median(column) for column in zip(*taken, strict=True))
    return {"contender": case, "processors": processors, "ready_s": round(wall, 2), "cpu_s": round(cpu, 2)}


def _started(var: Path, processors: int) -> tuple[float, float]:
    """Seconds until a server was ready, by the clock and of processors. Raises RuntimeError when it never is."""
    log, begun = FOLDER / "server.log", time.monotonic()
    command = [sys.executable, "leadscore.py", "serve", "--var", str(var), "--port", "0", "--insecure-local"]
    some = ["taskset", "--cpu-list", "0"] if processors == 1 else []
    with log.open("wb") as out:
        server = subprocess.Popen([*some, *command], stdout=out, stderr=out, start_new_session=True)
    try:
        while not _is_ready(log):
            if server.poll() is not None or time.monotonic() > begun + PATIENCE_S:
                raise RuntimeError(f"the server did not become ready; see {log}")
            time.sleep(0.02)
        wall = time.monotonic() - begun
        time.sleep(0.5)  # it notes what it serves only now, and the next start is to be warm
    finally:
        # With who asks MLflow: the next start shall have the processor for itself.
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
    _, _, usage = os.wait4(server.pid, 0)
    return wall, usage.ru_utime + usage.ru_stime


def _is_ready(log: Path) -> bool:
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    port = next((line["port"] for line in lines if line["event"] == "listening"), None)
    if port is None:
        return False
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=10):
            return True
    except OSError:
        return False
