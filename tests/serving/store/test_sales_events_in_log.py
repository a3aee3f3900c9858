"""What sales has done reaches the event log as events that features and labels know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.contract import US_PER_DAY
from data.log.eventlog import EventLog
from data.sources.mapping import Mapping, read_mapping
from features.catalogue import default_catalogue
from features.labels import Target, labels_of
from features.outcomes import occurrences_of
from serving.store.events.event_validation import EventIn
from serving.store.events.log_export import ingest_store
from serving.store.events.sales_events import GROUP
from serving.store.leads.work import Deed
from serving.store.store import Store

NOW = 1_700_000_000_000_000
ACCEPTED = Target("sql_accepted", ("sales_accepted", "meeting", "deal_won"), horizon_days=30)


@pytest.fixture
def worked(store: Store) -> Store:
    """L1 was accepted and L2 rejected a day after both had looked at prices."""
    store.events.add([EventIn(lead, "pricing_view", NOW - US_PER_DAY) for lead in ("L1", "L2")], NOW - US_PER_DAY)
    for lead, action in (("L1", "accept"), ("L2", "reject")):
        deed = Deed(action, "account anna", "anna", 0, "timing" if action == "reject" else None)  # type: ignore[arg-type]
        store.work.act(lead, "conversion", deed, NOW)
    return store


@pytest.mark.parametrize("base", [None, read_mapping("simulated")], ids=["own", "mapped"])
def test_steps_are_events_of_the_log_and_acceptance_a_label(
    worked: Store, tmp_path: Path, base: Mapping | None
) -> None:
    ingest_store(tmp_path / "log", worked.database, base, clock=lambda: NOW / 1e6 + 60)
    log = EventLog.open(tmp_path / "log")
    assert {"sales_accepted", "sales_rejected"} <= {*log.vocabulary.types}
    assert set(log.vocabulary.groups[GROUP]) == {"sales_accepted", "sales_rejected"}
    names = [definition.name for definition in default_catalogue(log.vocabulary, {}, ACCEPTED.outcomes)]
    assert "count_sales_rejected_30d" in names
    assert "count_sales_accepted_30d" not in names, "an outcome has no column of its own"
    accepted: dict[str, int] = {}
    for bucket in range(log.n_buckets):
        histories = log.bucket(bucket)
        lead, as_of = np.arange(histories.n_leads), np.full(histories.n_leads, NOW - 5, dtype=np.int64)
        happened = occurrences_of(histories, ACCEPTED, NOW + 90 * US_PER_DAY)
        label = labels_of(ACCEPTED, happened, lead, as_of).label
        accepted |= dict(zip(histories.lead_ids.to_pylist(), label.tolist(), strict=True))
    assert accepted == {"L1": 1, "L2": 0}


def test_a_log_learns_the_types_when_sales_has_begun(store: Store, tmp_path: Path) -> None:
    store.events.add([EventIn("L1", "pricing_view", NOW - US_PER_DAY)], NOW - US_PER_DAY)
    ingest_store(tmp_path / "log", store.database, clock=lambda: NOW / 1e6)
    assert GROUP not in EventLog.open(tmp_path / "log").vocabulary.groups
    store.work.act("L1", "conversion", Deed("accept", "account anna", "anna", 0), NOW)
    for _ in range(2):
        ingest_store(tmp_path / "log", store.database, clock=lambda: NOW / 1e6 + 60)
    log = EventLog.open(tmp_path / "log")
    assert log.vocabulary.types == ("pricing_view", "sales_accepted")
    assert log.n_events == 2
