"""Who entered a stage in a quarter, against leads whose way is known: equal time for all, what moved them apart."""

from __future__ import annotations

from data.contract import US_PER_DAY
from serving.scoring.source_cohorts import Cohort, source_cohorts
from serving.store.events.event_validation import EventIn
from serving.store.scores.entrants import Entrants
from serving.store.scores.funnel import LeadOrigin
from serving.store.store import Store
from tests.serving.store.test_store_episodes import LOWER, NOW, known, score
from training.thresholds.stages import CUSTOMER, UNQUALIFIED

DAY = US_PER_DAY


def ago(days: int) -> int:
    return NOW + (400 - days) * DAY


def told(store: Store) -> list[Entrants]:
    store.entrants.make("conversion", ago(0))
    made = store.entrants.read("conversion")
    assert made is not None
    return [row for row in made.rows if row.kind == "channel"]


def test_entrants_have_equal_time_and_what_moved_them_stands_apart(store: Store) -> None:
    known(store, "old", "won", "late", "lost", "fresh", "before", "lowered")
    for lead in ("old", "won", "late", "lost", "fresh", "before", "lowered"):
        score(store, lead, 0.3 if lead == "old" else 0.01, ago(300))
    for lead, entered in (("won", 60), ("late", 100), ("lost", 50), ("fresh", 10), ("before", 140)):
        score(store, lead, 0.1, ago(entered))
    score(store, "won", 0.3, ago(55))
    store.scores.settle(["won"], "conversion", CUSTOMER, "converted", ago(40))
    store.scores.settle(["late"], "conversion", CUSTOMER, "converted", ago(40))
    store.scores.settle(["lost"], "conversion", UNQUALIFIED, "closed", ago(45))
    score(store, "lowered", 0.03, ago(70))
    score(store, "lowered", 0.03, ago(63), LOWER)
    store.funnels.note("conversion", [LeadOrigin(lead, "social", None, ago(300)) for lead in ("won", "late")])
    assert told(store) == [
        Entrants("MQL", "before", None, "", 1, 0, 0, 0),
        Entrants("MQL", "newest", None, "", 1, 0, 0, 1),
        Entrants("MQL", "newest", "social", "", 2, 1, 1, 0),
        Entrants("MQL", "newest", None, "threshold", 1, 0, 0, 0),
        Entrants("SQL", "newest", "social", "", 1, 1, 1, 0),
    ], "old stood there at the first scoring; fresh had no time yet; late bought after its time"


def test_campaigns_tell_who_bought_what_it_was_worth_and_what_it_cost(store: Store) -> None:
    known(store, "old", "won", "open", "nobodys")
    for lead in ("old", "won", "open", "nobodys"):
        score(store, lead, 0.01, ago(300))
    sent = [EventIn(lead, "form_submit", ago(200), campaign="spring", asset="guide") for lead in ("won", "open")]
    sent += [EventIn("won", "form_submit", ago(190), campaign="autumn"), EventIn("won", "page_view", ago(250))]
    sent += [EventIn("won", "deal_won", ago(at), value=worth) for at, worth in ((40, 900.5), (20, 5000.0), (70, 7.0))]
    store.events.add(sent, ago(0))
    for lead in ("won", "open", "nobodys"):
        score(store, lead, 0.1, ago(60))
    store.scores.settle(["won"], "conversion", CUSTOMER, "converted", ago(40))
    store.funnels.note("conversion", [LeadOrigin(lead, None, None, ago(300)) for lead in ("won", "open", "nobodys")])
    store.entrants.make("conversion", ago(0), ["deal_won"])
    made = store.entrants.read("conversion")
    assert made is not None
    rows = source_cohorts(made, {"campaign": {"spring": 300.0, "autumn": 9.0}, "asset": {}})
    table = {(row.kind, row.name): row for row in rows}
    assert list(table) == [("", None), ("campaign", "spring"), ("campaign", None), ("asset", "guide"), ("asset", None)]
    spring = table["campaign", "spring"]
    assert spring.newest == Cohort(2, 1, 1, 0, 900.5), "the first campaign of a lead; deals within its time"
    assert (spring.cost, spring.cost_per_lead, spring.cost_per_win) == (300.0, 150.0, 300.0)
    assert spring.before is None
    assert table["", None].newest == Cohort(3, 1, 1, 0, 900.5)
    assert table["asset", None].cost_per_lead is None


def test_who_objects_is_left_out_and_an_empty_store_has_nothing(store: Store) -> None:
    store.entrants.make("conversion", ago(0))
    assert store.entrants.read("conversion") is None
    known(store, "first", "L1")
    score(store, "first", 0.01, ago(300))
    score(store, "L1", 0.1, ago(60))
    assert len(told(store)) == 1
    store.leads.object("L1", True, ago(1))
    assert told(store) == []
