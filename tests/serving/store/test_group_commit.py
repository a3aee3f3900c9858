"""Group commit: everybody gets its own result, groups form under load, one bad submission hurts nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.store.database.connection import StoreFull
from serving.store.database.group_commit import GroupCommit


def test_every_submission_gets_its_own_result_and_groups_form() -> None:
    groups: list[int] = []

    def write(numbers: Sequence[int]) -> list[int]:
        groups.append(len(numbers))
        time.sleep(0.002)
        return [2 * each for each in numbers]

    commit = GroupCommit(write)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(commit.submit, range(400))) == [2 * each for each in range(400)]
    assert sum(groups) == 400
    assert max(groups) > 1


def test_results_come_only_after_the_write() -> None:
    written: list[int] = []

    def write(numbers: Sequence[int]) -> list[int]:
        time.sleep(0.001)
        written.extend(numbers)
        return list(numbers)

    commit = GroupCommit(write)

    def submit(number: int) -> bool:
        commit.submit(number)
        return number in written

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(submit, range(200)))


def test_one_bad_submission_fails_alone() -> None:
    def write(numbers: Sequence[int]) -> list[int]:
        time.sleep(0.001)
        if 13 in numbers:
            raise ValueError("13")
        return list(numbers)

    commit = GroupCommit(write)

    def submit(number: int) -> int | str:
        try:
            return commit.submit(number)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(submit, range(50))) == [each if each != 13 else "13" for each in range(50)]


def test_a_store_that_fails_fails_the_whole_group_at_once_and_then_works_again() -> None:
    full = threading.Event()
    full.set()
    calls: list[int] = []

    def write(numbers: Sequence[int]) -> list[int]:
        calls.append(len(numbers))
        if full.is_set():
            raise StoreFull("full")
        return list(numbers)

    commit = GroupCommit(write)
    with pytest.raises(StoreFull):
        commit.submit(1)
    full.clear()
    assert commit.submit(2) == 2
    assert calls == [1, 1]


def test_groups_are_no_larger_than_allowed() -> None:
    groups: list[int] = []

    def write(numbers: Sequence[int]) -> list[int]:
        groups.append(len(numbers))
        time.sleep(0.002)
        return list(numbers)

    commit = GroupCommit(write, most=3)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(commit.submit, range(100))) == list(range(100))
    assert max(groups) <= 3


def test_an_interrupt_of_the_one_who_writes_leaves_nobody_waiting() -> None:
    begun, go = threading.Event(), threading.Event()

    def write(numbers: Sequence[int]) -> list[int]:
        if 0 in numbers:
            begun.set()
            go.wait()
            raise KeyboardInterrupt
        return list(numbers)

    commit = GroupCommit(write)
    told: list[str] = []

    def first() -> None:
        try:
            commit.submit(0)
        except KeyboardInterrupt:
            told.append("interrupted")

    interrupted = threading.Thread(target=first)
    interrupted.start()
    begun.wait()
    other = threading.Thread(target=lambda: told.append(str(commit.submit(1))))
    other.start()
    go.set()
    interrupted.join()
    other.join(timeout=10)
    assert sorted(told) == ["1", "interrupted"]
