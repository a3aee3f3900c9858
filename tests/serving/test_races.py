"""Two servers, a scoring beside them, and people: erased leads stay away, decisions stay, stages follow each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier

import httpx
import pytest

from serving.scoring.effective_thresholds import effective_thresholds
from serving.store.leads.worklist import WorklistRow
from serving.store.scores.reason import Explanation
from serving.store.scores.scores import StoredScore
from serving.store.scores.threshold_changes import OutOfOrder, Wish
from serving.store.store import Store, open_store
from tests.serving.conftest import Starts
from tests.serving.pages.browser import PASSWORD
from tests.serving.senders import event
from tests.serving.store.test_store_races import NOW, STEPS, rows_of
from tests.serving.store.test_store_thresholds import of_precision
from training.thresholds.stages import are_in_order

OWN = (of_precision("MQL", 0.1, 0.05), of_precision("SQL", 0.3, 0.4))
BEGINS = (0.02, 0.5, 0.1, 0.7, 0.3)


@dataclass
class Town:
    """Two servers, their store as a third process would have it, and an editor who is signed in at the first."""

    servers: list[httpx.Client]
    store: Store
    form: str
    decided: int = 0
    erased: int = 0

    def play(self, number: int) -> None:
        """All of them at once, about one lead that is erased and one that is decided about; then what must hold."""
        gone, staying, stage = f"gone-{number}", f"kept-{number}", ("SQL", "MQL", "unqualified")[number % 3]
        self.accept(number, "before", gone, staying)
        parts: list[Callable[[], object]] = [
            lambda: self.accept(number, "meanwhile", gone, staying),
            lambda: self.servers[1].delete(f"/v1/leads/{gone}"),
            lambda: self.decide(staying, stage),
            lambda: self.score(NOW + 10 * number, gone, staying),
            lambda: self.publish(number),
        ]
        ready = Barrier(len(parts))

        def at_once(part: Callable[[], object]) -> object:
            ready.wait()
            return part()

        with ThreadPoolExecutor(len(parts)) as pool:
            _, receipt, decision, *_ = pool.map(at_once, parts)
        assert isinstance(receipt, httpx.Response)
        assert receipt.status_code == 200, receipt.text
        assert decision == 303
        assert rows_of(self.store, gone) == {}
        made = self.store.decisions.of(staying, "conversion")
        assert made is not None
        assert made.stage == stage
        assert [standing.stage for standing in self.store.scores.standing(staying)] == [stage]
        changes = self.store.thresholds.effective("conversion", "d")
        assert are_in_order(begin.probability for begin in effective_thresholds(OWN, "1", changes).thresholds)
        self.decided, self.erased = self.decided + 1, self.erased + 1

    def accept(self, number: int, name: str, *leads: str) -> None:
        """A service sends events about leads to both servers; those of an erased one are refused, and that is right."""
        for n, server in enumerate(self.servers * 3):
            sent = [event(f"{number}-{name}-{n}-{lead}", lead) for lead in leads]
            server.post("/v1/events", json={"events": sent}).raise_for_status()

    def decide(self, lead: str, stage: str) -> int:
        """Someone sets a stage on the lead's page."""
        form = {"form": self.form, "lead": lead, "stage": stage, "reason": "talked", "days": ""}
        return self.servers[0].post("/decisions", data=form).status_code

    def score(self, now: int, *leads: str) -> None:
        """What three scorings write, transaction by transaction."""
        rows = [WorklistRow(lead, 0.0, 0.0, None, None, None, 0, 0, None) for lead in leads]
        for at in range(now, now + 3):
            scores = [StoredScore(lead, "conversion", at, 0.3, 0.0, 1.0, "1", "d") for lead in leads]
            self.store.scores.record(scores, STEPS, at)
            self.store.explanations.note("conversion", [Explanation(lead, at, "d", (), None, ()) for lead in leads])
            self.store.worklist.note("conversion", at, rows)

    def publish(self, number: int) -> None:
        """Thresholds are published and taken back, and a scoring takes them up."""
        for n, stage in enumerate(("MQL", "SQL")):
            begins = BEGINS[(number + n) % len(BEGINS)]
            made = None if (number + n) % 4 == 0 else of_precision(stage, 0.3, begins)
            try:
                wish = Wish("conversion", stage, "1", "d", "anna", "goal", made)
                self.store.thresholds.publish([wish], OWN, NOW + number)
            except OutOfOrder:
                continue
        self.store.thresholds.take_up("conversion", "d", NOW + number)


@pytest.fixture
def town(start: Starts, store_url: str) -> Iterator[Town]:
    with open_store(store_url) as store:
        store.accounts.add("anna", PASSWORD, "editor", NOW)
        started = [start("--store", store_url) for _ in range(2)]
        for server in started:
            server.ready()
        servers = [httpx.Client(base_url=server.url, timeout=60) for server in started]
        signed = servers[0].post("/sign-in", data={"name": "anna", "password": PASSWORD})
        token = signed.cookies["leadscore"]
        yield Town(servers, store, store.accounts.form_token(token))
        for client in servers:
            client.close()


@pytest.mark.proof("races")
def test_what_people_demand_holds_whoever_else_is_at_work(town: Town, full: bool) -> None:
    """In full 1,000 rounds on each database."""
    for number in range(1_000 if full else 4):
        town.play(number)
    assert town.erased == town.decided >= 4
