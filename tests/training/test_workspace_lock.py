"""One command writes to a workspace at a time; a second one is told who does, and a killed one locks nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from training.registry.workspace_lock import NAME, Busy, reading, writing

HOLDER = """
import sys
from pathlib import Path
from training.registry.workspace_lock import {kind}
with {kind}(Path(sys.argv[1]){what}):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(root: Path, kind: str = "writing", what: str = ', "leadscore train"') -> Iterator[subprocess.Popen[str]]:
    """The lock in another process."""
    command = [sys.executable, "-c", HOLDER.format(kind=kind, what=what), str(root)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_a_second_writer_is_told_who_is_at_work(tmp_path: Path) -> None:
    with held(tmp_path) as holder:
        for second in (writing(tmp_path, "leadscore promote"), reading(tmp_path)):
            with pytest.raises(Busy, match=rf"leadscore train \(process {holder.pid} on .* UTC\) is at work"), second:
                pass


def test_the_lock_of_a_killed_writer_is_gone_with_it(tmp_path: Path) -> None:
    with held(tmp_path) as holder:
        holder.kill()
        holder.wait()
        with writing(tmp_path, "leadscore promote"), pytest.raises(Busy, match="leadscore promote"), reading(tmp_path):
            pass
    with writing(tmp_path, "leadscore promote"):
        pass


def test_any_number_may_read_and_nobody_writes_meanwhile(tmp_path: Path) -> None:
    with held(tmp_path, "reading", ""), reading(tmp_path), pytest.raises(Busy), writing(tmp_path, "leadscore train"):
        pass


def test_the_lock_says_nothing_once_it_is_released(tmp_path: Path) -> None:
    with writing(tmp_path, "leadscore train"):
        assert "leadscore train" in (tmp_path / NAME).read_text()
    assert (tmp_path / NAME).read_text() == ""
