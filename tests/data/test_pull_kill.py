"""A pull that is killed and run again: nothing is lost, nothing doubled, and what has landed is not asked for again."""

from __future__ import annotations

import multiprocessing
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.crm.accounts import VENDORS, Account, account_of
from tests.data.crm.fake_vendor import Trouble
from tests.data.crm.killed_pull import run
from tests.oracles.pulled_naive import told_by

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.data.warm_ingest", "tests.data.crm.killed_pull"])


def ends(account: Account, point: int = 0, fault: str = "") -> int | None:
    """The exit code of a pull in a process of its own."""
    url = account.connector.client.base_url
    outcome = account.folder.parent / "outcome"
    process = PROCESSES.Process(target=run, args=(account.connector.name, url, account.folder, point, fault, outcome))
    process.start()
    process.join()
    return process.exitcode


def steps(account: Account) -> int:
    """How many steps a whole pull has."""
    assert ends(account) == 0
    return int((account.folder.parent / "outcome").read_text())


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """A new folder, as often as one is asked for."""

    def made() -> Iterator[Path]:
        for number in range(10_000):
            folder = tmp_path / "tries" / str(number)
            folder.mkdir(parents=True)
            yield folder

    return made()


def is_whole(account: Account) -> bool:
    """Whether the log has all of the account, each event once, when a pull has been run again."""
    assert ends(account) == 0
    return account.told() == told_by(account.vendor) and account.vendor.too_early == 0


@pytest.mark.proof("pull")
@pytest.mark.parametrize("name", VENDORS)
def test_killed_at_any_step_and_run_again_all_is_there_once(name: str, full: bool, folders: Iterator[Path]) -> None:
    """In full: 10,000 contacts, throttled, killed at 12 steps one after the other."""
    trouble = Trouble(throttled=9, failing=13, cut=17, short=19, wait_s=0.05)
    size, kills = (10_000, 12) if full else (60, 2)
    with account_of(name, size, next(folders), real_time=True, trouble=trouble) as account:
        count, dice = steps(account), random.Random(7)
        asked, account.folder = account.vendor.requests, next(folders)
        account.vendor.requests = 0
        for _ in range(kills):
            assert ends(account, dice.randint(20, count // kills)) == -signal.SIGKILL
        assert is_whole(account)
        # What has landed is not asked for again: each kill costs the page under way, its tries, and the checks.
        assert account.vendor.requests < asked * 1.3 + kills * 20


@pytest.mark.proof("pull")
def test_killed_at_the_end_all_is_there_once(full: bool, folders: Iterator[Path]) -> None:
    """The last steps: files for the ingest, the ingest, and what is cleared away after it."""
    with account_of("hubspot", 40, next(folders), real_time=True) as account:
        count = steps(account)
        for point in range(count - (120 if full else 12), count + 1, 1 if full else 8):
            account.folder = next(folders)
            assert ends(account, point) == -signal.SIGKILL
            assert is_whole(account), f"killed at step {point} of {count}"


@pytest.mark.proof("pull")
def test_a_cursor_that_moves_before_its_rows_are_safe_is_caught(folders: Iterator[Path]) -> None:
    with account_of("pipedrive", 40, next(folders), real_time=True) as account:
        for point in range(44, 70):  # the first pages land there
            account.folder = next(folders)
            assert ends(account, point, "position too early") == -signal.SIGKILL
            if not is_whole(account):
                return
        pytest.fail("the planted fault was not found")
