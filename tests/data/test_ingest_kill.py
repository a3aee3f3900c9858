"""An ingest that is killed, interrupted or out of room: the old log stays whole, and a second run ends the same."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import signal
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from data.contract import DataError, UsageError
from data.log.compaction import compact
from data.log.eventlog import EventLog
from data.log.generations import only_writer
from tests.data.exports import event_set, into, write_csv
from tests.data.killed_ingest import run

PROCESSES = multiprocessing.get_context("forkserver")


def lines(first: int, count: int) -> list[str]:
    return [f"l{i % 97},page_view,2024-01-01T00:{i % 60:02d}:00Z,,web,{i},crm,{i}" for i in range(first, first + count)]


class Setting:
    """A log, a file to be added, and how the log looks with and without it."""

    def __init__(self, folder: Path, size: int, more: int) -> None:
        self.folder, self.tries = folder, 0
        self.file = write_csv(folder / "second.csv", lines(size - more, 2 * more))
        into(folder / "before", write_csv(folder / "first.csv", lines(0, size)))
        shutil.copytree(folder / "before", folder / "after")
        into(folder / "after", self.file)
        self.before, self.after = (EventLog.open(folder / name).digest for name in ("before", "after"))

    def fresh_log(self) -> Path:
        self.tries += 1
        return Path(shutil.copytree(self.folder / "before", self.folder / f"try-{self.tries}"))

    def start(self, log: Path, point: int = 0, trouble: str = "") -> ForkServerProcess:
        """An ingest of the file into a log, in a process of its own."""
        process = PROCESSES.Process(target=run, args=(log, self.file, point, trouble, self.outcome))
        process.start()
        return process

    def ends(self, log: Path, point: int = 0, trouble: str = "") -> int | None:
        """The exit code of such a process."""
        process = self.start(log, point, trouble)
        process.join()
        return process.exitcode

    @property
    def outcome(self) -> Path:
        return self.folder / "outcome"

    def survives(self, log: Path) -> bool:
        """Whether a log left behind is whole, one of the two, and becomes the new one when the ingest is run again."""
        try:
            opened = EventLog.open(log)
            events = len(event_set(log))
        except (DataError, FileNotFoundError):
            return False
        if opened.digest not in (self.before, self.after) or events != opened.n_events:
            return False
        into(log, self.file)
        parts = EventLog.open(log).manifest.parts
        leftovers = {path.name for path in log.iterdir()} - {"log.json", "writer.lock", *parts}
        return EventLog.open(log).digest == self.after and not leftovers


@pytest.fixture(scope="module", params=[1_000, 50], ids=["woven into the base", "beside the base"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Setting:
    # What the processes need is imported once, and not again in each of them.
    PROCESSES.set_forkserver_preload(["tests.data.warm_ingest"])
    return Setting(tmp_path_factory.mktemp("killed"), 2_000, request.param)


@pytest.fixture(scope="module")
def steps(small: Setting) -> int:
    """How many points there are at which the small ingest can be killed."""
    assert small.ends(small.fresh_log()) == 0
    return int(small.outcome.read_text())


@pytest.mark.proof("ingest-kill")
def test_killed_at_any_step_the_log_is_whole(small: Setting, steps: int, full: bool) -> None:
    """The last steps, where generations change places, and some before."""
    assert steps > 20
    for point in range(1, steps + 1) if full else [steps // 2, *range(steps - 12, steps + 1, 3)]:
        log = small.fresh_log()
        assert small.ends(log, point) == -signal.SIGKILL
        assert small.survives(log), f"killed at step {point} of {steps}"


@pytest.mark.proof("ingest-kill")
def test_a_manifest_that_is_too_early_is_caught(small: Setting) -> None:
    assert small.ends(small.fresh_log(), 0, "manifest too early") == 0
    for point in range(int(small.outcome.read_text()), 0, -1):
        log = small.fresh_log()
        assert small.ends(log, point, "manifest too early") == -signal.SIGKILL
        if not small.survives(log):
            return
    pytest.fail("the planted fault was not found")


@pytest.mark.proof("ingest-kill")
def test_killed_at_random_moments_the_log_is_whole(
    small: Setting, full: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In full: 20 moments of an ingest of a million events."""
    setting = Setting(tmp_path_factory.mktemp("large"), 1_000_000, 500_000) if full else small
    begun = time.monotonic()
    assert setting.ends(setting.fresh_log()) == 0
    took, dice, killed, wanted = time.monotonic() - begun, random.Random(5), 0, 10 if full else 2
    for _ in range(2 * wanted + 8):
        log = setting.fresh_log()
        process = setting.start(log)
        process.join(took * dice.uniform(0.05, 0.9))
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            killed += 1
        else:
            took /= 2  # the first, by which it was judged, had a busy machine or a cold cache
        assert setting.survives(log)
        shutil.rmtree(log)
        if killed == wanted:
            return
    pytest.fail(f"only {killed} ingests were under way when they were killed")


