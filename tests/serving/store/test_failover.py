"""A standby, and hosts that change places: reads go on, writes are refused with the reason, and come back."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from data.erasure.ledger import Ledger
from serving.app import create_app
from serving.http.services import Services
from serving.messages.examples import LEAD
from serving.store.database.failures import StoreAway, StoreReadOnly
from serving.store.events.event_validation import EventIn
from serving.store.store import Store, open_store
from serving.telemetry.server_log import ServerLog
from tests.conftest import REPOSITORY
from tests.postgres import Postgres, running, standby
from tests.serving.conftest import Starts
from tests.serving.inside import Inside
from tests.serving.senders import event
from tests.serving.workshop import Workshop

NOW = 1_700_000_000_000_000


def add(store: Store, *ids: str) -> list[str]:
    return [result.status for result in store.events.add([EventIn("L-1", "visit", NOW, event_id=n) for n in ids], NOW)]


@pytest.fixture
def pair() -> Iterator[tuple[Postgres, Postgres]]:
    """A server with a store in its database `store`, and a standby of it."""
    with running() as primary:
        with open_store(primary.database("store")) as store:
            add(store, "before")
            store.leads.put("L-1", NOW, None, {"x": 1}, NOW)
        with standby(primary) as copy:
            yield primary, copy


def test_a_standby_is_read_and_refuses_writes_until_it_is_promoted(
    pair: tuple[Postgres, Postgres], services: Services
) -> None:
    _, copy = pair
    with open_store(copy.url("store")) as store:
        written = io.StringIO()
        with closing(Inside(create_app(replace(services, store=store, log=ServerLog(written))))) as server:
            ready = server.get("/v2/health/ready")
            assert (ready.status_code, ready.json()["error"]) == (503, "store_away")
            assert "takes no writes: it is a standby" in ready.json()["detail"]
            assert server.get("/v2/health/live").status_code == 200
            reads = ["/v1/leads/L-1", "/v1/leads", "/v1/leads/L-1/score", "/v1/leads/L-1/explanation"]
            assert {server.get(path).status_code for path in reads} <= {200, 404}
            assert server.post("/v1/score", json=LEAD).status_code == 200
            writes = [
                server.post("/v1/events", json={"events": [event(1)]}),
                server.put("/v1/leads/L-1", json={"profile": {"x": 2}}),
                server.put("/v1/leads/L-1/objection", json={"objects": True}),
            ]
            assert [answer.status_code for answer in writes] == [503] * 3, [answer.text for answer in writes]
            assert all("standby" in answer.json()["detail"] for answer in writes)
            assert '"failed"' not in written.getvalue()
            assert "leadscore_store_up 0.0" in server.get("/metrics").text
            copy.tell("SELECT pg_promote()")
            assert server.get("/v2/health/ready").status_code == 200
            assert "leadscore_store_up 1.0" in server.get("/metrics").text
            assert server.post("/v1/events", json={"events": [event(1)]}).json()["accepted"] == 1


def test_of_several_hosts_the_one_that_takes_writes_is_used_whichever_it_is(pair: tuple[Postgres, Postgres]) -> None:
    primary, copy = pair
    url = f"postgresql://leadscore@127.0.0.1:{copy.port},127.0.0.1:{primary.port}/store"
    with open_store(url) as store:
        assert add(store, "on the primary") == ["accepted"]
        primary.tell("SELECT pg_switch_wal()")
        primary.stop(signal.SIGINT)
        # While there is none, reads go on.
        with pytest.raises(StoreAway):
            add(store, "nowhere")
        assert store.leads.get("L-1") is not None
        with pytest.raises(StoreReadOnly):
            store.ping()
        copy.tell("SELECT pg_promote()")
        store.ping()
        assert add(store, "on the primary") == ["duplicate"]
        assert add(store, "on the other") == ["accepted"]


def test_when_another_host_takes_over_connections_to_a_standby_are_given_up(pair: tuple[Postgres, Postgres]) -> None:
    """A connection that was opened for reading, while no host took writes, does not stay in the way."""
    primary, copy = pair
    url = f"postgresql://leadscore@127.0.0.1:{copy.port},127.0.0.1:{primary.port}/store"
    primary.stop(signal.SIGINT)
    with open_store(url) as store:
        assert store.leads.get("L-1") is not None
        primary.start()
        with pytest.raises(StoreReadOnly):
            store.ping()
        store.ping()
        assert add(store, "after") == ["accepted"]


def test_a_database_that_was_set_read_only_is_told(postgres: Postgres) -> None:
    url = postgres.database(own := f"frozen_{uuid.uuid4().hex[:8]}")
    with open_store(url):
        postgres.tell(f"ALTER DATABASE {own} SET default_transaction_read_only = on")
    with open_store(url) as store, pytest.raises(StoreReadOnly, match="set read-only"):
        add(store, "1")


def test_a_server_that_starts_on_a_standby_is_ready_when_it_is_promoted(
    pair: tuple[Postgres, Postgres], start: Starts
) -> None:
    _, copy = pair
    server = start("--store", copy.url("store"))
    server.until(lambda: "standby" in httpx.get(f"{server.url}/v2/health/ready").text)
    assert httpx.get(f"{server.url}/v1/leads/L-1").status_code == 200
    copy.tell("SELECT pg_promote()")
    server.ready()
    assert httpx.post(f"{server.url}/v1/events", json={"events": [event(1)]}).json()["accepted"] == 1
    assert server.process.poll() is None
    assert not any(line["event"] in ("failed", "no JSON") for line in server.log_lines())


def test_a_server_that_has_to_write_before_it_may_start_says_so_in_a_line(
    pair: tuple[Postgres, Postgres], workshop: Workshop, tmp_path: Path
) -> None:
    """Files know of somebody who was erased, the store does not yet: it must not show that lead."""
    (tmp_path / "var").mkdir()
    Ledger.beside(tmp_path / "var" / "log").add("erased", ["L-1"], NOW)
    command = [sys.executable, "leadscore.py", "serve", "--artifact", str(workshop.artifact), "--port", "0"]
    command += ["--var", str(tmp_path / "var"), "--store", pair[1].url("store"), "--insecure-local"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("error: the database takes no writes: it is a standby")
    assert "Traceback" not in done.stderr
