"""The server beside its limit, an echo of the body, and beside peers that are given the features ready-made.

`make bench NAME=serving`: all contenders in one run. For each: requests per second and milliseconds at 8 connections,
CPU of the server per request, and the ratio to the echo. Peers (`mlflow models serve`, BentoML) live in an environment
of their own below var/bench/env; `--peers no` leaves them out. `--artifact FOLDER` names the model.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.harness import Row

CONNECTIONS = 8
OUT = Path("var/bench")
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


@dataclass(frozen=True)
class Contender:
    """A server to ask. `bodies` are sent in turn; a request counts for `size` leads."""

    name: str
    command: Sequence[str]
    port: int
    method: str
    path: str
    bodies: Sequence[bytes]
    ready: str
    size: int = 1


def run(arguments: list[str]) -> list[Row]:
    """Measures all contenders, one after the other."""
    options = _options(arguments)
    artifact = Path(options.artifact)
    if not artifact.is_dir():
        raise SystemExit(f"{artifact} holds no model: run `make demo` first, or name one with --artifact")
    rows = [_measured(each, options.seconds) for each in _contenders(artifact, options.peers == "yes")]
    echo = next(each for each in rows if each["contender"] == "echo")
    for each in rows:
        each["rps / echo"] = round(each["rps"] / echo["rps"], 3)
        each["cpu / echo"] = round(each["cpu_ms"] / echo["cpu_ms"], 2)
    return rows


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench NAME=serving")
    parser.add_argument("--artifact", default="var/models/conversion/model")
    parser.add_argument("--peers", choices=("yes", "no"), default="yes")
    parser.add_argument("--seconds", type=float, default=6.0)
    return parser.parse_args(arguments)


def _contenders(artifact: Path, peers: bool) -> Iterator[Contender]:
    told = [json.dumps(each).encode() for each in leads(200)]
    batch = [json.dumps({"leads": leads(500)}).encode()]
    ours = [sys.executable, "leadscore.py", "serve", "--var", str(OUT / "serving"), "--artifact", str(artifact)]
    ours += ["--insecure-local", "--port"]
    ready = "/v2/health/ready"
    yield Contender("echo", [sys.executable, "-c", ECHO], 18101, "POST", "/echo", told, ready)
    yield Contender("score", ours, 18102, "POST", "/v1/score", told, ready)
    yield Contender("score with reasons", ours, 18103, "POST", "/v1/score?reasons=true", told, ready)
    yield Contender("score by id, 1,000 events", ours, 18104, "GET", "/v1/leads/L-1000/score", [b""], ready)
    yield Contender("batch of 500", ours, 18105, "POST", "/v1/score/batch", batch, ready, 500)
    if peers:
        from benchmarks._serving_peers import contenders

        yield from contenders(artifact)


def leads(n: int) -> list[dict[str, Any]]:
    """Leads of 20 fields and 30 events each, all different."""
    rng = np.random.default_rng(1)
    types = ("page_view", "pricing_view", "email_open", "email_click", "email_sent", "blog_visit", "webinar_signup")
    profile = {"industry": "software", "seniority": "director", "country": "DE", "company_size": "51-200"}
    extra = {f"field_{i}": f"value {i}" for i in range(15)}
    return [
        {
            "profile": {**profile, **extra, "employees": int(rng.integers(1, 5000))},
            "known_since": "2024-01-01T00:00:00Z",
            "as_of": "2024-05-08T00:00:00Z",
            "events": [
                {
                    "event_type": types[int(rng.integers(0, len(types)))],
                    "occurred_at": f"2024-0{int(rng.integers(1, 5))}-{int(rng.integers(10, 29))}T10:{i:02d}:00Z",
                    "channel": "organic",
                }
                for i in range(30)
            ],
        }
        for _ in range(n)
    ]


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
    head = f"{contender.method} {contender.path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
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
    told = httpx.post(f"{base}/v1/events", json={"events": events}, timeout=60).json()
    if told["accepted"] + told["duplicate"] != 1000:
        raise RuntimeError(f"only {told['accepted']} of 1,000 events were taken in")


def _family(pid: int) -> list[int]:
    """A process and all below it: peers have workers."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        found.append(each)
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            waiting += [int(child) for child in children.read_text().split()]
    return found


def _cpu_s(pid: int) -> float:
    ticks = 0
    for each in _family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> int:
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in _family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20
