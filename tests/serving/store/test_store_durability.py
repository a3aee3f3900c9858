"""Acknowledged means on disk: writers are killed and traced, and what they acknowledged is looked for."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from serving.store.database.schema import events
from serving.store.store import open_store
from tests.postgres import Postgres

ROOT = Path(__file__).parents[3]
READY_S = 5


def start(url: str, mode: str, groups: int = 10**9, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    command = [*before, sys.executable, "-m", "tests.store_writer", url, mode, str(groups)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def killed(url: str, mode: str, after_s: float) -> list[str]:
    """The ids that a writer acknowledged before it was killed, some time after its first acknowledgement."""
    process = start(url, mode)
    if process.stdout is None:
        raise RuntimeError("the writer has no standard output")
    first = process.stdout.readline()
    time.sleep(after_s)
    process.kill()
    lines = (first + process.stdout.read()).decode().split("\n")
    process.wait()
    process.stdout.close()
    return [word for line in lines[:-1] for word in line.split()[1:]]


def stored(url: str) -> set[str]:
    """Ids in the store, after it was seen to be whole and ready soon."""
    began = time.monotonic()
    with open_store(url) as store:
        store.ping()
        ready = time.monotonic() - began
        with store.database.read() as connection:
            if store.database.is_sqlite:
                assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
            ids = connection.scalars(select(events.c.event_id)).all()
            assert connection.execute(select(func.count(events.c.event_id.distinct()))).scalar_one() == len(ids)
    assert ready < READY_S
    return set(ids)


@pytest.mark.proof("kill")
def test_no_acknowledged_event_is_lost_or_doubled_by_a_kill(store_url: str, full: bool) -> None:
    """In full 100 kills on each database and 20,000 acknowledged events in all; the cheap form kills twice."""
    random_ = random.Random(store_url.split(":")[0])
    acknowledged: set[str] = set()
    for _ in range(100 if full else 2):
        new = killed(store_url, "honest", random_.uniform(0, 0.5))
        assert acknowledged.isdisjoint(new)
        acknowledged |= set(new)
        assert acknowledged <= stored(store_url)
    assert len(acknowledged) >= (10_000 if full else 100)


def test_an_acknowledgement_before_the_commit_would_be_caught(tmp_path: Path) -> None:
    """The planted fault: with writers that acknowledge first, kills do lose events."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    lost: set[str] = set()
    for _ in range(10):
        lost |= set(killed(url, "early", 0.1)) - stored(url)
        if lost:
            break
    assert lost


@pytest.mark.proof("kill")
def test_a_crash_of_postgresql_loses_nothing(postgres: Postgres, full: bool) -> None:
    """The writers get an error, and what they had acknowledged is there when the server is back."""
    url = postgres.database(f"crash_{time.time_ns()}")
    acknowledged: set[str] = set()
    for _ in range(10 if full else 1):
        process = start(url, "honest")
        if process.stdout is None:
            raise RuntimeError("the writer has no standard output")
        lines = [process.stdout.readline() for _ in range(30)]
        postgres.stop(signal.SIGQUIT)
        lines += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        postgres.start()
        acknowledged |= {word for line in lines for word in line.decode().split()[1:]}
        assert acknowledged <= stored(url)
    assert len(acknowledged) >= 100


def traced(tmp_path: Path, mode: str, groups: int) -> list[int]:
    """For each group how often the process asked the disk to sync between taking it in and acknowledging it."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = tmp_path / f"{mode}.trace"
    strace = ["strace", "-f", "-qq", "-s", "16", "-e", "trace=fsync,fdatasync,write", "-o", str(trace)]
    process = start(f"sqlite:///{tmp_path / mode}.db", mode, groups, strace)
    process.communicate()
    syncs: list[int] = []
    inside = False
    for line in trace.read_text().splitlines():
        if re.search(r'write\(1, "recv', line):
            syncs.append(0)
            inside = True
        elif re.search(r'write\(1, "ack', line):
            inside = False
        elif inside and re.search(r"f(data)?sync\(", line):
            syncs[-1] += 1
    return syncs


@pytest.mark.proof("fsync")
def test_each_group_is_synced_before_it_is_acknowledged(tmp_path: Path, full: bool) -> None:
    groups = 500 if full else 60
    syncs = traced(tmp_path, "single", groups)
    assert len(syncs) == groups
    assert min(syncs) >= 1


@pytest.mark.proof("fsync")
def test_a_lazy_database_would_be_caught(tmp_path: Path) -> None:
    """The planted fault: with synchronous = NORMAL most groups are acknowledged without a sync."""
    syncs = traced(tmp_path, "lazy", 60)
    assert len(syncs) == 60
    assert sum(sync == 0 for sync in syncs) > 40
