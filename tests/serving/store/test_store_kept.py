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
    cells: dict[tuple[str, int], MonthBand] = {}
    seen = set()
    for score in given:
        at = datetime.fromtimestamp(score.as_of / 1e6, UTC)
        month, following = at.replace(day=1, hour=0), (at.year + at.month // 12, at.month % 12 + 1)
        end = datetime(*following, 1, tzinfo=UTC)
        certain = int(end.timestamp()) * 1_000_000 + TARGET.window.certain_after_days * US_PER_DAY
        if certain > until or (month, score.lead_id) in seen:
            continue
        seen.add((month, score.lead_id))
        if won.get(score.lead_id, until) < score.as_of:
            continue  # a customer already: nothing was left to predict
        opens = score.as_of + US_PER_DAY
        came = opens <= won.get(score.lead_id, -1) < opens + 20 * US_PER_DAY
        band = sum(score.probability >= edge for edge in EDGES[1:-1])
        key = (f"{month:%Y-%m}-01", band)
        old = cells.get(key, MonthBand(key[0], band, 0, 0.0, 0))
        cells[key] = MonthBand(key[0], band, old.leads + 1, old.promised + score.probability, old.came + came)
    return [cells[key] for key in sorted(cells)]


def test_months_are_counted_as_by_hand_and_once(store: Store) -> None:
    rng = random.Random(5)
    names = [f"L{n}" for n in range(40)]
    won = {name: BEGIN + rng.randrange(120) * US_PER_DAY for name in names if rng.random() < 0.6}
    given: list[StoredScore] = []
    for lead_id in names:
        store.leads.put(lead_id, BEGIN, None, {}, BEGIN)
    sent = [EventIn(lead_id, "deal_won", at, None, None, at, "crm", lead_id) for lead_id, at in won.items()]
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
        bands = store.promised_vs_realised.read("conversion")
        expected = slowly(given, won, now)
        assert [(band.month, band.band, band.leads, band.came) for band in bands] == [
            (band.month, band.band, band.leads, band.came) for band in expected
        ]
        assert all(abs(a.promised - b.promised) < 1e-9 for a, b in zip(bands, expected, strict=True))
    assert len({band.month for band in bands}) == 3
    assert sum(band.came for band in bands) > 5
    store.promised_vs_realised.count(TARGET, now)
    assert store.promised_vs_realised.read("conversion") == bands
    assert store.promised_vs_realised.read("other") == []
