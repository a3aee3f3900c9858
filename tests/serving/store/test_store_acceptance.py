"""What sales made of its leads, on each database, against a plain loop over all steps."""

from __future__ import annotations

from collections import Counter
from random import Random

from serving.store.events.sales_events import STATES
from serving.store.leads.acceptance import BANDS, VERDICTS
from serving.store.leads.work import Deed, Step
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from training.thresholds.stages import StageThreshold

NOW = 1_700_000_000_000_000
STEPS = [StageThreshold("MQL", 0.05), StageThreshold("SQL", 0.2)]
AIM = 500


def test_verdicts_are_counted_as_a_loop_counts_them(store: Store) -> None:
    chance = Random(7)
    steps: dict[str, list[Step]] = {}
    for number in range(40):
        lead = f"L{number:02}"
        store.leads.put(lead, NOW - 9, None, {}, NOW)
        score = StoredScore(lead, "conversion", NOW, chance.random(), 0.0, 1.0, "1", "d")
        store.scores.record([score], STEPS, NOW)
        for seen in range(chance.randrange(4)):
            action, worker = chance.choice([*STATES]), chance.choice(["anna", "ben"])
            deed = Deed(action, f"account {worker}", worker, seen, "timing" if action == "reject" else None)  # type: ignore[arg-type]
            steps.setdefault(lead, []).append(store.work.act(lead, "conversion", deed, NOW + chance.randrange(900)))
    since = NOW + 200
    acceptance = store.acceptances.of("conversion", since, AIM)
    last = [
        said[-1]
        for lead in steps
        if (said := [step for step in steps[lead] if step.at >= since and step.action in VERDICTS])
    ]
    assert len(last) > 10
    bands = Counter((max(low for low in BANDS if low <= (step.probability or 0.0)), step.action) for step in last)
    assert {(band.key, "accept"): band.accepted for band in acceptance.by_band if band.accepted} | {
        (band.key, "reject"): band.rejected for band in acceptance.by_band if band.rejected
    } == bands
    owners = Counter((step.worker, step.action) for step in last)
    assert {owner.key: (owner.accepted, owner.rejected) for owner in acceptance.by_owner} == {
        name: (owners[name, "accept"], owners[name, "reject"]) for name in ("anna", "ben")
    }
    assert dict(acceptance.reasons) == {"timing": sum(step.action == "reject" for step in last)}
    first = [step for taken in steps.values() for step in taken if step.at >= since and step.waited is not None]
    assert {touch.owner: (touch.acted, touch.in_time) for touch in acceptance.first_touches} == {
        name: (
            sum(step.worker == name for step in first),
            sum(step.worker == name and (step.waited or 0) <= AIM for step in first),
        )
        for name in ("anna", "ben")
    }


def test_nothing_said_is_nothing_told(store: Store) -> None:
    acceptance = store.acceptances.of("conversion", 0, AIM)
    assert (
        list(acceptance.by_band),
        list(acceptance.by_owner),
        list(acceptance.reasons),
        list(acceptance.first_touches),
    ) == ([], [], [], [])
