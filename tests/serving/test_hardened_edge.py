"""Slow, silent, greedy and many clients: whoever asks a whole question is answered, and nobody shuts the door."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from serving.messages.examples import LEAD
from tests.serving.conftest import Starts
from tests.serving.crowds import HALF_HEAD, HALF_SIGN_IN, REASONS, SCORE, Askers, half_sent, request_of
from tests.serving.server_process import ServerProcess, running
from tests.serving.workshop import Workshop


def limited(descriptors: int = 1024, **limits: float) -> str:
    """Lines that start a server with few descriptors and other limits."""
    return f"""
import dataclasses, resource
from serving.messages.limits import Limits
resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors}, {descriptors}))
limits = {limits!r}
Limits.__init__.__defaults__ = tuple(limits.get(field.name, field.default) for field in dataclasses.fields(Limits))
"""


SMALL_BUFFERS = """
import socket, serving.server
listen = serving.server.listen
def narrow(host, port):
    listening = listen(host, port)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return listening
serving.server.listen = narrow
"""


@pytest.fixture(scope="module")
def tight(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with few descriptors, and patience."""
    with running(workshop, tmp_path_factory.mktemp("tight")) as start:
        server = start(fault=limited(head_s=600, idle_s=600))
        server.ready()
        yield server
        assert "no JSON" not in {line["event"] for line in server.log_lines()}
        assert server.stop() == 0


@pytest.fixture(scope="module")
def hasty(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that waits for nobody for long."""
    with running(workshop, tmp_path_factory.mktemp("hasty")) as start:
        server = start(fault=limited(head_s=0.5, idle_s=1, reading_s=0.5) + SMALL_BUFFERS)
        server.ready()
        yield server


def port_of(server: ServerProcess) -> int:
    return httpx.URL(server.url).port or 80


def close(clients: list[socket.socket]) -> None:
    for client in clients:
        client.close()


@pytest.mark.proof("edge")
@pytest.mark.parametrize("sent", [HALF_HEAD, HALF_SIGN_IN, b""], ids=["half a head", "half a sign-in", "nothing"])
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"], ids=["from a proxy", "from one stranger"])
def test_half_sent_requests_shut_nobody_out(tight: ServerProcess, full: bool, sent: bytes, address: str) -> None:
    """More of them than there are descriptors: who is connected goes on, who comes anew is let in."""
    strangers = 3000 if full else 1200
    with httpx.Client(base_url=tight.url, timeout=30) as known:
        attack: list[socket.socket] = []
        for _ in range(6):
            attack += half_sent(port_of(tight), strangers // 6, sent, address)
            assert known.post("/v1/score", json=LEAD).status_code == 200
            assert httpx.post(f"{tight.url}/v1/score", json=LEAD, timeout=30).status_code == 200
            assert httpx.get(f"{tight.url}/sign-in", timeout=30).status_code == 200
            assert httpx.get(f"{tight.url}/v2/health/ready", timeout=30).status_code == 200
        close(attack)
    assert len(attack) >= strangers * 0.9


UNBOUNDED = """
import serving.edge.open_connections
serving.edge.open_connections.OpenConnections.make_room = lambda *_: False
"""


@pytest.mark.proof("edge")
def test_a_crowd_that_makes_no_room_would_be_caught(start: Starts) -> None:
    """The planted fault: a bound on connections that sends nobody away."""
    server = start(fault=limited(256, head_s=600) + UNBOUNDED)
    server.ready()
    attack: list[socket.socket] = []

    def is_shut_out() -> bool:
        # On a busy machine some of them are turned away together with whoever else came just then.
        attack.extend(half_sent(port_of(server), 200, HALF_HEAD, "127.0.0.1"))
        try:
            httpx.post(f"{server.url}/v1/score", json=LEAD, timeout=5)
        except httpx.TransportError:
            return True
        return False

    try:
        server.until(is_shut_out)
    finally:
        close(attack)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [(b"", b""), (HALF_HEAD, b"HTTP/1.1 408 "), (SCORE + HALF_HEAD, b"HTTP/1.1 200 "), (SCORE, b"HTTP/1.1 200 ")],
    ids=["silent", "half a head", "half a second head", "idle"],
)
def test_who_keeps_the_server_waiting_is_sent_away(hasty: ServerProcess, sent: bytes, answer: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port_of(hasty)), timeout=30) as client:
        client.sendall(sent)
        received = b""
        while more := client.recv(65536):
            received += more
    assert received.startswith(answer)
    if HALF_HEAD in sent:
        assert b"too_slow" in received


def test_half_a_head_behind_an_answer_is_sent_away(start: Starts) -> None:
    """It comes when the wait for a next request is over, so nothing but the limit of a head ends it."""
    server = start(fault=limited(head_s=0.5, idle_s=600))
    server.ready()
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=30) as client:
        client.sendall(SCORE)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        client.sendall(HALF_HEAD)
        received = b""
        while more := client.recv(65536):
            received += more
    assert b"HTTP/1.1 408 " in received


def test_who_does_not_take_the_answer_is_sent_away(hasty: ServerProcess) -> None:
    with httpx.Client(base_url=hasty.url) as watcher:
        before = sent_away(watcher)
        greedy = socket.socket()
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.connect(("127.0.0.1", port_of(hasty)))
        greedy.sendall(request_of("GET", "/openapi.json") * 15)
        hasty.until(lambda: sent_away(watcher) > before)
        greedy.close()


def sent_away(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("leadscore_connections_sent_away ")).split()[1])


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET /?" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 10_000_000,
    ],
    ids=["headers", "a long one", "a long path", "endless"],
)
def test_a_head_that_is_too_large_is_refused(tight: ServerProcess, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port_of(tight)), timeout=30) as client:
        try:
            client.sendall(head)
            answer = client.recv(65536)
        except ConnectionError:  # what was sent behind the refusal resets the connection
            answer = b"HTTP/1.1 431 head_too_large"
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"head_too_large" in answer


def test_a_newcomer_waits_for_few_of_those_who_are_busy(tight: ServerProcess) -> None:
    """Counted, not timed: how many scores the busy ones get while a newcomer asks for health, behind 100 others."""

    async def probe() -> int:
        fewest = 1_000_000
        async with Askers(port_of(tight), 64, SCORE) as busy:
            await busy.until(lambda: busy.answers[200] >= 200)
            for _ in range(5):
                before = busy.answers.total()
                others = half_sent(busy.port, 100, b"", "127.0.0.1")
                assert await busy.health() == 200
                fewest = min(fewest, busy.answers.total() - before)
                close(others)
        return fewest

    assert asyncio.run(probe()) <= 1_000


@pytest.mark.proof("edge")
def test_with_many_who_ask_for_reasons_some_are_answered_and_others_told_at_once(start: Starts, full: bool) -> None:
    async def overload(count: int) -> Askers:
        async with Askers(port_of(server), count, REASONS) as askers:
            await askers.until(lambda: askers.answers[200] >= 100 and askers.answers[429] >= 100)
            assert await askers.health() == 200
        return askers

    server = start()
    server.ready()
    for count in (300, 1000) if full else (300,):
        began = time.monotonic()
        askers = asyncio.run(overload(count))
        assert set(askers.answers) == {200, 429}
        assert askers.without_retry_after == 0
        # Who was told to come back later and does not heed it is not read for a second, on however slow a machine.
        assert askers.answers[429] <= count * (time.monotonic() - began + 2)
