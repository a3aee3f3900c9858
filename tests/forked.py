"""Commands in processes of their own that are forked from one that has imported everything: they start in a moment.

    python -m tests.forked

Reads lines of JSON: {"words", "cwd", "errors"} begins a command, whose errors go to that file, and is answered by its
process's id; {"wait": id} is answered by its exit code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
WARM = ("mlflow", "lightgbm", "duckdb", "pandas", "commands.app", "training.pipeline", "serving.scoring.rescoring")
"""What commands import when they are called."""


class Forks:
    """Starts commands, and waits for them."""

    def __init__(self) -> None:
        words = [sys.executable, "-m", "tests.forked"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self._process = subprocess.Popen(words, cwd=REPOSITORY, **pipes)

    def start(self, words: Sequence[str], cwd: Path, errors: Path) -> int:
        """Begins a command of leadscore's; its process's id."""
        return self._ask({"words": list(words), "cwd": str(cwd), "errors": str(errors)})

    def wait(self, process: int) -> int:
        """Its exit code."""
        return self._ask({"wait": process})

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()

    def _ask(self, asked: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        return int(self._process.stdout.readline())


def run(asked: dict[str, Any]) -> None:
    """In the child: becomes the command."""
    from commands.app import main as command_line

    os.chdir(asked["cwd"])
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)
    os.dup2(os.open(asked["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    sys.argv = ["leadscore", *asked["words"]]
    command_line()


def main() -> None:
    """Answers until there are no more lines."""
    for name in WARM:
        __import__(name)
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            answer = os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                _die_as(lambda asked=asked: run(asked))
        os.write(1, f"{answer}\n".encode())


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
