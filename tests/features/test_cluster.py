"""On a Dask cluster of separate processes the same tasks give the same shards, also when a worker dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from data.contract import UsageError
from data.log.eventlog import EventLog
from features.cluster import on_cluster
from features.recipe import Recipe
from features.training_set import TrainingSet, build
from tests.features.logs import BUCKETS, digests

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def cluster(workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers with one thread each, all processes of their own: address and workers."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    scheduler = started("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    processes = [started("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard") for _ in range(workers)]
    try:
        yield address, processes
    finally:
        for process in [*processes, scheduler]:
            process.kill()
            process.wait()


def started(*arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def test_a_cluster_gives_equal_shards_also_when_a_worker_dies(
    log: EventLog, recipe: Recipe, built: TrainingSet, tmp_path: Path
) -> None:
    with cluster(workers=2) as (address, workers):
        with on_cluster(address):
            build(log, recipe, tmp_path / "both", jobs=2)
        assert digests(tmp_path / "both") == digests(built.path)
        # A worker that stands still gets tasks and finishes none; when it is killed, another has to do them.
        workers[0].send_signal(signal.SIGSTOP)
        progress: list[int] = []

        def kill_one(done: int, of: int) -> None:
            progress.append(done)
            workers[0].kill()

        with on_cluster(address):
            build(log, recipe, tmp_path / "one", 2, kill_one)
        assert workers[0].wait(timeout=10) == -signal.SIGKILL
        assert digests(tmp_path / "one") == digests(built.path)
        assert progress == list(range(1, BUCKETS + 1))


def test_an_address_where_nobody_answers_is_named() -> None:
    with (
        pytest.raises(UsageError, match=r"^--cluster tcp://127\.0\.0\.1:9: no Dask scheduler"),
        on_cluster("tcp://127.0.0.1:9"),
    ):
        pass


def test_without_an_address_the_work_stays_here(log: EventLog, recipe: Recipe, tmp_path: Path) -> None:
    with on_cluster(None):
        assert build(log, recipe, tmp_path).moments > 0
