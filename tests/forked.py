"""Commands in processes of their own that are forked from one that has imported what they need: they start at once.

    python -m tests.forked MODULE…

Reads lines of JSON: {"words", "cwd", "out", "errors", "first", "environment"} begins a command, whose output and errors
go to those files, and is answered by its process's id; {"process": id} is answered by its exit code, null for none yet.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
COMMANDS = ("mlflow", "lightgbm", "duckdb", "pandas", "commands.app", "training.pipeline", "serving.scoring.rescoring")
"""What commands import when they are called."""


@dataclass
class Fork:
    """A command's process, with what tests use of `subprocess.Popen`."""

    forks: Forks
    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        if self.returncode is None:
            self.returncode = self.forks.ask({"process": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended. Raises TimeoutExpired."""
        if self.returncode is None:
            ended = os.pidfd_open(self.pid)
            try:
                if not select.select([ended], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired("leadscore", timeout or 0)
            finally:
                os.close(ended)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Sends it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


class Forks:
    """Starts commands. warm: modules that they need."""

    def __init__(self, warm: Sequence[str] = COMMANDS) -> None:
        words = [sys.executable, "-m", "tests.forked", *warm]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self._process = subprocess.Popen(words, cwd=REPOSITORY, **pipes)
        self._lock = threading.Lock()

    def start(self, words: Sequence[str], cwd: Path, errors: Path, out: Path | None = None, first: str = "") -> Fork:
        """Begins a command of leadscore's. first: lines of Python that run before it."""
        files = {"out": str(out or os.devnull), "errors": str(errors)}
        process = self.ask(
            {"words": list(words), "cwd": str(cwd), "first": first, "environment": dict(os.environ), **files}
        )
        assert process is not None
        return Fork(self, process)

    def ask(self, asked: dict[str, Any]) -> int | None:
        """One line, and its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(asked) + "\n")
            answer: int | None = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """Ends it; what it has started goes on."""
        self._process.communicate()


def run(asked: dict[str, Any]) -> None:
    """In the child: becomes the command."""
    from commands.app import main as command_line

    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "errors")):
        os.dup2(os.open(asked[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND), number)
    sys.argv = ["leadscore", *asked["words"]]
    exec(asked["first"], {})
    command_line()


def main() -> None:
    """Answers until there are no more lines."""
    for name in sys.argv[1:]:
        __import__(name)
    gc.freeze()  # shared with all that are forked, which need not look through it
    for line in sys.stdin:
        asked = json.loads(line)
        os.write(1, f"{json.dumps(_ended(asked['process']) if 'process' in asked else _begun(asked))}\n".encode())
    gc.unfreeze()


def _begun(asked: dict[str, Any]) -> int:
    process = os.fork()
    if not process:
        _die_as(lambda: run(asked))
    return process


def _ended(process: int) -> int | None:
    ended, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _die_as(work: Any) -> None:
    """Does the work and ends the process as an interpreter would, with no way back into the loop."""
    code: Any = 1
    try:
        work()
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        import atexit

        atexit._run_exitfuncs()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
