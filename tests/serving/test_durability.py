"""What the server has acknowledged is on disk: it is killed and traced while events come in over HTTP."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select, text

from serving.store.database.schema import events
from serving.store.store import open_store
from tests.serving.conftest import Starts
from tests.serving.senders import PER_GROUP, Senders, event, send
from tests.serving.server_process import ServerProcess

EARLY = """
import threading
from serving.store.events.event_validation import EventResult
from serving.store.events.events import Events
add = Events.add
def early(self, sent, *rest):
    threading.Timer(0.05, add, (self, sent, *rest)).start()
    return [EventResult("accepted", each.event_id) for each in sent]
Events.add = early
"""
LAZY = """
import serving.store.database.connection as database
database.PRAGMAS = tuple(each.replace("= FULL", "= NORMAL") for each in database.PRAGMAS)
"""


def killed(server: ServerProcess, prefix: str, after_s: float) -> set[str]:
    """The ids that a server acknowledged before it was killed, some time after its first acknowledgement."""
    with Senders(server.url, prefix) as senders:
        server.until(lambda: bool(senders.acknowledged))
        time.sleep(after_s)
        server.process.kill()
    server.process.wait()
    assert not senders.refusals
    assert senders.unknown, "it was killed in the middle of something"
    return {f"e-{number}" for number in senders.acknowledged}


def stored(url: str) -> set[str]:
    """Ids in the store, none of them twice, after the database was seen to be whole."""
    with open_store(url) as store, store.database.read() as connection:
        if store.database.is_sqlite:
            assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
        ids = connection.scalars(select(events.c.event_id)).all()
        assert connection.execute(select(func.count(events.c.event_id.distinct()))).scalar_one() == len(ids)
    return set(ids)


@pytest.mark.proof("kill")
def test_no_acknowledged_event_is_lost_or_doubled_by_a_kill(start: Starts, store_url: str, full: bool) -> None:
    """In full 100 kills on each database with 20,000 acknowledged events; the cheap form kills once."""
    random_, acknowledged = random.Random(store_url.split(":")[0]), set[str]()
    for number in range(100 if full else 1):
        acknowledged |= killed(start("--store", store_url), str(number), random_.uniform(0, 0.5))
        assert acknowledged <= stored(store_url)
    assert len(acknowledged) >= (20_000 if full else PER_GROUP)


@pytest.mark.proof("kill")
def test_an_answer_before_the_commit_would_be_caught(start: Starts, tmp_path: Path) -> None:
    """The planted fault: a server that answers first does lose events."""
    url = f"sqlite:///{tmp_path / 'early.db'}"
    acknowledged = killed(start("--store", url, fault=EARLY), "early", 0.1)
    assert acknowledged - stored(url)


def syncs(server: ServerProcess, trace: Path, groups: int) -> list[int]:
    """For each of so many groups, how often the disk was synced between their receipt and their answer."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    calls = "fsync,fdatasync,read,recvfrom,recvmsg,write,writev,sendto,sendmsg"
    command = ["strace", "-f", "-qq", "-s", "24", "-e", f"trace={calls}", "-o", str(trace)]
    tracer = subprocess.Popen([*command, "-p", str(server.process.pid)])
    try:
        server.until(lambda: httpx.get(f"{server.url}/v2/health/live").status_code == 200 and trace.exists())
        server.until(lambda: trace.stat().st_size > 0)
        for number in range(groups):
            assert send(server.url, [event(number)]).json()["accepted"] == 1
    finally:
        tracer.terminate()
        tracer.wait()
    return _counted(trace.read_text(errors="replace"))


def _counted(trace: str) -> list[int]:
    counts, inside = [0][:0], False
    for line in trace.splitlines():
        if "POST /v1/events" in line:
            counts.append(0)
            inside = True
        elif "HTTP/1.1 200" in line:
            inside = False
        elif inside and re.search(r"f(data)?sync\(", line):
            counts[-1] += 1
    return counts


@pytest.mark.proof("fsync")
def test_each_group_is_synced_before_it_is_answered(start: Starts, tmp_path: Path, full: bool) -> None:
    groups = 500 if full else 20
    server = start("--store", f"sqlite:///{tmp_path / 'store.db'}")
    server.ready()
    counts = syncs(server, tmp_path / "trace", groups)
    assert len(counts) == groups
    assert min(counts) >= 1


@pytest.mark.proof("fsync")
def test_a_lazy_database_would_be_caught(start: Starts, tmp_path: Path) -> None:
    """The planted fault: with synchronous = NORMAL most groups are answered without a sync."""
    server = start("--store", f"sqlite:///{tmp_path / 'store.db'}", fault=LAZY)
    server.ready()
    counts = syncs(server, tmp_path / "trace", 20)
    assert len(counts) == 20
    assert sum(count == 0 for count in counts) > 10
