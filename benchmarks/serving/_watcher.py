"""Asks for health over and over, each time as a client that comes anew; a process of its own, so that it waits for
the server alone and not for a thousand other clients beside it.

As a program it takes PORT SECONDS and prints the seconds that each answer took, as JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import time

HEALTH = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PAUSE_S = 0.05
GIVEN_UP_S = 10.0


def watch(port: int, seconds: float) -> list[float]:
    """How long answers took, GIVEN_UP_S for none."""
    times, end = [0.0][:0], time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        times.append(time.perf_counter() - began if _is_answered(port) else GIVEN_UP_S)
        time.sleep(PAUSE_S)
    return times


def _is_answered(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), GIVEN_UP_S) as asked:
            asked.sendall(HEALTH)
            return asked.recv(65536).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


if __name__ == "__main__":
    print(json.dumps(watch(int(sys.argv[1]), float(sys.argv[2]))))  # noqa: T201 -- read by the benchmark
