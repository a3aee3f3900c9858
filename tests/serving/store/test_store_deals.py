"""Deals that the log tells apart are told apart in the store: outcomes, labels and who is open are the same in both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.log.eventlog import EventLog
from features.outcome_events import outcome_events_of
from features.outcomes import occurrences_of
from serving.store.events.deals import deals_of, stored_deal
from serving.store.scores.cohorts import CohortReader
from serving.store.store import Store
from tests.data.test_deals import TARGET, told, wins
from tests.data.test_versions import day

EXPORTS = (
    (9, ("won 2 1 5 first", "won 4 2 5 second", "cancelled 6 3 - first")),
    (11, ("cancelled 6 3 - second",)),
    (13, ("won 7 4 5 -", "cancelled 8 5 - third")),
)
"""A deal is cancelled; it was another one; and what is cancelled then was never won."""


def wins_in_store(store: Store, log: EventLog, at: int) -> list[int]:
    histories = store.histories.of(["l"], day(at), log.profile_columns, log.bots)
    return [int(time - day(1)) // 86_400_000_000 + 1 for time in occurrences_of(histories, TARGET, day(at)).times]


def test_a_cancelled_deal_is_the_same_in_log_and_store(store: Store, tmp_path: Path) -> None:
    shown = []
    for at, lines in EXPORTS:
        log = told(tmp_path, at, *lines)
        store.publication.run(log, day(at + 1))
        shown.append(wins_in_store(store, log, at + 1))
        assert shown[-1] == wins(log, at + 1)
    assert shown == [[4], [2], [2, 7]], "without its deals the newest win would be gone each time"
    assert store.publication.run(log, day(14)).events == 0


def test_monitoring_hears_which_deal_was_cancelled(store: Store, tmp_path: Path) -> None:
    log = told(tmp_path, *EXPORTS[0][:1], *EXPORTS[0][1])
    store.publication.run(log, day(10))
    heard = CohortReader(store.database).turns(TARGET, day(10)).of(np.array(["l"]), TARGET)
    meant = outcome_events_of(log.find("l"), TARGET)
    assert heard.deal.tolist() == meant.deal.tolist()
    assert len(set(meant.deal.tolist())) == 2


@pytest.mark.parametrize("deal", [None, 0, 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_every_number_of_a_deal_comes_back(deal: int | None) -> None:
    assert deals_of([stored_deal(deal)]).tolist() == [deal or 0]
