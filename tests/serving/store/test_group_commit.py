"""Group commit: everybody gets its own result, groups form under load, one bad submission hurts nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from serving.store.database.failures import StoreFull
from serving.store.database.group_commit import GroupCommit

Result = TypeVar("Result")


class Clients:
    """Many threads that submit numbers; the first write waits until all of them have asked, so that groups form."""

    def __init__(self, write: Callable[[Sequence[int]], list[int]], threads: int = 8, most: int = 256) -> None:
        self._write, self._threads = write, threads
        self._asked = threading.Semaphore(0)
        self._commit = GroupCommit(self._gathered, most)
        self.groups: list[int] = []

    def _gathered(self, numbers: Sequence[int]) -> list[int]:
        for _ in range(0 if self.groups else self._threads):
            self._asked.acquire()
        self.groups.append(len(numbers))
        return self._write(numbers)

    def submit(self, number: int) -> int:
        self._asked.release()
        return self._commit.submit(number)

    def all(self, submit: Callable[[int], Result], numbers: Sequence[int]) -> list[Result]:
        """The results of submitting all numbers, in order."""
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(submit, numbers))


def test_every_submission_gets_its_own_result_and_groups_form() -> None:
    clients = Clients(lambda numbers: [2 * number for number in numbers])
    assert clients.all(clients.submit, range(400)) == [2 * number for number in range(400)]
    assert sum(clients.groups) == 400
    assert max(clients.groups) > 1


def test_results_come_only_after_the_write() -> None:
    written: list[int] = []

    def write(numbers: Sequence[int]) -> list[int]:
        written.extend(numbers)
        return list(numbers)

    clients = Clients(write)

    def submit(number: int) -> bool:
        clients.submit(number)
        return number in written

    assert all(clients.all(submit, range(200)))


def test_one_bad_submission_fails_alone() -> None:
    def write(numbers: Sequence[int]) -> list[int]:
        if 3 in numbers:
            raise ValueError("3")
        return list(numbers)

    clients = Clients(write)

    def submit(number: int) -> int | str:
        try:
            return clients.submit(number)
        except ValueError as error:
            return str(error)

    assert clients.all(submit, range(50)) == [number if number != 3 else "3" for number in range(50)]


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
    clients = Clients(list, threads=16, most=3)
    assert clients.all(clients.submit, range(100)) == list(range(100))
    assert max(clients.groups) == 3


def test_an_interrupt_of_the_one_who_writes_leaves_nobody_waiting() -> None:
    begun, go = threading.Event(), threading.Event()

    def write(numbers: Sequence[int]) -> list[int]:
        if 0 in numbers:
            begun.set()
            go.wait()
            raise KeyboardInterrupt
        return list(numbers)

    commit = GroupCommit(write)
    results: list[str] = []

    def first() -> None:
        try:
            commit.submit(0)
        except KeyboardInterrupt:
            results.append("interrupted")

    interrupted = threading.Thread(target=first)
    interrupted.start()
    begun.wait()
    other = threading.Thread(target=lambda: results.append(str(commit.submit(1))))
    other.start()
    go.set()
    interrupted.join()
    other.join(timeout=10)
    assert sorted(results) == ["1", "interrupted"]
