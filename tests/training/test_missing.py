"""A feature that became empty is told as soon as leads come without it, and a quiet year is quiet."""

from __future__ import annotations

import numpy as np

from training.monitoring.missing import FEWEST_LEADS, Missing, emptied

NAMES = [f"feature_{number}" for number in range(100)]
USUAL = dict(zip(NAMES, np.linspace(0, 0.95, 100), strict=True))


def scorings(rng: np.random.Generator, days: range, leads: int, usual: dict[str, float]) -> list[Missing]:
    """One a day. Two weeks of leads overlap, and come in waves: their shares scatter more than by chance."""
    wave = rng.normal(0, 0.02, len(days))
    return [
        Missing(
            day,
            leads,
            {
                name: int(rng.binomial(leads, np.clip(share + wave[at] * (share < 1), 0, 1)))
                for name, share in usual.items()
            },
        )
        for at, day in enumerate(days)
    ]


def test_a_feature_that_became_empty_is_told_by_name_and_no_other() -> None:
    rng = np.random.default_rng(301)
    before = scorings(rng, range(20_000, 20_040), 80, USUAL)
    for gone in ("feature_0", "feature_50", "feature_70"):
        after = scorings(rng, range(20_040, 20_041), 80, USUAL | {gone: 1.0})
        assert [alarm.stream for alarm in emptied([*before, *after])] == [("feature", gone)]
    [alarm] = emptied([*before, *scorings(rng, range(20_040, 20_041), 80, USUAL | {"feature_0": 1.0})])
    assert (alarm.kind, alarm.is_red) == ("missing", False)
    assert alarm.evidence.startswith("unknown of 100% of the 80 newest leads")


def test_a_quiet_year_of_a_small_company_raises_one_false_alarm_at_most() -> None:
    alarms: list[object] = []
    for seed in (302, 303):
        year = scorings(np.random.default_rng(seed), range(20_000, 20_365), FEWEST_LEADS, USUAL)
        alarms += [alarm for day in range(1, 366) for alarm in emptied(year[max(0, day - 60) : day])]
    assert len(alarms) <= 1, alarms


def test_too_few_leads_or_scorings_tell_nothing() -> None:
    rng = np.random.default_rng(304)
    empty = Missing(20_100, FEWEST_LEADS - 1, dict.fromkeys(NAMES, FEWEST_LEADS - 1))
    assert emptied([*scorings(rng, range(20_000, 20_040), 80, USUAL), empty]) == []
    assert emptied([Missing(20_100, 80, dict.fromkeys(NAMES, 80))]) == []
    assert emptied([]) == []
    recent = scorings(rng, range(20_090, 20_100), 80, USUAL)
    assert emptied([*recent, Missing(20_100, 80, dict.fromkeys(NAMES, 80))]) == [], "the same leads are in all of them"
