"""Monitoring: do scores that were given keep their word, has the world moved, and what is to be done about it?

Decision, on the matured cohorts of the newest weeks:
- retrain: the slope is surely below 1. Scores tell leads apart less well than they say; no map of scores mends that.
- recalibrate: the level is surely off, the slope surely above 1, or a promised precision surely broken. The ranking
  holds; probabilities have to be moved, and thresholds derived anew.
- nothing: neither.
A shift of population, scores, stages or behaviour is shown and alone recommends nothing: the model may well hold on the
leads that come now, and only outcomes tell.

The tests share out `ERROR` among them (Bonferroni): when scores are right, a run recommends anything in at most that
share of cases. The tests for shifts share out another `ERROR`. Every run is a new look: a weekly run has 52 a year.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from data.typed_json import JsonObject
from features.labels import Target
from features.numbers_in_words import number, short_percent
from training.measuring.evaluation import BANDS, Estimate
from training.measuring.metrics import binomial_interval
from training.monitoring.checks import Check, Promised, enough, level, promise, slope
from training.monitoring.cohorts import GivenScores, MaturedScores, ScoreHistory, matured, some
from training.samples.covariate_shift import CovariateShift, shift

ERROR = 0.01
Advice = Literal["nothing", "recalibrate", "retrain"]
EXIT: Mapping[Advice, int] = {"nothing": 0, "recalibrate": 10, "retrain": 20}
"""Exit codes for a scheduler; 2 and 3 are for commands and data that cannot be used."""


@dataclass(frozen=True)
class WeeklyCohort:
    """The scores of one week: how many leads, how many conversions were promised, and what came."""

    week: str
    leads: int
    promised: float
    realised: Estimate


@dataclass(frozen=True)
class Monitoring:
    """What a run found. matured: scores with known outcome that were tested. reason: why, in words."""

    advice: Advice
    reason: str
    error: float
    scores: int
    matured: int
    versions: tuple[str, ...]
    cohorts: tuple[WeeklyCohort, ...]
    checks: tuple[Check, ...]
    shifts: tuple[CovariateShift, ...]

    @property
    def exit_code(self) -> int:
        """0, 10 or 20 (see EXIT)."""
        return EXIT[self.advice]

    def to_dict(self) -> JsonObject:
        """Plain values for JSON."""
        return {**asdict(self), "exit_code": self.exit_code}


def monitor(
    reader: ScoreHistory, target: Target, promises: Sequence[Promised], now: int, weeks: int, error: float = ERROR
) -> Monitoring:
    """Looks at the newest `weeks` weeks of matured scores, and compares as many newest weeks with those before."""
    given = reader.scores(target.name, 0)
    known = matured(given, reader.turns(target, now), target, now)
    recent = known.of(known.given.week > known.given.week.max(initial=0) - weeks)
    checks = checks_of(recent, promises, error)
    advice, reason = decide(checks, len(recent))
    return Monitoring(
        advice,
        reason,
        error,
        len(given),
        len(recent),
        tuple(np.unique(recent.given.version).tolist()),
        tuple(_cohort(week, rows) for week, rows in recent.weeks()),
        tuple(checks),
        tuple(shifts_of(reader, given, weeks, error)),
    )


def checks_of(rows: MaturedScores, promises: Sequence[Promised], error: float = ERROR) -> list[Check]:
    """All tests of matured scores; none where too few leads are expected to convert."""
    if not enough(rows):
        return []
    test_error = error / (2 + len(promises))
    promise_checks = (promise(rows, promised, test_error) for promised in promises)
    return [level(rows, test_error), slope(rows, test_error), *(check for check in promise_checks if check is not None)]


def decide(checks: Sequence[Check], rows: int) -> tuple[Advice, str]:
    """What to do, and why."""
    if not checks:
        return "nothing", f"{number(rows)} matured scores are too few to tell; look again later, or at more weeks"
    failed = [check for check in checks if check.failed]
    weaker = [check for check in failed if check.kind == "slope" and check.value < check.expected]
    if weaker:
        return "retrain", f"scores tell leads apart less well than they say: {weaker[0].evidence}"
    if failed:
        return "recalibrate", "the ranking holds, probabilities are off: " + "; ".join(
            check.evidence for check in failed
        )
    return "nothing", f"{number(rows)} matured scores kept their word in all {len(checks)} tests"


def shifts_of(reader: ScoreHistory, given: GivenScores, weeks: int, error: float = ERROR) -> list[CovariateShift]:
    """Scores, stages, profiles and behaviour of the newest weeks beside those of the weeks before."""
    cut = given.week.max(initial=0) - weeks
    earlier, recent = _newest(some(given, given.week <= cut)), _newest(some(given, given.week > cut))
    if not len(earlier) or not len(recent):
        return []
    named = {
        "scores": (_bands(earlier), _bands(recent)),
        "stages": (_counted(earlier.stage), _counted(recent.stage)),
        **_profiles(reader, earlier, recent),
        **_behaviour(reader, earlier, recent),
    }
    test_error = error / len(named)
    results = (shift(name, before, now, test_error) for name, (before, now) in named.items())
    return [result for result in results if result is not None]


Counts = Mapping[str, int]


def _newest(given: GivenScores) -> GivenScores:
    """The newest score of each lead."""
    _, last = np.unique(given.lead[::-1], return_index=True)
    newest = np.zeros(len(given), np.bool_)
    newest[len(given) - 1 - last] = True
    return some(given, newest)


def _bands(given: GivenScores) -> Counts:
    place = np.searchsorted(BANDS[1:-1], given.p, side="right")
    return _counted(np.array([f"from {short_percent(BANDS[at])}" for at in place]))


def _counted(values: np.ndarray[Any, Any]) -> Counts:
    names, counts = np.unique(values, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _profiles(reader: ScoreHistory, earlier: GivenScores, recent: GivenScores) -> dict[str, tuple[Counts, Counts]]:
    before, now = reader.categories(earlier.lead.tolist()), reader.categories(recent.lead.tolist())
    return {f"profile {name}": (before.get(name, {}), now.get(name, {})) for name in sorted({*before, *now})}


def _behaviour(reader: ScoreHistory, earlier: GivenScores, recent: GivenScores) -> dict[str, tuple[Counts, Counts]]:
    """Of the leads that were scored, those with an event of each type in as long a time before the last score."""
    ends = [int(scores.as_of.max()) + 1 for scores in (earlier, recent)]
    length = max(ends[1] - ends[0], 1)
    before, now = (
        _acting(reader, scores, end - length, end) for scores, end in zip((earlier, recent), ends, strict=True)
    )
    return {
        f"leads with {name}": (_with(before, name, len(earlier)), _with(now, name, len(recent)))
        for name in sorted({*before, *now})
    }


def _acting(reader: ScoreHistory, given: GivenScores, since: int, before: int) -> Counts:
    names, lead = reader.active(since, before)
    return _counted(names[np.isin(lead, given.lead)])


def _with(counts: Counts, name: str, leads: int) -> Counts:
    return {"with": counts.get(name, 0), "without": leads - counts.get(name, 0)}


def _cohort(week: str, rows: MaturedScores) -> WeeklyCohort:
    realised = float(rows.y.mean())
    low, high = binomial_interval(realised, len(rows)).tolist()
    return WeeklyCohort(week, len(rows), float(rows.given.p.mean()), Estimate(realised, low, high))