@pytest.mark.proof("ingest-kill-large")
def test_killed_over_and_over_a_log_ends_the_same(
    small: Setting, full: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One log, killed at random steps one after the other; in full: 20 of them, ten million events in the end."""
    setting = Setting(tmp_path_factory.mktemp("over-and-over"), 6_666_666, 3_333_333) if full else small
    log, dice = setting.fresh_log(), random.Random(6)
    assert setting.ends(setting.fresh_log()) == 0
    steps = int(setting.outcome.read_text())
    for _ in range(20 if full else 3):
        assert setting.ends(log, dice.randint(1, steps - 5)) == -signal.SIGKILL
        assert EventLog.open(log).digest == setting.before
    into(log, setting.file)
    assert EventLog.open(log).digest == setting.after


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("ctrl-c", "KeyboardInterrupt: "),
        ("2000", "DataError: there is no room"),
        ("12000", "DataError: "),
    ],
)
def test_without_room_or_interrupted_the_old_log_stays(small: Setting, trouble: str, message: str) -> None:
    log = small.fresh_log()
    assert small.ends(log, 0, trouble) == 0
    outcome = small.outcome.read_text()
    assert outcome.startswith(message)
    assert trouble == "ctrl-c" or outcome.endswith("make room")
    assert not (log / "staging").exists()
    assert EventLog.open(log).digest == small.before
    assert small.survives(log)


@pytest.mark.proof("compact-kill")
def test_killed_while_it_weaves_the_log_says_the_same(full: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In full: 50 moments of a log with ten deltas."""
    setting = Setting(tmp_path_factory.mktemp("woven"), 2_000, 20)
    log, dice = setting.folder / "after", random.Random(7)
    for number in range(10 if full else 2):
        into(log, write_csv(setting.folder / "more.csv", lines(3_000 + 20 * number, 20)))
    digest, events = EventLog.open(log).digest, event_set(log)
    assert len(EventLog.open(log).folders) >= 3
    assert setting.ends(Path(shutil.copytree(log, setting.folder / "whole")), 0, "compact") == 0
    steps = int(setting.outcome.read_text())
    for point in [dice.randint(1, steps) for _ in range(50)] if full else [steps // 2, steps - 3]:
        copy = Path(shutil.copytree(log, setting.folder / "copy"))
        assert setting.ends(copy, point, "compact") == -signal.SIGKILL
        assert (EventLog.open(copy).digest, event_set(copy)) == (digest, events), f"killed at step {point} of {steps}"
        compact(copy)
        assert (EventLog.open(copy).digest, event_set(copy)) == (digest, events)
        assert {path.name for path in copy.iterdir()} == {
            "log.json",
            "writer.lock",
            *EventLog.open(copy).manifest.parts,
        }
        shutil.rmtree(copy)


def test_a_second_writer_is_sent_away(small: Setting) -> None:
    log = small.fresh_log()
    with only_writer(log), pytest.raises(UsageError, match="another ingest is writing to"):
        into(log, small.file)
    assert small.survives(log)


def test_a_log_where_none_can_be(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "events.csv", lines(0, 2))
    with pytest.raises(DataError, match=r"the event log in .*events\.csv cannot be written"):
        into(tmp_path / "events.csv", file)
