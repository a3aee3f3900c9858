"""The server beside its limit, an echo of the body, and beside peers that are given the features ready-made.

`make bench NAME=serving`: all contenders in one run. For each: requests per second and milliseconds at 8 connections,
CPU of the server per request, and the ratio to the echo. Peers (`mlflow models serve`, BentoML) live in an environment
of their own below var/bench/env; `--peers no` leaves them out. `--artifact FOLDER` names the model. `make bench
NAME="serving --overload"` asks the server alone, by 8, 64, 256 and 1,000 connections that heed no refusal, `--turns`
times one after the other. The echo is FastAPI's, which comes along with MLflow, so that its figures can be compared
with earlier ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import uvloop

from benchmarks.harness import Row
from benchmarks.serving._contender import OUT, Contender, leads
from benchmarks.serving._demo_model import demo_model
from benchmarks.serving._overload import CONNECTIONS as CONNECTED
from benchmarks.serving._overload import Clients
from benchmarks.serving._peers import contenders

CONNECTIONS = WARMING = 8
LOADED = ("score", "score with reasons", "score by id, 1,000 events")
ECHO = """
import sys, uvicorn
from fastapi import FastAPI, Request, Response
app = FastAPI()
@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/json")
@app.get("/v2/health/ready")
async def ready() -> Response:
    return Response()
uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
"""


def run(arguments: list[str]) -> list[Row]:
    """Measures all contenders, one after the other."""
    options = _options(arguments)
    artifact = Path(options.artifact)
    if not artifact.is_dir():
        raise SystemExit(f"{artifact} holds no model: run `make demo` first, or name one with --artifact")
    if options.overload:
        return [
            row
            for contender in _contenders(artifact, False)
            if contender.name in LOADED
            for row in _overloaded(contender, options.seconds, options.turns)
        ]
    rows = [_measured(contender, options.seconds) for contender in _contenders(artifact, options.peers == "yes")]
    echo = next(row for row in rows if row["contender"] == "echo")
    for row in rows:
        row["rps / echo"] = round(row["rps"] / echo["rps"], 3)
        row["cpu / echo"] = round(row["cpu_ms"] / echo["cpu_ms"], 2)
    return rows


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench NAME=serving")
    parser.add_argument("--artifact", default=demo_model())
    parser.add_argument("--peers", choices=("yes", "no"), default="yes")
    parser.add_argument("--overload", action="store_true")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    return parser.parse_args(arguments)


def _contenders(artifact: Path, peers: bool) -> Iterator[Contender]:
    bodies = [json.dumps(lead).encode() for lead in leads(200)]
    batch = [json.dumps({"leads": leads(500)}).encode()]
    ours = [sys.executable, "leadscore.py", "serve", "--var", str(OUT / "serving"), "--artifact", str(artifact)]
    ours += ["--insecure-local", "--port"]
    ready = "/v2/health/ready"
    yield Contender("echo", [sys.executable, "-c", ECHO], 18101, "POST", "/echo", bodies, ready)
    yield Contender("score", ours, 18102, "POST", "/v1/score", bodies, ready)
    yield Contender("score with reasons", ours, 18103, "POST", "/v1/score?reasons=true", bodies, ready)
    yield Contender("score by id, 1,000 events", ours, 18104, "GET", "/v1/leads/L-1000/score", [b""], ready)
    yield Contender("batch of 500", ours, 18105, "POST", "/v1/score/batch", batch, ready, 500)
    if peers:
        yield from contenders(artifact)


def _overloaded(contender: Contender, seconds: float, turns: int) -> list[Row]:
    """Goodput by number of connections, beside the best of them in the same turn: the turn in the middle of all."""
    with _serving(contender):
        if contender.method == "GET":
            _store_a_lead(f"http://127.0.0.1:{contender.port}")
        _asked(contender, WARMING, seconds / 3)
        rows = [row for _ in range(turns) for row in _one_turn(contender, seconds)]
    return [
        sorted((row for row in rows if row["connections"] == count), key=lambda row: row["of the best"])[turns // 2]
        for count in CONNECTED
    ]


def _one_turn(contender: Contender, seconds: float) -> list[Row]:
    rows = [_asked(contender, count, seconds) for count in CONNECTED]
    best = max(row["answered/s"] for row in rows)
    return [row | {"of the best": round(row["answered/s"] / best, 2)} for row in rows]


def _asked(contender: Contender, connections: int, seconds: float) -> Row:
    bodies = contender.bodies
    clients = Clients(contender.port, lambda turn: _request(contender, bodies[turn % len(bodies)]), _answer)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return {"asked": contender.name, **runner.run(clients.ask(connections, seconds))}


def _measured(contender: Contender, seconds: float) -> Row:
    with _serving(contender) as process:
        base = f"http://127.0.0.1:{contender.port}"
        if contender.method == "GET":
            _store_a_lead(base)
        asyncio.run(_load(base, contender, seconds / 3))
        cpu = _cpu_s(process.pid)
        times = asyncio.run(_load(base, contender, seconds))
        cpu = _cpu_s(process.pid) - cpu
        resident = _resident_mb(process.pid)
    return {
        "contender": contender.name,
        "rps": round(len(times) / seconds, 1),
        "leads/s": round(len(times) * contender.size / seconds, 1),
        "p50_ms": round(float(np.quantile(times, 0.5)) * 1000, 2),
        "p99_ms": round(float(np.quantile(times, 0.99)) * 1000, 2),
        "cpu_ms": round(cpu / len(times) * 1000, 4),
        "rss_mb": resident,
    }


@contextmanager
def _serving(contender: Contender) -> Iterator[subprocess.Popen[bytes]]:
    OUT.mkdir(parents=True, exist_ok=True)
    # A peer starts helpers by name: they must be those that stand beside our interpreter.
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with (OUT / f"{contender.port}.log").open("wb") as log:
        process = subprocess.Popen(
            [*contender.command, str(contender.port)], stdout=log, stderr=log, start_new_session=True, env=environment
        )
    try:
        _wait(f"http://127.0.0.1:{contender.port}{contender.ready}", process)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise RuntimeError(f"the server for {url} ended with {process.returncode}; see {OUT}/*.log")
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{url} does not become ready; see {OUT}/*.log")


async def _load(base: str, contender: Contender, seconds: float) -> list[float]:
    """Latencies of all requests that CONNECTIONS clients, each on a connection of its own, get answered in time."""
    port, times, end = int(base.rpartition(":")[2]), [0.0][:0], time.perf_counter() + seconds

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = number
        while time.perf_counter() < end:
            body = contender.bodies[turn % len(contender.bodies)]
            turn += CONNECTIONS
            began = time.perf_counter()
            writer.write(_request(contender, body))
            status = await _answer(reader)
            if status != 200:
                raise RuntimeError(f"{contender.name} answers with status {status}; see {OUT}/{port}.log")
            times.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(client(number) for number in range(CONNECTIONS)))
    return times


def _request(contender: Contender, body: bytes) -> bytes:
    head = f"{contender.method} {contender.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _answer(reader: asyncio.StreamReader) -> int:
    """The status of an answer that is read to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"content-length:" in head:
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
    else:
        while (size := int((await reader.readline()).strip(), 16)) > 0:
            await reader.readexactly(size + 2)
        await reader.readline()
    return int(head.split(b" ", 2)[1])


def _store_a_lead(base: str) -> None:
    events = [
        {
            "lead_id": "L-1000",
            "event_type": "page_view",
            "occurred_at": f"2024-01-{1 + i % 28:02d}T{i % 24:02d}:{i % 60:02d}:{i // 60 % 60:02d}Z",
            "event_id": f"e{i}",
        }
        for i in range(1000)
    ]
    answer = httpx.post(f"{base}/v1/events", json={"events": events}, timeout=60).json()
    if answer["accepted"] + answer["duplicate"] != 1000:
        raise RuntimeError(f"only {answer['accepted']} of 1,000 events were taken in")


def _family(pid: int) -> list[int]:
    """A process and all below it: peers have workers."""
    family, waiting = [], [pid]
    while waiting:
        process = waiting.pop()
        family.append(process)
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            waiting += [int(child) for child in children.read_text().split()]
    return family


def _cpu_s(pid: int) -> float:
    ticks = 0
    for process in _family(pid):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> int:
    pages = sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in _family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20
