"""Rolling-origin backtest: every contender is fitted at several past dates and predicts the period that followed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from data.contract import DataError
from training.backtesting.contenders import Contender
from training.backtesting.origins import FIRST, ORIGINS, Origin, PastDates, digest_of, file_digest
from training.recipe.train import Say
from training.samples.log_odds import Array
from training.samples.sample import Sample

FORMAT = 1


@dataclass(frozen=True)
class JudgedPeriod:
    """What followed an origin: the judged moments, and what each contender had predicted for them.

    learnt, learnt_positives: mature moments at the origin, and how many of them had converted.
    """

    origin: Origin
    learnt: int
    learnt_positives: int
    rows: Sample
    predictions: Mapping[str, Array]


@dataclass(frozen=True)
class Backtest:
    """Periods in order of time; `skipped`: origins that could not be used, and why. `digest` names data, plan, code."""

    digest: str
    contenders: tuple[Contender, ...]
    periods: tuple[JudgedPeriod, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class Kept:
    """Predictions on disk, so that an interrupted backtest goes on where it was; keyed by all that decides them."""

    folder: Path
    digest: str

    def get(self, origin: Origin, name: str) -> Array | None:
        """What a contender predicted at an origin, None when it has not been computed, or is damaged."""
        try:
            return np.load(self._path(origin, name), allow_pickle=False)  # type: ignore[no-any-return]
        except (OSError, ValueError, EOFError):
            return None

    def put(self, origin: Origin, name: str, p: Array) -> None:
        """Keeps predictions; a kill leaves the whole file or none."""
        path = self._path(origin, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.draft")
        with draft.open("wb") as file:
            np.save(file, p, allow_pickle=False)
        os.replace(draft, path)

    def _path(self, origin: Origin, name: str) -> Path:
        return self.folder / f"{digest_of(self.digest, origin.at, origin.until, name)[:32]}.npy"


def backtest(
    timeline: PastDates,
    contenders: Sequence[Contender],
    plan_digest: str,
    folder: Path,
    count: int = ORIGINS,
    first: float = FIRST,
    fewest_positives: int = 50,
    say: Say = lambda text: None,
) -> Backtest:
    """Fits every contender at every origin; what is kept below `folder` from the same data, plan and code is reused.

    An origin with fewer than `fewest_positives` converted moments to learn from, or none (or only such) to judge, is
    skipped. Raises DataError when that leaves none.
    """
    digest = digest_of(FORMAT, timeline.digest, plan_digest, code_digest())
    saved, periods, skipped = Kept(folder, digest), list[JudgedPeriod](), list[str]()
    for origin in timeline.origins(count, first):
        past, rows = timeline.known_at(origin), timeline.after(origin)
        if why := _unusable(past, rows, fewest_positives):
            skipped.append(f"{origin.name}: {why}")
            continue
        predictions = {
            contender.name: _predicted(contender, origin, past, rows, saved, say) for contender in contenders
        }
        known = past.of(past.mature)
        periods.append(JudgedPeriod(origin, len(known), int(known.y.sum()), replace(rows), predictions))
    if not periods:
        raise DataError(f"no origin can be used ({'; '.join(skipped)}); use more data or a later --first")
    return Backtest(digest, tuple(contenders), tuple(periods), tuple(skipped))


def _predicted(contender: Contender, origin: Origin, past: Sample, rows: Sample, saved: Kept, say: Say) -> Array:
    say(f"{origin.name}: {contender.name}")
    there = saved.get(origin, contender.name)
    if there is not None and len(there) == len(rows):
        return there
    p = np.asarray(contender.fit(past)(blind(rows)), dtype=np.float64)
    saved.put(origin, contender.name, p)
    return p


def blind(rows: Sample) -> Sample:
    """The rows without what became of them."""
    unknown = np.full(len(rows), np.nan)
    return replace(rows, y=unknown, event_days=unknown)


def _unusable(past: Sample, rows: Sample, fewest: int) -> str:
    known = past.of(past.mature)
    won = int(known.y.sum())
    if won < fewest or won == len(known):
        return f"{won} of {len(known)} moments to learn from converted, at least {fewest} are needed"
    if not 0 < int(rows.y.sum()) < len(rows):
        return f"{int(rows.y.sum())} of {len(rows)} moments to judge converted"
    return ""


@cache
def code_digest() -> str:
    """sha256 of the sources that train: predictions of other code are not reused."""
    return sources_digest(Path(__file__).parents[1])


def sources_digest(root: Path) -> str:
    """sha256 of all Python files below a folder, with their names."""
    return digest_of([(str(path.relative_to(root)), file_digest(path)) for path in sorted(root.rglob("*.py"))])
