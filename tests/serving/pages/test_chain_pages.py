"""Pages, exports and API tell one chain of each lead, in order, whichever models are in place."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path

import pytest

from commands.showcase import take
from data.contract import US_PER_DAY
from data.log.eventlog import EventLog
from features.numbers_in_words import chance
from serving.http.services import Services
from serving.pages.rendering.texts import text
from serving.scoring.rescoring import Rescorer
from serving.store.leads.worklist_query import WantedLeads
from serving.store.scores.chain_steps import read_steps
from serving.store.scores.sections import SECTIONS
from serving.store.store import Store
from tests.serving.chained import chained, swapped
from tests.serving.inside import Inside
from tests.serving.pages.browser import Visitor
from tests.serving.pages.conftest import Visits
from tests.serving.workshop import Workshop

Chains = Mapping[str, Mapping[str, float]]
STEP = "accepted by sales"
ROW = re.compile(r"<(tr|li)\b.*?</\1>", re.S)


@pytest.fixture
def now(own_store: Store, workshop: Workshop, full: bool) -> int:
    """When leads of the log are in the store, moved to the present; in full all of them."""
    log, moment = EventLog.open(workshop.log), time.time_ns() // 1000
    shift = (moment - log.observed_until_us) // US_PER_DAY * US_PER_DAY
    for bucket in range(log.n_buckets if full else 1):
        take(own_store, log, bucket, shift, moment)
    return moment


@pytest.mark.proof("chain")
def test_all_that_is_shown_tells_both_probabilities_in_order(
    steps: dict[str, Path], services: Services, own_store: Store, visits: Visits, now: int, tmp_path: Path, full: bool
) -> None:
    visitor, count = visits("viewer"), 0
    for number in range(20 if full else 2):
        live = chained(swapped(steps, tmp_path, number))
        services.champion.swap(live)
        Rescorer(own_store, live.scorer, "1", live.model.digest, live.steps).run(lambda: now)
        chains = known(own_store)
        assert all(list(chain) == ["sql_accepted", "conversion"] for chain in chains.values())
        assert all(chain["conversion"] <= chain["sql_accepted"] for chain in chains.values())
        assert listed(visitor, "/v1/leads?limit=1000") == chains
        assert set(shown(visitor, "/leads", chains)) == set(chains)
        assert len(set(shown(visitor, "/print", chains))) == min(200, len(chains))
        in_sections = {lead for name in SECTIONS for lead in shown(visitor, f"/today?whose=all&section={name}", chains)}
        assert in_sections <= set(chains)
        assert len(in_sections) > 10
        check_export(visitor, chains)
        check_lead_page(visitor, *next(iter(chains.items())))
        check_thresholds(visitor, services)
        count += len(chains)
    print(f"{count:,} leads told in order")  # noqa: T201 -- a proof
    assert count >= (5_000 if full else 20)


def known(store: Store) -> Chains:
    """The chains as the store has them."""
    wanted = WantedLeads("conversion")
    return {entry.lead_id: read_steps(entry.chain) for page in store.worklist.walk(wanted) for entry in page}


def listed(visitor: Inside, address: str) -> Chains:
    """The chains as the API lists them."""
    leads = visitor.get(address).json()["leads"]
    return {lead["lead_id"]: lead["chain"] for lead in leads if lead["chain"]}


def shown(visitor: Visitor, address: str, chains: Chains) -> Iterator[str]:
    """The leads of a list, page by page; each row must tell its chain."""
    while address:
        page = visitor.get(address).text
        for row in (match.group() for match in ROW.finditer(page)):
            for lead in re.findall(r"<bdi>(.*?)</bdi>", row)[:1]:
                if lead in chains:
                    assert is_told(row, chains[lead]), row
                    yield lead
        more = re.search(r'href="([^"]*)" rel="next"', page)
        address = unescape(more.group(1)) if more else ""


def is_told(row: str, chain: Mapping[str, float]) -> bool:
    """Whether a piece of a page tells both probabilities of a chain."""
    return f">{STEP}: {chance(chain['sql_accepted'])}<" in row and f">{chance(chain['conversion'])}<" in row


def test_a_row_with_another_chain_would_be_caught() -> None:
    row = f"<b>{chance(0.2)}</b><small>{STEP}: {chance(0.4)}</small>"
    assert is_told(row, {"sql_accepted": 0.4, "conversion": 0.2})
    assert not is_told(row, {"sql_accepted": 0.5, "conversion": 0.2})
    assert not is_told(row, {"sql_accepted": 0.4, "conversion": 0.3})


def check_export(visitor: Visitor, chains: Chains) -> None:
    """The export has a column for the step, beside the probability."""
    rows = list(csv.reader(io.StringIO(visitor.get("/leads.csv").content.decode("utf-8-sig")), delimiter=","))
    heading = rows[0]
    step, main = heading.index(STEP), heading.index(text("leads.chance", "en", days=30))
    exported = {row[0]: {"sql_accepted": float(row[step]), "conversion": float(row[main])} for row in rows[1:]}
    assert exported.keys() == chains.keys()
    for lead, chain in exported.items():
        assert chain["conversion"] <= chain["sql_accepted"]
        assert chain == pytest.approx(chains[lead], abs=1e-4)


def check_lead_page(visitor: Visitor, lead: str, chain: Mapping[str, float]) -> None:
    """The page of a lead tells both, and the API alone what the list says."""
    page = visitor.get(f"/leads/{lead}").text
    assert f"{STEP}: {chance(chain['sql_accepted'])}<" in page
    assert chance(chain["conversion"]) in page
    assert json.dumps(chain) == json.dumps(listed(visitor, "/v1/leads?limit=1000")[lead])


def check_thresholds(visitor: Visitor, services: Services) -> None:
    """The leads just above each threshold, and above one that is tried, have the chain before them in order."""
    page = visitor.get("/thresholds?stage=SQL&by=chance&value=1").text
    held = services.champion.current().effective_thresholds.thresholds
    for begins in [*(threshold.probability for threshold in held), 0.01]:
        means = services.store.chain_steps.above("conversion", begins) if begins is not None else {}
        assert list(means) in ([], ["sql_accepted", "conversion"])
        assert not means or means["conversion"] <= means["sql_accepted"]
        assert all(f"{chance(mean)}<" in page for mean in means.values())
    assert services.store.chain_steps.above("conversion", 0.01)
