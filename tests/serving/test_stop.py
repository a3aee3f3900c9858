"""A stop under load: who was let in gets an answer; who comes later is refused before a byte of a request is sent."""

from __future__ import annotations

import signal
import socket
import threading
import time

import httpx
import pytest

from serving.messages.examples import LEAD
from tests.serving.conftest import Starts
from tests.serving.server_process import ServerProcess

CLIENTS = 16


class Clients:
    """Clients that pay no heed to the server's goodbye: each opens a connection anew for every request.

    What HTTP lets a client retry is a connection that was refused: nobody has read the request. That is where a client
    ends here. Anything else that is no answer 200 is a drop: a connection reset, closed or silent after it was made.
    """

    def __init__(self, server: ServerProcess) -> None:
        self.answered, self.goodbyes, self.refused = [0] * CLIENTS, [0] * CLIENTS, [0] * CLIENTS
        self.dropped = [""][:0]
        self.url = server.url
        self.threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]
        for thread in self.threads:
            thread.start()
        server.until(lambda: sum(self.answered) >= 100)

    def join(self) -> None:
        for thread in self.threads:
            thread.join()

    def _ask(self, number: int) -> None:
        transport = httpx.HTTPTransport(verify=False, limits=httpx.Limits(max_keepalive_connections=0))
        with httpx.Client(base_url=self.url, timeout=30, transport=transport) as client:
            while not self.refused[number] and not self.dropped:
                try:
                    answer = client.post("/v1/score", json=LEAD)
                except httpx.ConnectError:
                    self.refused[number] += 1
                except httpx.HTTPError as error:
                    self.dropped.append(repr(error))
                else:
                    self._note(number, answer)

    def _note(self, number: int, answer: httpx.Response) -> None:
        self.answered[number] += answer.status_code == 200
        self.goodbyes[number] += answer.headers.get("connection") == "close"
        if answer.status_code != 200:
            self.dropped.append(answer.text)


@pytest.mark.proof("stop")
def test_a_stop_under_load_drops_nothing(start: Starts, full: bool) -> None:
    answered = goodbyes = 0
    stops = 20 if full else 1
    for _ in range(stops):
        server = start()
        server.ready()
        clients = Clients(server)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        assert time.monotonic() - began < 10
        clients.join()
        assert not clients.dropped
        assert sum(clients.refused) == CLIENTS
        answered, goodbyes = answered + sum(clients.answered), goodbyes + sum(clients.goodbyes)
        assert "no JSON" not in {line["event"] for line in server.log_lines()}
    assert answered >= 150 * stops
    assert goodbyes >= 20 * stops, "the load went on after the signal"


UNPRIVILEGED = """
import ctypes
assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
"""
"""Takes from the process what root may and a service user may not, as far as tests are run by root."""


@pytest.mark.proof("stop")
@pytest.mark.parametrize("rights", ["", UNPRIVILEGED], ids=["as we are", "unprivileged"])
def test_readiness_turns_first_and_a_slow_request_is_finished(start: Starts, rights: str) -> None:
    """A proxy learns of the stop while the door is open; a body that is still arriving is waited for."""
    server = start(fault=rights)
    server.ready()
    address = httpx.URL(server.url)
    with socket.create_connection((address.host, address.port or 80)) as slow:
        slow.sendall(
            b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{"
        )
        server.process.send_signal(signal.SIGTERM)
        server.until(lambda: httpx.get(f"{server.url}/v2/health/ready").status_code == 503)
        server.until(lambda: any(line["event"] == "stopping" for line in server.log_lines()))
        slow.sendall(b"}")
        assert slow.recv(100).startswith(b"HTTP/1.1 200")
    assert server.process.wait(10) == 0


HASTY = """
import serving.server
serving.server.DRAIN_S = serving.server.SETTLE_S = serving.server.SPEAK_S = 0.001
serving.server.begin_no_more = lambda listening: None
"""


@pytest.mark.proof("stop")
def test_a_server_that_shuts_the_door_in_haste_would_be_caught(start: Starts, full: bool) -> None:
    """The planted fault: the listening socket is closed at once, whoever waits at it."""
    if not full:
        pytest.skip("whether one stop drops something is a matter of chance; the full form tries ten times")
    for _ in range(10):
        server = start(fault=HASTY)
        server.ready()
        clients = Clients(server)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(10)
        clients.join()
        if clients.dropped:
            return
    raise AssertionError("no drop was seen in ten hasty stops")
