"""What scores have promised and what came, against a slow count in plain Python; a month is counted once."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from data.contract import US_PER_DAY
from features.labels import Target
from serving.store.events.event_validation import EventIn
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from training.thresholds.calibration_by_month import EDGES, MonthBand

TARGET = Target("conversion", ("deal_won",), horizon_days=20, gap_days=1, settle_days=2)
BEGIN = int(datetime(2024, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000


def slowly(given: list[StoredScore], won: dict[str, int], until: int) -> list[MonthBand]:
    found: dict[tuple[str, int], MonthBand] = {}
    seen = set()
    for each in given:
        at = datetime.fromtimestamp(each.as_of / 1e6, UTC)
        month, following = at.replace(day=1, hour=0), (at.year + at.month // 12, at.month % 12 + 1)
        end = datetime(*following, 1, tzinfo=UTC)
        certain = int(end.timestamp()) * 1_000_000 + TARGET.window.certain_after_days * US_PER_DAY
        if certain > until or (month, each.lead_id) in seen:
            continue
        seen.add((month, each.lead_id))
        if won.get(each.lead_id, until) < each.as_of:
            continue  # a customer already: nothing was left to predict
        opens = each.as_of + US_PER_DAY
        came = opens <= won.get(each.lead_id, -1) < opens + 20 * US_PER_DAY
        band = sum(each.probability >= edge for edge in EDGES[1:-1])
        key = (f"{month:%Y-%m}-01", band)
        old = found.get(key, MonthBand(key[0], band, 0, 0.0, 0))
        found[key] = MonthBand(key[0], band, old.leads + 1, old.promised + each.probability, old.came + came)
    return [found[key] for key in sorted(found)]


def test_months_are_counted_as_by_hand_and_once(store: Store) -> None:
    rng = random.Random(5)
    names = [f"L{n}" for n in range(40)]
    won = {name: BEGIN + rng.randrange(120) * US_PER_DAY for name in names if rng.random() < 0.6}
    given: list[StoredScore] = []
    for each in names:
        store.leads.put(each, BEGIN, None, {}, BEGIN)
    sent = [EventIn(each, "deal_won", at, None, None, at, "crm", each) for each, at in won.items()]
    store.events.add(sent, BEGIN + 200 * US_PER_DAY)
    for day in range(0, 110, 9):
        at = BEGIN + day * US_PER_DAY
        batch = [
            StoredScore(name, "conversion", at, rng.choice((0.004, 0.03, 0.1, 0.6)), 0, 1, "1", "d") for name in names
        ]
        store.scores.record(batch, [], at)
        given += batch
    for days in (60, 95, 130):
        now = BEGIN + days * US_PER_DAY
        store.promised_vs_realised.count(TARGET, now)
        told = store.promised_vs_realised.read("conversion")
        expected = slowly(given, won, now)
        assert [(each.month, each.band, each.leads, each.came) for each in told] == [
            (each.month, each.band, each.leads, each.came) for each in expected
        ]
        assert all(abs(a.promised - b.promised) < 1e-9 for a, b in zip(told, expected, strict=True))
    assert len({each.month for each in told}) == 3
    assert sum(each.came for each in told) > 5
    store.promised_vs_realised.count(TARGET, now)
    assert store.promised_vs_realised.read("conversion") == told
    assert store.promised_vs_realised.read("other") == []
