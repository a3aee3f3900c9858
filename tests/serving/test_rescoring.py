"""Score all: the scores of the batch scorer, in the store, with causes; goes on where it was cut off."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow.parquet as pq
import pytest

from data.contract import US_PER_DAY
from data.log.eventlog import EventLog
from features.kernel import Moments
from features.moments import open_moments
from serving.scoring.rescoring import Rescorer
from serving.scoring.scorer import Scorer
from serving.store.events.event_validation import EventIn
from serving.store.leads.listing import Filters
from serving.store.leads.worklist_query import WantedLeads
from serving.store.scores.reason import read_facts
from serving.store.store import Store
from serving.trees.predictor import Predictor
from training.registry.artifact_files import digest_of
from workspace import Workspace

LEADS = 80


@pytest.fixture(scope="module")
def scorer(trained: Workspace) -> Scorer:
    return Scorer(Predictor.of(trained.champion()))


@pytest.fixture(scope="module")
def log(trained: Workspace) -> EventLog:
    return trained.event_log()


@pytest.fixture
def filled(store: Store, log: EventLog) -> Store:
    """The first leads of the log, sent to the store."""
    now = log.observed_until_us + 1
    tables = (pq.read_table(log.file(kind, 0)).to_pylist() for kind in ("leads", "events", "profiles"))
    leads, events, profiles = ([row for row in table if row.get("lead", 0) < LEADS] for table in tables)
    store.events.add(
        [
            EventIn(
                leads[e["lead"]]["lead_id"], e["event_type"], e["occurred_at"].isoformat(), e["channel"], e["value"],
                e["known_at"].isoformat(), e["source"], e["event_id"],
            )
            for e in events
        ],
        now,
    )  # fmt: skip
    for v in profiles:
        lead_id = leads[v["lead"]]["lead_id"]
        at = v["valid_from"].isoformat()
        store.leads.put(lead_id, at, v["account_id"], {name: v[name] for name in log.profile_columns}, now)
    return store


def rescorer(store: Store, scorer: Scorer, version: str = "1") -> Rescorer:
    return Rescorer(store, scorer, version, f"digest of {version}")


def clock(at: int) -> Callable[[], int]:
    return lambda: at


def test_scores_are_those_of_the_batch_scorer(filled: Store, scorer: Scorer, log: EventLog) -> None:
    as_of = log.observed_until_us + 1
    done = rescorer(filled, scorer).run(clock(as_of))
    histories = log.bucket(0)
    everybody = open_moments(histories, scorer.target, as_of)
    theirs = everybody.lead < LEADS
    moments = Moments(everybody.lead[theirs], everybody.as_of[theirs])
    scores = scorer.score(histories, moments)
    assert done.scored == len(moments) > 20
    assert done.leads == LEADS > done.scored
    lead_ids = histories.lead_ids.to_pylist()
    for lead, probability in zip(moments.lead.tolist(), scores.probability.tolist(), strict=True):
        [record] = filled.scores.history(lead_ids[lead])
        assert record.probability == pytest.approx(probability, rel=0, abs=1e-12)
        assert record.as_of == as_of


def test_those_who_bought_become_customers_and_the_lost_are_unqualified(
    filled: Store, scorer: Scorer, log: EventLog
) -> None:
    rescorer(filled, scorer).run(clock(log.observed_until_us + 1))
    customers = filled.listing.page(Filters(stage="customer"), limit=1000).leads
    assert len(customers) >= 1
    causes = {change.cause for customer in customers for change in filled.scores.changes(customer.lead_id)}
    assert causes == {"converted"}


def test_one_that_was_cut_off_goes_on(
    filled: Store, scorer: Scorer, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_of = log.observed_until_us + 1
    monkeypatch.setattr("serving.store.scores.rescorings.AT_ONCE", 20)

    def cut_off(done: int, of: int) -> None:
        if done >= 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rescorer(filled, scorer).run(clock(as_of), cut_off)
    steps: list[tuple[int, int]] = []
    done = rescorer(filled, scorer).run(clock(as_of + 60_000_000), lambda done, of: steps.append((done, of)))
    assert (done.as_of, done.resumed) == (as_of, 40)
    assert steps[0][0] == 60
    assert steps[-1] == (done.leads, done.leads)
    page: Sequence[str] = [lead.lead_id for lead in filled.listing.page(Filters(), limit=1000).leads]
    counts = [len(filled.scores.history(lead_id)) for lead_id in page]
    assert sum(counts) == done.scored
    assert max(counts) == 1


def test_each_model_adds_to_the_history(filled: Store, scorer: Scorer, log: EventLog) -> None:
    as_of = log.observed_until_us + 1
    rescorer(filled, scorer, "1").run(clock(as_of))
    rescorer(filled, scorer, "2").run(clock(as_of + 7 * US_PER_DAY))
    lead = filled.listing.page(Filters(score_from=0.0)).leads[0].lead_id
    history = [(score.model_version, score.as_of) for score in filled.scores.history(lead)]
    assert history == [("2", as_of + 7 * US_PER_DAY), ("1", as_of)]


def test_leads_that_object_are_not_scored(filled: Store, scorer: Scorer, log: EventLog) -> None:
    as_of = log.observed_until_us + 1
    histories = log.bucket(0)
    lead = histories.lead_ids[int(open_moments(histories, scorer.target, as_of).lead[0])].as_py()
    filled.leads.object(lead, True, as_of)
    done = rescorer(filled, scorer).run(clock(as_of))
    assert done.leads == LEADS - 1
    assert filled.scores.history(lead) == []


def test_the_digest_of_an_artifact_is_that_of_its_manifest(trained: Workspace) -> None:
    assert len(digest_of(trained.champion().folder)) == 64


def test_every_score_is_explained_and_the_top_reason_is_the_lists(filled: Store, scorer: Scorer, log: EventLog) -> None:
    now = log.observed_until_us + 1
    for moment in (now - 7 * US_PER_DAY, now):
        Rescorer(filled, scorer, "1", "digest").run(lambda moment=moment: moment)  # type: ignore[misc]
    entries = filled.worklist.page(WantedLeads(scorer.target.name), limit=200).entries
    explanations = {entry.lead_id: filled.explanations.of(scorer.target.name, entry.lead_id) for entry in entries}
    assert len(explanations) > 20
    for entry in entries:
        explained = explanations[entry.lead_id]
        assert explained is not None
        assert explained.as_of == entry.as_of == now
        first = next((reason for reason in explained.reasons if reason.facts and reason.adds > 0), None)
        assert (entry.reason, read_facts(entry.reason_value)) == ((first.feature, first.facts) if first else (None, ()))
    assert any(explanation.shifts for explanation in explanations.values() if explanation)


def test_a_column_that_new_leads_no_longer_have_is_told(own_store: Store, scorer: Scorer) -> None:
    """Though most leads of the store still have it: whoever fills that column has stopped."""
    feature = next(one for one in scorer.model.manifest.features if one.name.startswith("profile_") and one.categories)
    known = {feature.name.removeprefix("profile_"): (feature.categories or ("",))[0]}
    begin = 1_700_000_000_000_000
    streams = []
    for turn in range(5):
        now = begin + turn * 15 * US_PER_DAY
        for number in range(40):
            own_store.leads.put(f"{turn}-{number}", now - US_PER_DAY, None, known if turn < 4 else {}, now)
        rescorer(own_store, scorer).run(clock(now))
        flow = own_store.flow.read(scorer.target.name, now)
        streams.append([alarm.stream for alarm in flow.alarms if alarm.kind == "missing"])
    assert streams == [[], [], [], [], [("feature", feature.name)]]
