"""Erases leads in processes that die at a given deed: what the property test of erasure asks for.

    python -m tests.killed_erasure

Reads lines of JSON (root, store, lead, deed, now) and answers with the exit status of each erasure, 0 when it was done
before that deed and 9 when it died, and how many deeds were done. A deed is a file that is opened for writing, renamed,
linked or removed, and a statement or a commit of the store.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, event

from data.log.version_index import digest_of
from serving.store.privacy.workspace_files import WorkspaceFiles
from serving.store.store import open_store

DEEDS = ("os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "sqlite3.connect")


class Deeds:
    """Counts what this process does, and ends it, as a kill would, at its n-th deed."""

    def __init__(self, last: int) -> None:
        self.done, self._last = 0, last
        sys.addaudithook(self._watch)
        event.listen(Engine, "before_cursor_execute", self._do)
        event.listen(Engine, "commit", self._do)

    def _watch(self, name: str, arguments: tuple[Any, ...]) -> None:
        writes = name == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if writes or name in DEEDS:
            self._do()

    def _do(self, *_: object) -> None:
        self.done += 1
        if self.done == self._last:
            os._exit(9)


def erase(asked: dict[str, Any]) -> int:
    """One erasure, in a process of its own; how many deeds it took."""
    with open_store(asked["store"]) as store:
        deeds = Deeds(asked["deed"])
        files = WorkspaceFiles(Path(asked["root"]), Path(asked["log"]))
        store.erasure.forget(asked["lead"], "test", asked["now"], files)
    return deeds.done


def in_a_child(asked: dict[str, Any], out: int) -> None:
    """Erases, says how many deeds that took, and ends."""
    try:
        os.write(out, str(erase(asked)).encode())
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    """Answers until there are no more lines."""
    digest_of(np.zeros((5, 1), np.uint64))  # compiled once for all
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            in_a_child(json.loads(line), writing)
        os.close(writing)
        with os.fdopen(reading) as said:
            deeds = said.read() or "0"
        _, status = os.waitpid(child, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)} {deeds}\n".encode())


if __name__ == "__main__":
    main()
