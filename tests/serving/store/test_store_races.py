"""What one transaction has read another one does not change before it is written back, in the worst timing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, text

from serving.store.access.replies import Answer, Claim
from serving.store.database.presence import is_present
from serving.store.database.schema import leads
from serving.store.events.event_validation import EventIn
from serving.store.leads import decisions, worklist
from serving.store.leads.decisions import Decision
from serving.store.privacy import erasure
from serving.store.privacy.erasure import OF_LEAD
from serving.store.scores import scores, stored_reasons
from serving.store.scores.reason import Explanation
from serving.store.scores.scores import StoredScore
from serving.store.store import Store, open_store
from tests.postgres import Postgres
from training.thresholds.stages import StageThreshold

NOW = 1_700_000_000_000_000
STEPS = [StageThreshold("MQL", 0.1), StageThreshold("SQL", 0.5)]
Servers = tuple[Store, Store]


@pytest.fixture
def servers(postgres: Postgres) -> Iterator[Servers]:
    """Two servers with one store on PostgreSQL; on SQLite a transaction that writes is alone from its beginning."""
    url = postgres.database(f"races_{uuid.uuid4().hex}")
    with open_store(url) as one, open_store(url) as other:
        one.events.add([EventIn("L", "visit", NOW)], NOW)
        yield one, other


def record(store: Store, p: float = 0.3, now: int = NOW) -> None:
    store.scores.record([StoredScore("L", "conversion", now, p, 0.0, 1.0, "1", "d")], STEPS, now)


def record_later(store: Store) -> None:
    record(store, 0.2, NOW + 5)


def decide(store: Store, stage: str = "SQL") -> None:
    store.decisions.make("L", "conversion", Decision(stage, "talked", "account anna", NOW + 1, None))


def explain(store: Store) -> None:
    store.explanations.note("conversion", [Explanation("L", NOW, "d", (), None, ())])


def erase(store: Store) -> None:
    store.erasure.forget("L", "account anna", NOW + 2)


def rows_of(store: Store, lead_id: str) -> dict[str, int]:
    """What is there of a lead, by table; nothing where nothing is."""
    with store.database.read() as connection:
        counts = {
            table.name: connection.scalar(select(func.count()).where(table.c.lead_id == lead_id)) for table in OF_LEAD
        }
    return {name: count for name, count in counts.items() if count}


def waits(store: Store, other: Future[None]) -> bool:
    """Returns when the other one is done, or waits for a lock of the first; says whether it waits."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while not other.done():
        with store.database.read() as connection:
            if connection.scalar(query):
                return True
    return False


def in_the_middle(
    monkeypatch: pytest.MonkeyPatch, servers: Servers, place: tuple[Any, str], first: Callable[[Store], None],
    second: Callable[[Store], None],
) -> bool:  # fmt: skip
    """Has the second begin when the first is in a place between reading and writing; says whether it had to wait."""
    module, name = place
    real, waited, seconds = getattr(module, name), list[bool](), list[Future[None]]()

    def paused(*arguments: Any) -> Any:
        answer = real(*arguments)
        if not seconds:
            seconds.append(pool.submit(second, servers[1]))
            waited.append(waits(servers[0], seconds[0]))
        return answer

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(module, name, paused)
        first(servers[0])
        seconds[0].result()
    [has_waited] = waited
    return has_waited


def test_a_scoring_does_not_write_back_what_a_person_decided_meanwhile(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(servers[0])
    assert in_the_middle(monkeypatch, servers, (scores, "standings_of"), record_later, decide)
    made = servers[0].decisions.of("L", "conversion")
    assert made is not None
    assert [standing.stage for standing in servers[0].scores.standing("L")] == ["SQL"]


def test_a_person_does_not_write_back_an_older_score(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    record(servers[0])
    assert in_the_middle(monkeypatch, servers, (decisions, "standings_of"), decide, record_later)
    [standing] = servers[0].scores.standing("L")
    assert (standing.probability, standing.override) == (0.2, "SQL")


PLACES: list[tuple[tuple[Any, str], Callable[[Store], None]]] = [
    ((scores, "standings_of"), record),
    ((decisions, "standings_of"), decide),
    ((stored_reasons, "_row"), explain),
]


@pytest.mark.parametrize(("place", "first"), PLACES)
def test_who_is_erased_meanwhile_does_not_come_back(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str], first: Callable[[Store], None]
) -> None:
    assert in_the_middle(monkeypatch, servers, place, first, erase)
    assert rows_of(servers[0], "L") == {}


@pytest.mark.parametrize("write", [record, explain])
def test_what_was_computed_before_an_erasure_and_is_written_after_it_is_left_out(
    store: Store, write: Callable[[Store], None]
) -> None:
    """On both databases: a scoring computes for a while, and writes in several transactions."""
    store.events.add([EventIn("L", "visit", NOW)], NOW)
    erase(store)
    write(store)
    assert rows_of(store, "L") == {}


def test_an_answer_that_is_being_made_is_not_kept_beyond_an_erasure(store: Store) -> None:
    claim = store.answers.recall("k", b"body", NOW)
    assert isinstance(claim, Claim)
    erase(store)
    store.answers.remember(claim, Answer(200, '{"event_id": "L"}'))
    assert isinstance(store.answers.recall("k", b"body", NOW), Claim)


def unheld(connection: Connection, lead_ids: Sequence[str]) -> set[str]:
    query = select(leads.c.lead_id).where(leads.c.lead_id.in_(lead_ids), is_present())
    return set(connection.scalars(query))


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: leads are looked at, and not held."""
    for module in (scores, decisions, stored_reasons, worklist):
        monkeypatch.setattr(module, "hold_present", unheld)
    monkeypatch.setattr(erasure, "hold", lambda *_: None)


@pytest.mark.usefixtures("without_locks")
def test_without_locks_a_decision_is_lost(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    record(servers[0])
    assert not in_the_middle(monkeypatch, servers, (scores, "standings_of"), record_later, decide)
    assert servers[0].decisions.of("L", "conversion") is None


@pytest.mark.usefixtures("without_locks")
@pytest.mark.parametrize(("place", "first"), PLACES)
def test_without_locks_an_erased_lead_comes_back(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str], first: Callable[[Store], None]
) -> None:
    in_the_middle(monkeypatch, servers, place, first, erase)
    assert rows_of(servers[0], "L") != {}
