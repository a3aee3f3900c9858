"""Companies in the store, on both databases: whose colleague is whose, and companies by their likeliest lead."""

from __future__ import annotations

import numpy as np
import pytest

from data.vocabulary import Vocabulary
from features.compiler import compile_plan
from features.kernel import Moments, compute
from features.kinds import Colleagues, ColleaguesActive
from serving.store.events import companies as stored
from serving.store.events.event_validation import EventIn
from serving.store.leads import companies
from serving.store.scores.scores import StoredScore
from serving.store.store import Store

NOW = 1_790_000_000_000_000
HOUR = 3_600_000_000
PLAN = compile_plan([Colleagues(), ColleaguesActive("page_view", 7)], Vocabulary(("page_view",), {}))


def put(store: Store, lead: str, account: str | None, probability: float, at: int = NOW - HOUR) -> None:
    store.leads.put(lead, at, account, {}, max(at, NOW))
    store.scores.record([StoredScore(lead, "conversion", NOW, probability, 0.1, 0.9, "1", "d")], [], NOW)


def seen(store: Store, lead: str, as_of: int = NOW) -> tuple[float, float]:
    histories = store.histories.of([lead], as_of, {}, [])
    known = compute(PLAN, histories, Moments(np.zeros(1, np.int32), np.array([as_of])))
    [[colleagues, active]] = zip(*known.to_pydict().values(), strict=True)
    return colleagues, active


def test_who_is_whose_colleague_as_of_when(store: Store) -> None:
    for lead in ("L1", "L2", "L3"):
        put(store, lead, "acme", 0.2)
    put(store, "L4", "acme", 0.2, NOW + HOUR)
    put(store, "L5", None, 0.2)
    viewed = np.datetime64(NOW - 2 * HOUR, "us")
    store.events.add([EventIn("L2", "page_view", f"{viewed}Z", None, None, f"{viewed}Z", "web", "1")], NOW - HOUR)
    assert seen(store, "L1") == (2.0, 1.0)
    assert seen(store, "L2") == (2.0, 0.0)
    assert seen(store, "L1", NOW + 2 * HOUR) == (3.0, 1.0)
    assert all(map(np.isnan, seen(store, "L5")))
    store.leads.put("L2", NOW + 1, "initech", {}, NOW + 1)
    assert seen(store, "L1", NOW + 2) == (1.0, 0.0)
    store.leads.object("L3", True, NOW + 3)
    assert seen(store, "L1", NOW + 4) == (0.0, 0.0)


def test_an_account_that_too_many_name_is_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "NAMED", stored.NAMED.limit(None).limit(3))
    monkeypatch.setattr(stored, "MOST", 2)
    for number in range(4):
        put(store, f"L{number}", "gmail.com", 0.2, NOW - HOUR + number)
    assert seen(store, "L0", NOW - HOUR + 1)[0] == 1.0
    assert np.isnan(seen(store, "L0", NOW - HOUR + 2)[0])
    assert np.isnan(seen(store, "L0")[0])


def test_companies_by_their_likeliest_lead(store: Store) -> None:
    for lead, account, chance in (("L1", "acme", 0.2), ("L2", "acme", 0.7), ("L3", "b", 0.5), ("L4", None, 0.9)):
        put(store, lead, account, chance)
    page = store.companies.page("conversion")
    assert [company.account_id for company in page.companies] == ["acme", "b"]
    company = store.companies.of("conversion", "acme", ["deal_won"])
    assert company is not None
    assert [entry.lead_id for entry in company.members] == ["L2", "L1"]
    assert company.expected == pytest.approx(0.9)
    assert company.deals == {"deal_won": 0}
    assert store.companies.of("conversion", "nobody") is None


def test_of_an_account_that_many_name_the_first_are_read_as_plain_loops_would(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companies, "MOST", 5)
    random, there = np.random.default_rng(7), dict[str, list[tuple[str, float | None]]]()
    for number in range(60):
        lead, account, chance = f"L{number:02}", ("gmail", "acme", "b")[min(number % 17, 2)], random.uniform(0.01, 0.9)
        if number % 9 == 7:
            store.leads.put(lead, NOW - HOUR, account, {}, NOW)
        else:
            put(store, lead, account, chance)
        if number % 5 == 4:
            store.leads.object(lead, True, NOW)
        else:
            there.setdefault(account, []).append((lead, None if number % 9 == 7 else chance))
    for account, leads in there.items():
        company = store.companies.of("conversion", account, shown=2)
        assert company is not None
        scored = sorted(((p, lead) for lead, p in leads[:5] if p is not None), reverse=True)
        assert [(member.probability, member.lead_id) for member in company.members] == scored
        assert [entry.lead_id for entry in company.shown] == [lead for _, lead in scored[:2]]
        assert (company.unscored, company.is_all) == (len(leads[:5]) - len(scored), len(leads) <= 5)
    assert max(map(len, there.values())) > 5 > min(map(len, there.values()))
