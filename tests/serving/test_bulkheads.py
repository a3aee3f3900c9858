"""Lines of work: what is let in is done in its order, the rest is refused, and one kind holds up no other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter

import pytest

from serving.edge import pulse
from serving.edge.bulkhead import Bulkhead
from serving.edge.kinds_of_work import KindsOfWork
from serving.edge.loop_turns import TURN_S, LoopTurns, LoopWork
from serving.edge.pulse import Pulse
from serving.edge.retry_after import RetryAfter
from serving.edge.starts_per_turn import A_TURN, Starts
from serving.edge.waiting_line import WaitingLine
from serving.messages.problems import Refused
from serving.store.database.connection import CONNECTIONS


def test_short_work_is_done_in_its_order_and_the_loop_looks_around_in_between() -> None:
    done: list[object] = []

    def work(number: int) -> int:
        time.sleep(TURN_S)  # longer than a turn: each has one of its own
        done.append(number)
        return number

    async def ask() -> list[int]:
        line = LoopWork(LoopTurns(), "scores", 10, 60.0)
        asked = [asyncio.create_task(line.run(work, number)) for number in range(4)]
        for _ in range(4):
            await asyncio.sleep(0)
            done.append("look")
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == [0, 1, 2, 3]
    assert [entry for entry in done if entry != "look"] == [0, 1, 2, 3]
    assert "look" in done[done.index(0) : done.index(2)]


def test_kinds_of_short_work_take_turns() -> None:
    done: list[str] = []

    async def ask() -> None:
        turns = LoopTurns()
        lines = [LoopWork(turns, name, 10, 60.0) for name in ("a", "b")]
        await asyncio.gather(*(line.run(done.append, line.name) for line in lines for _ in range(3)))

    asyncio.run(ask())
    assert done == ["a", "b"] * 3


def test_short_work_beyond_the_bound_is_refused_and_an_error_reaches_its_own() -> None:
    def fails() -> None:
        raise ZeroDivisionError

    async def ask() -> None:
        line = LoopWork(LoopTurns(), "scores", 1, 60.0)
        first = asyncio.create_task(line.run(fails))
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await line.run(fails)
        assert (refused.value.code, refused.value.retry_after) == ("busy", 1)
        with pytest.raises(ZeroDivisionError):
            await first
        assert await line.run(len, "abc") == 3

    asyncio.run(ask())


def test_what_nobody_waits_for_any_more_is_not_done() -> None:
    done: list[int] = []

    async def ask() -> None:
        line = LoopWork(LoopTurns(), "scores", 10, 60.0)
        gone = asyncio.create_task(line.run(done.append, 1))
        await asyncio.sleep(0)
        gone.cancel()
        await line.run(done.append, 2)

    asyncio.run(ask())
    assert done == [2]


def test_a_full_line_refuses_and_what_was_let_in_is_done() -> None:
    async def ask() -> None:
        leave = threading.Event()
        line = Bulkhead("batches", 1, 1)
        held = [asyncio.create_task(line.run(leave.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Refused):
            line.check()
        leave.set()
        assert await asyncio.gather(*held) == [True, True]
        line.check()
        assert line.waiting == 0

    asyncio.run(ask())


def test_of_slow_work_less_is_let_in_than_would_wait_too_long() -> None:
    """As many as are done within its patience, whatever its bound; quick work of the same kind is let in again."""
    now = [0.0]
    line = WaitingLine("reasons", 1000, 1.0, clock=lambda: now[0])

    def done_each(seconds: float) -> int:
        """So many are let in at once after work of that length."""
        for _ in range(60):
            line.enter()
            now[0] += seconds
            line.leave()
        for ahead in range(2000):
            try:
                line.check(ahead)
            except Refused:
                return ahead
        return 2000

    assert done_each(0.01) == pytest.approx(100, abs=2)
    assert done_each(0.25) == pytest.approx(5, abs=1)
    assert done_each(0.0001) == 1000


def test_nobody_is_refused_while_nobody_waits_however_slow_it_was() -> None:
    async def ask() -> list[int]:
        line = Bulkhead("batches", 1, 8, patience_s=0.001)
        line.line.step_s = 60.0
        return [await line.run(len, "abc") for _ in range(2)]

    assert asyncio.run(ask()) == [3, 3]


def test_who_is_turned_away_with_many_is_told_to_come_later() -> None:
    now = [0.0]
    retry = RetryAfter(lambda: now[0])
    delays = Counter(retry.seconds() for _ in range(1000))
    assert delays == dict.fromkeys(range(1, 10), 50) | {10: 550}
    now[0] += 60
    assert retry.seconds() == 1


def test_of_many_that_come_at_once_a_few_begin_in_each_turn_in_their_order() -> None:
    begun: list[int] = []

    async def ask() -> int:
        starts = Starts()

        async def request(number: int) -> None:
            await starts.turn()
            begun.append(number)

        requests = [asyncio.create_task(request(number)) for number in range(5 * A_TURN)]
        for turn in range(20):
            before = len(begun)
            await asyncio.sleep(0)
            assert len(begun) - before <= A_TURN, turn
        await asyncio.gather(*requests)
        await request(-1)
        return len(starts.waiting)

    assert asyncio.run(ask()) == 0
    assert begun == [*range(5 * A_TURN), -1]


def test_threads_that_ask_the_store_find_a_connection() -> None:
    lines = [kind for kind in KindsOfWork().kinds() if isinstance(kind, Bulkhead) and kind.name != "batches"]
    keys, first_scores_and_watcher = 2, 2
    assert len(lines) >= 6
    assert sum(line.limiter.total_tokens for line in lines) + keys <= CONNECTIONS - first_scores_and_watcher


def test_a_check_that_takes_long_holds_up_no_answer_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "CHECK_S", 0.001)
    leave = threading.Event()

    def slow() -> str:
        leave.wait(30)
        return "slow"

    async def ask() -> list[str]:
        heart: Pulse[str] = Pulse(Bulkhead("health", 1, 4))
        said = [await heart.beat(lambda: "well"), await heart.beat(slow), await heart.beat(slow)]
        leave.set()
        assert heart.asking is not None
        await heart.asking
        return [*said, await heart.beat(lambda: "well again")]

    answers = asyncio.run(ask())
    assert answers[:3] == ["well"] * 3
    assert answers[3] in ("slow", "well again")


def test_a_check_that_fails_is_not_hidden_by_what_was_said_before() -> None:
    def fails() -> str:
        raise ZeroDivisionError

    async def ask() -> None:
        heart: Pulse[str] = Pulse(Bulkhead("health", 1, 4))
        assert await heart.beat(lambda: "well") == "well"
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await heart.beat(fails)

    asyncio.run(ask())
