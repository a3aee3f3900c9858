"""The store: events taken in per second, one by one and in groups, and what a page of a list costs as leads grow.

    make bench NAME=store        SQLite below var/bench/store; sizes of the lists: 10,000 and 1,000,000 leads

Contenders of `take in`: plain sqlite3 with the same durability (the limit), one event a call, eight threads of that
(group commit), batches of fifty. A list's `per_page_ms` is CPU; `x` is how many times that of the small store.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, measure
from serving.store.database.connection import PRAGMAS
from serving.store.events.event_validation import EventIn
from serving.store.leads.listing import Filters
from serving.store.store import open_store

FOLDER = Path("var/bench/store")
NOW = 1_700_000_000_000_000
EVENTS = 4_000
PAGES = 50
LISTS: dict[str, dict[str, Any]] = {
    "by id": {},
    "by score, best first": {"order": "probability"},
    "by change, newest first": {"order": "changed_at"},
    "stage": {"stage": "SQL"},
    "score range": {"score_from": 0.4, "score_to": 0.41},
    "changed since": {"changed_since": NOW + 9_900, "order": "changed_at"},
    "a common profile value": {"attributes": {"industry": "retail"}},
    "a rare profile value": {"attributes": {"country": "c77"}},
    "common value, best first": {"attributes": {"industry": "retail"}, "order": "probability"},
}


def run(arguments: Sequence[str]) -> list[Row]:
    """One row a contender; sizes of the lists may be given."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    rows = [measure(f"take in: {way.__name__}", EVENTS, way) for way in (plain, single, threads, batches)]
    sizes = [int(argument) for argument in arguments] or [10_000, 1_000_000]
    for size in sizes:
        build(size)
    for name in LISTS:
        pages = [measure(f"list: {name}", size, walk, size, name) for size in sizes]
        for page in pages:
            page["x"] = page["per_page_ms"] / pages[0]["per_page_ms"]
        rows += pages
    return rows


def plain() -> Row:
    """Batches of fifty with sqlite3 alone: a table, a unique id, a commit each."""
    with sqlite3.connect(FOLDER / "plain.db", isolation_level=None) as connection:
        for pragma in PRAGMAS:
            connection.execute(pragma)
        connection.execute("CREATE TABLE events (event_id TEXT PRIMARY KEY, lead_id TEXT, occurred_at INTEGER)")
        began = time.perf_counter()
        for start in range(0, EVENTS, 50):
            connection.execute("BEGIN IMMEDIATE")
            batch = [(f"e{n}", f"L{n % 97}", NOW) for n in range(start, start + 50)]
            connection.executemany("INSERT INTO events VALUES (?, ?, ?)", batch)
            connection.execute("COMMIT")
    connection.close()
    return {"per_s": EVENTS / (time.perf_counter() - began)}


def single() -> Row:
    """One event a call, one after the other."""
    return _take_in("single", [[event(n)] for n in range(EVENTS // 4)], 1)


def threads() -> Row:
    """One event a call, from eight threads."""
    return _take_in("threads", [[event(n)] for n in range(EVENTS)], 8)


def batches() -> Row:
    """Fifty events a call, one after the other."""
    return _take_in("batches", [[event(n + k) for k in range(50)] for n in range(0, EVENTS, 50)], 1)


def event(n: int) -> EventIn:
    """The n-th event."""
    return EventIn(f"L{n % 97}", "page_view", NOW - n, "web", 1.5, NOW, "site", f"e{n}")


def _take_in(name: str, calls: Sequence[Sequence[EventIn]], clients: int) -> Row:
    with open_store(f"sqlite:///{FOLDER / name}.db") as store, ThreadPoolExecutor(clients) as pool:
        began = time.perf_counter()
        results = list(pool.map(lambda sent: store.events.add(sent, NOW), calls))
        took = time.perf_counter() - began
    return {"per_s": sum(len(result) for result in results) / took}


def build(size: int) -> None:
    """A store of so many leads, each with a profile of two attributes and a score."""
    path = FOLDER / f"{size}.db"
    open_store(f"sqlite:///{path}").close()
    numbers = f"WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n + 1 < {size})"
    lead, spread = "printf('L%08d', n)", "((n * 7919) % 10007)"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            f"""PRAGMA synchronous = OFF;
            INSERT INTO leads (lead_id, created_at, changed_at, profile_from, objection)
                {numbers} SELECT {lead}, {NOW}, {NOW} + {spread}, {NOW}, 0 FROM c;
            INSERT INTO attributes {numbers} SELECT {lead}, {NOW}, 'country', 'c' || ({spread} % 1000), NULL FROM c;
            INSERT INTO attributes {numbers} SELECT {lead}, {NOW}, 'industry',
                CASE {spread} % 5 WHEN 0 THEN 'retail' ELSE 'other' END, NULL FROM c;
            INSERT INTO standings (target, lead_id, stage, probability, low, high, as_of, scored_at, model_version)
                {numbers} SELECT 'conversion', {lead}, CASE WHEN {spread} < 500 THEN 'SQL' ELSE 'unqualified' END,
                {spread} / 10007.0, 0, 1, {NOW}, {NOW}, '1' FROM c;"""
        )
    connection.close()


def walk(size: int, name: str) -> Row:
    """Fifty pages of a hundred leads, or as many as there are."""
    with open_store(f"sqlite:///{FOLDER / str(size)}.db") as store:
        cursor: str | None = None
        store.listing.page(Filters(**LISTS[name]))
        began, pages = time.process_time(), 0
        while pages < PAGES and (pages == 0 or cursor is not None):
            cursor = store.listing.page(Filters(**LISTS[name]), cursor).next
            pages += 1
        return {"pages": pages, "per_page_ms": 1000 * (time.process_time() - began) / pages}
