"""Past dates at which a model could have been trained: what was known then, and the period that followed."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from data.contract import US_PER_DAY, US_PER_SECOND, DataError
from data.log.eventlog import EventLog
from features.recipe import Recipe
from features.training_set import build
from training.calibration.intercept import PERIOD
from training.samples.folds import newest_slice
from training.samples.sample import Sample, read_sample

FIRST = 0.5
ORIGINS = 5


@dataclass(frozen=True)
class Origin:
    """A past date. Learnt from is what was known at `at`, judged are moments from there on and before `until`.

    Both are µs UTC, or numbers of rows for a table that has no times; `name` says `at` in words.
    """

    at: int
    until: int
    name: str


@dataclass(frozen=True)
class Outcomes:
    """Labels as they come in. rows: mature moments with what became of them, in order of time.

    delay: how long after a moment its label has matured, at least 1; pace: how often a model may follow them. Both in
    units of `as_of`: µs, or rows of a table.
    """

    rows: Sample
    delay: int
    pace: int


class PastDates(Protocol):
    """What can be gone back in: an event log, or a labelled table in order of time."""

    @property
    def digest(self) -> str:
        """sha256 of everything that decides the moments."""

    @property
    def columns(self) -> list[str]:
        """Names of the features."""

    @property
    def outcomes(self) -> Outcomes:
        """All labels that are mature by now, for whoever follows them as they come in."""

    def known_at(self, origin: Origin) -> Sample:
        """All moments before an origin with what was known of them then; not mature: unknown to whoever stood there."""

    def after(self, origin: Origin) -> Sample:
        """The moments of the period that followed, with what became of them; only those that are mature by now."""

    def origins(self, count: int = ORIGINS, first: float = FIRST) -> list[Origin]:
        """`count` origins from the share `first` of the mature moments on, with an equal share each to judge."""


@dataclass(frozen=True)
class LogTimeline:
    """An event log. The past is built again as it was: labels hold only outcomes that were known at the origin.

    Nothing is dealt out by lead: a model that served then had learnt from earlier moments of the same leads, and of
    leads that are still open only the negatives are known, so that leaving them out would bias what is learnt.
    """

    log: EventLog
    recipe: Recipe
    now: Sample
    scratch: Path
    jobs: int = 2

    @property
    def digest(self) -> str:
        """sha256 of everything that decides the moments."""
        return self.recipe.digest

    @property
    def columns(self) -> list[str]:
        """Names of the features."""
        return self.now.columns

    @property
    def outcomes(self) -> Outcomes:
        """Labels mature when their window has ended and settled; the intercept may step every week."""
        days = self.recipe.target.window.certain_after_days
        return Outcomes(self.now.of(self.now.mature), days * US_PER_DAY, PERIOD)

    def known_at(self, origin: Origin) -> Sample:
        """The training set that one would have built at the origin; it is removed once it is read."""
        folder = self.scratch / f"origin-{origin.at}"
        try:
            return read_sample(build(self.log, self.recipe.ending(origin.at), folder, self.jobs))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def after(self, origin: Origin) -> Sample:
        """Mature moments of the period."""
        return between(self.now, origin)

    def origins(self, count: int = ORIGINS, first: float = FIRST) -> list[Origin]:
        """Named by their dates."""
        return spread(self.now, count, first, dated=True)


@dataclass(frozen=True)
class TableTimeline:
    """A labelled table whose rows are in order of time; every label is known at once."""

    rows: Sample

    digest: str

    @property
    def columns(self) -> list[str]:
        """Names of the features."""
        return self.rows.columns

    @property
    def outcomes(self) -> Outcomes:
        """The label of a row is known at the next one; the intercept may step every hundredth of the rows."""
        return Outcomes(self.rows, 1, max(1, len(self.rows) // 100))

    def known_at(self, origin: Origin) -> Sample:
        """The rows before the origin."""
        return self.rows.of(self.rows.as_of < origin.at)

    def after(self, origin: Origin) -> Sample:
        """The rows of the period."""
        return between(self.rows, origin)

    def origins(self, count: int = ORIGINS, first: float = FIRST) -> list[Origin]:
        """Named by the share of rows before them."""
        return spread(self.rows, count, first, dated=False)


def between(sample: Sample, origin: Origin) -> Sample:
    """The mature moments from an origin on and before its end."""
    return sample.of(sample.mature & (sample.as_of >= origin.at) & (sample.as_of < origin.until))


def spread(sample: Sample, count: int, first: float, dated: bool) -> list[Origin]:
    """Origins that part the mature moments behind the first share into `count` periods of about equal weight.

    Moments of the same time stay together, so that there may be fewer. Raises DataError when none is mature.
    """
    mature = sample.of(sample.mature)
    if not len(mature):
        raise DataError("no moment is mature, so there is no past to go back to; wait for more data")
    shares = [first + (1 - first) * k / count for k in range(count)]
    cuts = [newest_slice(mature.as_of, mature.weight, 1 - share) for share in shares]
    ends = [*cuts[1:], int(mature.as_of[-1]) + 1]
    names = [day_of(cut) if dated else f"{100 * share:.0f} % of rows" for cut, share in zip(cuts, shares, strict=True)]
    return [Origin(cut, end, name) for cut, end, name in zip(cuts, ends, names, strict=True) if cut < end]


def day_of(at: int) -> str:
    """The date (UTC) of a time in µs.

    >>> day_of(86_400_000_000)
    '1970-01-02'
    """
    return str(np.datetime64(at // US_PER_SECOND, "s").astype("datetime64[D]"))


def digest_of(*parts: object) -> str:
    """sha256 of plain values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
