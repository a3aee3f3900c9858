"""A real server in a process of its own, over real HTTP."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import REPOSITORY
from tests.forked import Fork, Forks
from tests.serving.workshop import Workshop

PATIENCE_S = 120
IMPORTED = ("commands.app", "data.compiled", "serving.server", "settings_file", "training.registry.registry")
"""What the command imports when it serves."""


@dataclass
class ServerProcess:
    """A server that has been started. `log` is the file that they go to."""

    process: subprocess.Popen[bytes] | Fork
    log: Path
    url: str

    def log_lines(self) -> list[dict[str, Any]]:
        """The lines that it has written; a line that is no JSON becomes {"event": "no JSON"}."""
        return [_parsed(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def ready(self) -> None:
        """Waits until it is ready."""
        self.until(lambda: httpx.get(f"{self.url}/v2/health/ready", verify=False).status_code == 200)

    def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds."""
        end = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > end or self.process.poll() is not None:
                raise TimeoutError(f"it does not come about; the server said: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> int:
        """Asks it to stop; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@contextmanager
def running(workshop: Workshop, folder: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Yields a function that starts servers below `folder`; they are stopped at the end.

    They score no new leads by themselves unless --score-new is among the options: tests say what is scored when.
    Their tables are there already, they have served the workshop's artifact before, and but for those with variables of
    their own they are forked: making tables, the trial of an artifact and imports take ten seconds.

    fault: lines of Python that run before the server does, to plant a fault that a test must catch.
    """
    started: list[ServerProcess] = []
    if not (store := folder / "var" / "store.db").exists():
        store.parent.mkdir(exist_ok=True)
        shutil.copy(workshop.store, store)

    def start(
        *options: str,
        artifact: Path | None = workshop.artifact,
        environment: dict[str, str] | None = None,
        fault: str = "",
    ) -> ServerProcess:
        if artifact == workshop.artifact and not (tried := folder / "var" / "serving").exists():
            shutil.copytree(workshop.cache, tried)
        log, words = folder / f"server-{len(started)}.log", _words(folder, artifact, options)
        if environment is None:
            log.touch()
            server = listening(_forks().start(words, REPOSITORY, log, log, fault), log)
        else:
            program = f"{fault}\nimport leadscore\nleadscore.main()"
            variables = os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment
            server = launched([sys.executable, "-c", program, *words], log, REPOSITORY, variables)
        started.append(server)
        return server

    try:
        yield start
    finally:
        for child in started:
            child.process.kill()
            child.process.wait()


@cache
def _forks() -> Forks:
    """What servers are forked from."""
    forks = Forks(IMPORTED)
    atexit.register(forks.close)
    return forks


def _words(folder: Path, artifact: Path | None, options: tuple[str, ...]) -> list[str]:
    source = [] if artifact is None else ["--artifact", str(artifact)]
    keys = [] if "--keys" in options else ["--insecure-local"]
    command = ["serve", "--var", str(folder / "var"), "--port", "0", "--look", "0.2"]
    command += [] if {"--score-new", "--no-score-new"} & set(options) else ["--no-score-new"]
    return [*command, *source, *keys, *(option for option in options if option != "--keys")]


def launched(command: Sequence[str | Path], log: Path, cwd: Path, environment: dict[str, str]) -> ServerProcess:
    """A server that listens, started by a command; what it says goes to `log`."""
    with log.open("wb") as out:
        return listening(subprocess.Popen(command, cwd=cwd, stdout=out, stderr=out, env=environment), log)


def listening(process: subprocess.Popen[bytes] | Fork, log: Path) -> ServerProcess:
    """A server that was started, when it listens."""
    server = ServerProcess(process, log, "")
    server.until(lambda: any(line["event"] == "listening" for line in server.log_lines()))
    port = next(line["port"] for line in server.log_lines() if line["event"] == "listening")
    server.url = f"http://127.0.0.1:{port}"
    return server


def _parsed(line: str) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(line)
        return record
    except ValueError:
        return {"event": "no JSON", "line": line}
