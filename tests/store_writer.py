"""A process that writes to a store and says so: what the proofs of durability kill and trace.

    python -m tests.store_writer URL MODE GROUPS

Threads add groups of events as fast as they can; each prints `ack` and the ids of a group when the store has taken it.
MODE `honest`, or a planted fault: `early` acknowledges before it writes, `lazy` lets SQLite sync when it likes,
`single` is honest with one thread, and prints `recv` before each group.
"""

from __future__ import annotations

import os
import sys
import threading
import time

import serving.store.database.connection
from serving.store.events.event_validation import EventIn
from serving.store.store import Store, open_store

THREADS = 4
PER_GROUP = 10


def say(*words: str) -> None:
    """One line in one system call, so that a kill never leaves half an acknowledgement that counts."""
    os.write(1, (" ".join(words) + "\n").encode())


def write(store: Store, thread: int, groups: int, mode: str) -> None:
    """Adds groups with ids that no other process has used."""
    for group in range(groups):
        ids = [f"{os.getpid()}-{time.time_ns()}-{thread}-{group}-{n}" for n in range(PER_GROUP)]
        now = time.time_ns() // 1000
        events = [EventIn(f"L{thread}", "page_view", now, event_id=event_id) for event_id in ids]
        if mode in ("single", "lazy"):
            say("recv", str(group))
        if mode == "early":
            say("ack", *ids)
        results = store.events.add(events, now)
        if mode != "early":
            say("ack", *(result.event_id or "" for result in results if result.status == "accepted"))


def main(url: str, mode: str, groups: int) -> None:
    """Runs the threads until they are done or the process is killed."""
    if mode == "lazy":
        pragmas = serving.store.database.connection.PRAGMAS
        serving.store.database.connection.PRAGMAS = tuple(pragma.replace("= FULL", "= NORMAL") for pragma in pragmas)
    store = open_store(url)
    threads = 1 if mode in ("single", "lazy") else THREADS
    started = [threading.Thread(target=write, args=(store, n, groups, mode)) for n in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
