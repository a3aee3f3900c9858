"""Scores of leads that were merged later: they count once, for the lead that they were made for, as in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, func, select, update

from data.log.eventlog import EventLog
from features.labels import labels_of
from features.moments import open_moments
from features.outcomes import occurrences_of
from serving.store.database.schema import events, events_before_merge, leads, scores
from serving.store.scores.cohorts import CohortReader
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from tests.features.random_exports import DAY, START, TARGET, Batch, day, take_in
from training.monitoring.cohorts import matured

Outcomes = dict[tuple[str, int], int]
"""Lead and day of its score -> whether it converted, where that is certain."""
DAYS = (4, 11, 18, 25, 32, 39, 46)
"""Of scorings, in weeks of their own."""


def event(lead: str, kind: str, at: float) -> dict[str, str]:
    row = dict.fromkeys(("received", "value", "retracted", "channel", "origin", "deal"), "")
    return row | {"lead": lead, "type": kind, "at": day(at), "id": f"{lead}-{kind}-{at}"}


def told(folder: Path, batches: Sequence[Batch]) -> EventLog:
    for batch in batches:
        take_in(folder, len([*folder.glob("*.csv")]), batch)
    return EventLog.open(folder / "log")


def live(store: Store, log: EventLog, days: Sequence[int], until: int) -> None:
    """Publishes and scores the log on these days, and publishes it once more at the end."""
    for at in days:
        store.publication.run(log, START + at * DAY)
        score(store, log, at)
    store.publication.run(log, START + until * DAY)


def score(store: Store, log: EventLog, at: int) -> None:
    as_of = START + at * DAY
    for bucket in range(log.n_buckets):
        histories = log.bucket(bucket)
        names = histories.lead_ids.take(open_moments(histories, TARGET, as_of).lead).to_pylist()
        store.scores.record([StoredScore(name, TARGET.name, as_of, 0.3, 0, 1, "1", "d") for name in names], [], as_of)


def in_store(store: Store, until: int) -> Outcomes:
    """What monitoring and the trust page count."""
    reader, now = CohortReader(store.database), START + until * DAY
    rows = matured(reader.scores(TARGET.name, 0), reader.turns(TARGET, now), TARGET, now)
    days = ((rows.given.as_of - START) // DAY).tolist()
    return {(str(lead), at): int(y) for lead, at, y in zip(rows.given.lead, days, rows.y, strict=True)}


def in_log(log: EventLog, days: Sequence[int], until: int) -> Outcomes:
    """What is learnt from the same moments."""
    outcomes: Outcomes = {}
    end = START + until * DAY
    for bucket in range(log.n_buckets):
        histories = log.bucket(bucket)
        for at in days:
            lead = open_moments(histories, TARGET, START + at * DAY).lead
            happened = occurrences_of(histories, TARGET, end)
            labels = labels_of(TARGET, happened, lead, np.full(len(lead), START + at * DAY))
            certain = labels.mature & labels.predictable
            names = histories.lead_ids.take(lead[certain]).to_pylist()
            outcomes |= {(name, at): int(y) for name, y in zip(names, labels.label[certain].tolist(), strict=True)}
    return outcomes


SEEN = [event("a", "page_view", 1), event("b", "page_view", 1)]
MERGED = Batch([event("b", "deal_won", 29)], {}, [("a", "b", 20, 99)], 60, weaves=False)


@pytest.mark.parametrize(
    ("own", "y"),
    [([], 0), ([event("a", "deal_won", 6)], 1), ([event("a", "deal_won", 6), event("a", "deal_cancelled", 22)], 1)],
    ids=["nothing", "won", "cancelled afterwards"],
)
def test_what_was_certain_of_a_lead_when_it_was_merged_counts(
    store: Store, tmp_path: Path, own: list[dict[str, str]], y: int
) -> None:
    """A window that had passed by then, with its days to settle, and no other; a deal under its own id, until then."""
    log = told(tmp_path, [Batch([*SEEN, *own], {}, [], 51, weaves=False), MERGED])
    live(store, log, DAYS, 95)
    outcomes = in_store(store, 95)
    assert {key: y for key, y in outcomes.items() if key[0] == "a"} == {("a", 4): y}
    assert outcomes == in_log(log, DAYS, 95)
    forget_merges(store)
    assert in_store(store, 95) != outcomes, "taken for a lead that was there all the time and has done nothing"


def test_a_lead_that_is_separated_again_is_counted_like_any_other(store: Store, tmp_path: Path) -> None:
    first = Batch([*SEEN, event("a", "deal_won", 6)], {}, [], 51, weaves=False)
    log = told(tmp_path, [first, replace(MERGED, aliases=[("a", "b", 20, 40)])])
    live(store, log, DAYS[:3], 30)
    assert count(store) == 2
    assert in_store(store, 30) == in_log(told(tmp_path, []), DAYS[:3], 30)
    store.publication.run(log, START + 95 * DAY)
    assert in_store(store, 95) == in_log(log, DAYS[:3], 95)
    assert count(store) == 0


def forget_merges(store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(update(leads).values(merged_since=None))
        connection.execute(delete(events_before_merge))


def count(store: Store) -> int:
    with store.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(events_before_merge)) or 0


def test_scores_of_a_lead_that_an_earlier_version_has_forgotten_are_judged_after_the_next_publication(
    store: Store, tmp_path: Path
) -> None:
    log = told(tmp_path, [Batch([*SEEN, event("a", "deal_won", 6)], {}, [], 51, weaves=False), MERGED])
    live(store, log, DAYS, 90)
    with store.database.write() as connection:
        connection.execute(delete(leads).where(leads.c.lead_id == "a"))
        connection.execute(delete(events_before_merge))
    assert in_store(store, 95) != in_log(log, DAYS, 95)
    assert store.publication.run(log, START + 95 * DAY).changed == 1
    assert in_store(store, 95) == in_log(log, DAYS, 95)
    assert store.publication.run(log, START + 96 * DAY).changed == 0


def test_of_a_lead_that_the_log_has_no_more_nothing_is_kept(store: Store, tmp_path: Path) -> None:
    log = told(tmp_path, [Batch([*SEEN, event("a", "deal_won", 6)], {}, [], 51, weaves=False), MERGED])
    live(store, log, DAYS, 90)
    other = tmp_path / "other"
    other.mkdir()
    store.publication.run(
        told(other, [Batch([event("c", "page_view", 1)], {}, [], 51, weaves=False)]), START + 95 * DAY
    )
    assert count(store) == 0
    with store.database.read() as connection:
        assert connection.scalars(select(leads.c.lead_id)).all() == ["c"]


def random_year(seed: int) -> Sequence[Batch]:
    """Sixty leads, a third of which are merged into others, some for a time, some one after the other."""
    draw = np.random.default_rng(seed)
    names = [f"l{number:02}" for number in range(60)]
    kinds = ["deal_won", "deal_won", "deal_lost", "deal_cancelled", "deal_reopened", "page_view"]
    rows = [event(name, "page_view", day) for day, name in zip(draw.uniform(0, 9, 60).tolist(), names, strict=True)]
    for _ in range(70):
        rows.append(event(str(draw.choice(names)), str(draw.choice(kinds)), float(draw.uniform(3, 48))))
    aliases = [
        (
            f"l{alias:02}",
            f"l{draw.integers(alias + 1, 60):02}",
            int(draw.integers(15, 45)),
            int(draw.choice([50, 99, 99])),
        )
        for alias in range(0, 59, 3)
    ]
    return [Batch(rows, {}, [], 51, weaves=False), Batch([event("l00", "page_view", 1)], {}, aliases, 60, weaves=False)]


@pytest.mark.proof("merged scores")
def test_log_and_store_say_the_same_of_scores_after_random_merges(store: Store, tmp_path: Path, full: bool) -> None:
    """While leads are merged, and after some were separated again."""
    for seed in range(40 if full else 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        log, seen = told(folder, random_year(seed)), []
        for days, until in ((DAYS, 48), ((), 95)):
            live(store, log, days, until)
            seen.append(in_store(store, until))
            assert seen[-1] == in_log(log, DAYS, until)
        assert sum(seen[-1].values()) > 5
        assert count(store) > 5
        forget_merges(store)
        assert in_store(store, 95) != seen[-1], "the planted fault is noticed"
        with store.database.write() as connection:
            for table in (events, leads, scores):
                connection.execute(delete(table))
