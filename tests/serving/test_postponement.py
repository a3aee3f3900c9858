"""What the machine is to blame for is tried again, with more time; what the artifact is to blame for is not."""

from __future__ import annotations

import io
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import serving.champion.watcher
from data.contract import DataError
from serving.champion.artifact_cache import ArtifactCache
from serving.champion.artifact_sources import FolderSource
from serving.champion.champion import Champion
from serving.champion.child_process import MACHINE_AT_FAULT, MachineFault, output_of
from serving.champion.postponement import Postponement
from serving.champion.watcher import Watcher
from serving.telemetry.metrics import Metrics
from serving.telemetry.server_log import ServerLog
from workspace import Workspace

Trial = Callable[[Path, float], None]


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("serving.champion.postponement.time", clock)
    return clock


@pytest.fixture
def watcher(trained: Workspace, tmp_path: Path) -> Watcher:
    """One that looks at a folder with a sound artifact, every ten seconds if it were started."""
    folder = tmp_path / "artifact"
    shutil.copytree(trained.champion().folder, folder)
    cache = ArtifactCache(tmp_path / "cache")
    cache.path.mkdir()
    return Watcher(FolderSource(folder, "conversion"), cache, Champion(), Metrics(), ServerLog(), 10.0)


def trials(monkeypatch: pytest.MonkeyPatch, *faults: Exception | None) -> list[float]:
    """Lets trials end like this, one after the other; how many seconds each was given."""
    given, left = list[float](), list(faults)

    def trial(folder: Path, seconds: float) -> None:
        given.append(seconds)
        fault = left.pop(0)
        if fault is not None:
            raise fault

    monkeypatch.setattr(serving.champion.watcher, "smoke_test", trial)
    return given


def test_a_trial_that_the_machine_cut_off_is_tried_again_later_and_with_more_time(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    slow = MachineFault("the trial did not end within 120 seconds")
    given = trials(monkeypatch, slow, slow, None)
    for now, tried in ((0, 1), (5, 1), (10, 2), (25, 2), (30, 3)):
        clock.now = now
        watcher.look()
        assert len(given) == tried
    assert given == [120.0, 240.0, 480.0]
    assert watcher.champion.live is not None
    assert watcher.champion.refusal is None


def test_it_is_told_that_it_will_be_tried_again(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    stream = io.StringIO()
    watcher.log = ServerLog(stream)
    trials(monkeypatch, MachineFault("the trial died of signal 9"))
    watcher.look()
    why = "the trial died of signal 9; that is no fault of the model's: tried again in 10 seconds, and with more time"
    assert str(watcher.champion.refusal).endswith(f"was refused: {why}")
    assert why in stream.getvalue()


def test_a_fault_of_the_artifact_is_not_tried_again(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    given = trials(monkeypatch, DataError("the model gives no probability; train again"))
    for now in (0, 10, 10_000):
        clock.now = now
        watcher.look()
    assert given == [120.0]
    assert watcher.champion.live is None


def test_another_model_need_not_wait(watcher: Watcher, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    given = trials(monkeypatch, MachineFault("no room"), None)
    watcher.look()
    for file in watcher.source.folder.iterdir():  # type: ignore[attr-defined]
        file.touch()
    watcher.look()
    assert given == [120.0, 120.0]


def test_a_damaged_artifact_is_told_without_where_it_lies(
    watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the workspace has a relative path: anybody may read what health says."""
    monkeypatch.chdir(tmp_path)
    watcher.cache = ArtifactCache(Path("kept/below"))
    watcher.cache.path.mkdir(parents=True)
    booster = next((tmp_path / "artifact").glob("booster-*"))
    booster.write_text(booster.read_text()[:-100])
    watcher.look()
    assert f"{booster.name} is damaged" in str(watcher.champion.refusal)
    assert "kept" not in str(watcher.champion.refusal)


def test_pause_and_patience_are_bounded() -> None:
    put_off = None
    for _ in range(40):
        put_off = Postponement.after(put_off, "7", 10.0)
    assert put_off is not None
    assert (put_off.pause_s, Postponement.patience(put_off)) == (600.0, 3600.0)


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("while True: pass", MachineFault),
        (f"import os; os.kill(os.getpid(), {signal.SIGKILL})", MachineFault),
        (f"raise SystemExit({MACHINE_AT_FAULT})", MachineFault),
        (f"import os; os.kill(os.getpid(), {signal.SIGSEGV})", DataError),
        ("raise SystemExit('it is damaged')", DataError),
    ],
)
def test_whose_fault_it_is_shows_in_how_a_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, kind: type[DataError]
) -> None:
    (tmp_path / "program_of_a_trial.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError) as error:
        output_of("program_of_a_trial", job="the trial", seconds=0.5)
    assert error.type is kind
