"""Erases leads in processes that die at a given deed: what the property test of erasure asks for.

    python -m tests.killed_erasure

Reads lines of JSON (root, store, lead, deed, now) and answers with the exit status of each erasure: 0 when it was done
before that deed, 9 when it died. A deed is a file that is opened for writing, renamed, linked or removed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from data.log.version_index import digest_of
from serving.store.privacy.workspace_files import WorkspaceFiles
from serving.store.store import open_store

DEEDS = ("os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "sqlite3.connect")


def die_at(deed: int) -> None:
    """Ends this process, as a kill would, at its n-th deed."""
    done = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if writes or event in DEEDS:
            done += 1
            if done == deed:
                os._exit(9)

    sys.addaudithook(watch)


def erase(asked: dict[str, Any]) -> None:
    """One erasure, in a process of its own."""
    with open_store(asked["store"]) as store:
        die_at(asked["deed"])
        store.erasure.forget(
            asked["lead"], "test", asked["now"], WorkspaceFiles(Path(asked["root"]), Path(asked["log"]))
        )


def main() -> None:
    """Answers until there are no more lines."""
    digest_of(np.zeros((5, 1), np.uint64))  # compiled once for all
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                erase(json.loads(line))
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
