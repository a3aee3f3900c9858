"""What pages cost with a million leads in the store, and what it costs to take them along.

    make bench NAME=pages        SQLite below var/bench/pages; `--leads N`, `--artifact FOLDER`, `--exports no`
    … NAME="pages --store postgresql://USER@HOST/DATABASE"   which must be empty, or made by this before

Every page of the table of routes is asked for over a socket; `ms` and `p95` are the server's own times from its log,
`kB` the bytes of the answer. Exports: rows a second, the highest resident memory of the server, and what a list costs
meanwhile. The store is made once by SQL and kept.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sqlalchemy import create_engine, make_url, text

from benchmarks.harness import Row
from benchmarks.serving._demo_model import demo_model
from serving.pages.routes import page_routes
from serving.store.scores.sections import SECTIONS
from serving.store.store import open_store

FOLDER = Path("var/bench/pages")
NAME, PASSWORD = "bench", "correct horse battery"
NOW = 1_790_000_000_000_000
STAGES = ("unqualified", "MQL", "SQL", "customer")
TIMES = 40
DEEP = 1_000
LISTS = {
    "the stage SQL": "stage=SQL",
    "a country": "country=c3",
    "rising": "rising=1",
    "latest activity": "order=activity",
    "by id": "order=lead_id",
    "an id": "search=L0070",
    "stage, country and channel": "stage=MQL&country=c7&channel=web",
    "a filter that nobody fits": "stage=SQL&country=c7&channel=none",
    "filters that many fit, but none together": "country=c7&owner=o8",
    "the same, latest activity": "country=c7&owner=o8&order=activity",
}
SKIPPED = ("/language", "/static/{name}", "/receipt", "/then", "/lead", "/company")
"""No pages, none before something was done, or other addresses of pages that are asked for."""


def run(arguments: Sequence[str]) -> list[Row]:
    """A row a page, and one an export."""
    options = _options(arguments)
    folder = FOLDER / str(options.leads)
    folder.mkdir(parents=True, exist_ok=True)
    if not Path(options.artifact, "model.json").is_file():
        raise SystemExit(f"no artifact is in {options.artifact}: run `make demo`, or name one with --artifact FOLDER")
    store = options.store or f"sqlite:///{folder / 'store.db'}"
    build(store, options.leads)
    with serving(store, folder, options.artifact) as server:
        rows = [_page(server, name, address) for name, address in _addresses()]
        rows += _paged(server)
        if options.exports == "yes":
            rows += [
                _export(server, path, options.leads) for path in ("/leads.csv", "/leads.csv?form=de", "/leads.xlsx")
            ]
    return rows


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench NAME=pages")
    parser.add_argument("--leads", type=int, default=1_000_000)
    parser.add_argument("--store", help="the URL of a database; SQLite in a file of its own where none is named")
    parser.add_argument("--artifact", default=demo_model())
    parser.add_argument("--exports", choices=("yes", "no"), default="yes")
    return parser.parse_args(arguments)


def build(url: str, size: int) -> None:
    """A store of so many scored leads, each with a profile, two events and two scores; and an account. Made by SQL that
    both databases understand, where it is not there yet."""
    with open_store(url) as store:
        if store.accounts.list():
            return
    driver = "sqlite" if url.startswith("sqlite") else "postgresql+psycopg"
    engine = create_engine(make_url(url).set(drivername=driver))
    with engine.begin() as connection:
        for statement in _statements(size):
            connection.execute(text(statement))
        if engine.dialect.name == "postgresql":  # as it does by itself after a while
            connection.execute(text("ANALYZE"))
    engine.dispose()
    with open_store(url) as store:
        store.funnels.make("conversion", STAGES, NOW, NOW)
        store.accounts.add(NAME, PASSWORD, "admin", NOW)


def _statements(size: int) -> Iterator[str]:
    """Leads L0000000 … with values that are spread over them by arithmetic."""
    numbers = f"WITH RECURSIVE c(n) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT n + 1 FROM c WHERE n + 1 < {size})"
    lead, spread, week = f"'L' || {_digits('n')}", "((n * 7919) % 100003)", 7 * 86_400_000_000
    chance, earlier = f"({spread} / 100004.0)", "(((n * 104729) % 100003) / 100004.0)"
    stage = f"CASE WHEN {chance} > 0.97 THEN 'SQL' WHEN {chance} > 0.8 THEN 'MQL' ELSE 'unqualified' END"
    # Companies of ten; a tenth of the leads has the account of a mail provider, a fifth has none.
    account = f"CASE WHEN n % 10 < 2 THEN NULL WHEN n % 10 = 2 THEN 'gmail.com' ELSE 'A' || {_digits('n / 12')} END"
    yield f"""INSERT INTO leads (lead_id, account_id, created_at, changed_at, profile_from, objection)
        {numbers} SELECT {lead}, {account}, {NOW} - {week}, {NOW}, {NOW} - {week}, n % 50 = 49 FROM c"""
    yield f"""INSERT INTO profiles (lead_id, account_id, valid_from, body)
        {numbers} SELECT {lead}, {account}, {NOW} - {week}, {_digits("n")} FROM c"""
    for name, values in (("country", 12), ("owner", 40), ("industry", 9)):
        yield f"""INSERT INTO attributes {numbers}
            SELECT {lead}, {NOW} - {week}, '{name}', '{name[0]}' || ({spread} % {values}), NULL FROM c"""
    for kind, hours in (("page_view", 30), ("email_sent", 50)):
        yield f"""INSERT INTO events (source, event_id, lead_id, event_type, channel, value, occurred_at, received_at,
            known_at, body) {numbers} SELECT 'bench', '{kind}' || n, {lead}, '{kind}', 'web', NULL,
            {NOW} - {hours} * 3600000000 - {spread}, {NOW}, {NOW}, '' FROM c"""
    for at, p in ((NOW - week, earlier), (NOW, chance)):
        yield f"""INSERT INTO scores (lead_id, target, as_of, scored_at, probability, low, high, stage, model_version,
            model_digest) {numbers} SELECT {lead}, 'conversion', {at}, {at}, {p}, {p} * 0.8, {p} * 1.1,
            {stage}, '1', 'd' FROM c"""
    yield f"""INSERT INTO stage_changes (lead_id, target, at, before, after, cause, probability, model_version)
        {numbers} SELECT {lead}, 'conversion', {NOW} - (n % 60) * 86400000000, 'unqualified', {stage}, 'score',
        {chance}, '1' FROM c WHERE n % 5 = 0"""
    yield f"""INSERT INTO standings (target, lead_id, stage, probability, low, high, as_of, scored_at, model_version,
        before, fit, engagement, reason, reason_value, active_at, contacts, ignored, channel, magnet, came_at, country,
        owner, worker, section, rising, untouched, pressed) {numbers} SELECT 'conversion', {lead}, {stage}, {chance},
        {chance} * 0.8, {chance} * 1.1, {NOW}, {NOW}, '1', {earlier}, {chance} * 2 - 1, 1 - {chance} * 2,
        'recency_any', '2.25',
        {NOW} - {spread} * 1000000, n % 8, n % 6, CASE n % 3 WHEN 0 THEN 'web' WHEN 1 THEN 'email' ELSE 'events' END,
        CASE n % 2 WHEN 0 THEN 'ebook' ELSE 'webinar' END, {NOW} - {week},
        'c' || ({spread} % 12), 'o' || ({spread} % 40), 'o' || ({spread} % 40),
        CASE n % 9 WHEN 0 THEN 'new' WHEN 1 THEN 'in_work' WHEN 2 THEN 'waiting' WHEN 3 THEN 'cooling'
        WHEN 4 THEN 'nurture' ELSE 'rest' END,
        CASE WHEN {chance} >= 1.25 * {earlier} THEN TRUE END, CASE WHEN n % 8 = 0 THEN TRUE END,
        CASE WHEN n % 6 >= 5 THEN TRUE END FROM c"""


def _digits(number: str) -> str:
    """SQL: a number as text of seven digits."""
    return f"substr(CAST(10000000 + {number} AS TEXT), 2)"


@dataclass
class Server:
    """A server as a process of its own, asked by someone who is signed in."""

    process: subprocess.Popen[bytes]
    log: Path
    client: httpx.Client
    asked: int = field(default=0)

    def get(self, path: str) -> tuple[str, httpx.Response]:
        """The id of a request, and its answer. Raises RuntimeError for any but 200."""
        self.asked += 1
        name = f"bench-{self.asked}"
        answer = self.client.get(path, headers={"x-request-id": name})
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answers with status {answer.status_code}; see {self.log}")
        return name, answer

    def times(self, names: Sequence[str]) -> np.ndarray:
        """What the server says that it took for requests, in ms."""
        time.sleep(0.1)
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        took = {line["request_id"]: line["ms"] for line in lines if line["event"] == "request"}
        return np.array([took[name] for name in names])

    @property
    def peak_mb(self) -> float:
        """The highest resident memory since `forget_peak`, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024

    def forget_peak(self) -> None:
        """From now on only what comes counts."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


@contextmanager
def serving(store: str, folder: Path, artifact: str) -> Iterator[Server]:
    """A server on a store, by its URL, ready and signed in to; its log and what it keeps lie in a folder."""
    log, port = folder / "store.log", "18140"
    words = [sys.executable, "leadscore.py", "serve", "--var", str(folder), "--store", store, "--artifact", artifact]
    with log.open("wb") as out:
        process = subprocess.Popen([*words, "--insecure-local", "--port", port], stdout=out, stderr=out)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=3600) as client:
            _wait(client, process)
            client.post("/sign-in", data={"name": NAME, "password": PASSWORD})
            yield Server(process, log, client)
    finally:
        process.terminate()
        process.wait(30)


def _wait(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            if client.get("/v2/health/ready").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the server does not become ready")


def _addresses() -> Iterator[tuple[str, list[str]]]:
    """Names of pages and the addresses that they are asked for by: of leads many different ones, none that objects."""
    for route in page_routes():
        if "GET" not in (route.methods or ()) or route.path in SKIPPED:
            continue
        if route.path in ("/", "/sign-in") or re.search(r"\.\w+$", route.path):
            continue
        if "{account_id}" in route.path:
            yield route.path, [route.path.replace("{account_id}", f"A{n * 40:07d}") for n in range(TIMES)]
            yield f"{route.path}: a mail provider", ["/companies/gmail.com"] * TIMES
            continue
        yield route.path, [re.sub(r"{[^}]*}", f"L{n * 50:07d}", route.path) for n in range(TIMES)]
    yield "/thresholds: a wish", [f"/thresholds?stage=SQL&by=share&value={20 + n}" for n in range(TIMES)]
    for section in SECTIONS:
        yield f"/today: {section}", [f"/today?section={section}&whose=all"] * TIMES
    yield "/today: an owner's", [f"/today?section=new&whose=owner&owner=o{n % 40}" for n in range(TIMES)]
    yield "/thresholds: a plan", [f"/thresholds?plan=week&week_SQL={20 + n}&week_MQL={100 + n}" for n in range(TIMES)]
    for name, query in LISTS.items():
        yield f"/leads: {name}", [f"/leads?{query}"] * TIMES


def _page(server: Server, name: str, addresses: Sequence[str]) -> Row:
    server.get(addresses[0])
    answers = [server.get(address) for address in addresses]
    return _row(server, name, answers)


def _row(server: Server, name: str, answers: Sequence[tuple[str, httpx.Response]]) -> Row:
    times, sizes = server.times([name for name, _ in answers]), [len(answer.content) for _, answer in answers]
    return {
        "contender": name,
        "ms": round(float(np.median(times)), 1),
        "p95": round(float(np.quantile(times, 0.95)), 1),
        "kB": round(max(sizes) / 1000, 1),
    }


def _paged(server: Server) -> list[Row]:
    """The first fifty pages of the list, and those about the thousandth."""
    address, answers = "/leads", list[tuple[str, httpx.Response]]()
    for _ in range(DEEP):
        answers.append(server.get(address))
        more = re.search(r'href="([^"]+)" rel="next"', answers[-1][1].text)
        if more is None:
            break
        address = more[1].replace("&amp;", "&")
    return [
        _row(server, "/leads: pages 1 to 50", answers[:50]),
        _row(server, f"/leads: pages {len(answers) - 49} to {len(answers)}", answers[-50:]),
    ]


def _export(server: Server, address: str, leads: int) -> Row:
    """One export, while someone else reads lists."""
    server.forget_peak()
    done, others = threading.Event(), list[tuple[str, httpx.Response]]()

    def read() -> None:
        while not done.wait(0.2):
            others.append(server.get("/leads"))

    reader = threading.Thread(target=read)
    reader.start()
    began, size, lines = time.perf_counter(), 0, 0
    # A connection of its own: on one the others would wait for the end of this answer.
    client = httpx.Client(base_url=server.client.base_url, cookies=server.client.cookies, timeout=3600)
    with client, client.stream("GET", address) as answer:
        for piece in answer.iter_bytes():
            size += len(piece)
            lines += piece.count(b"\n")
    took = time.perf_counter() - began
    done.set()
    reader.join()
    rows: dict[str, Any] = {} if address.endswith("xlsx") else {"rows": lines - 1}
    expected = leads - leads // 50
    return {
        **_row(server, f"{address}, others meanwhile", others),
        **rows,
        "rows/s": round(expected / took),
        "seconds": round(took, 1),
        "MB": round(size / 1e6, 1),
        "peak_mb": round(server.peak_mb, 1),
    }
