"""Drift without a store: two training sets, or two lists of scores, beside each other.

Features, predictions and labels are compared by the index and the test that monitoring uses for shifts, each lead once.
As there, a shift alone recommends nothing; labels that the model has not learnt from decide, by the same tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.contract import DataError
from data.sources.plain_table import read_rows
from data.typed_json import JsonObject
from features.numbers_in_words import number, short_percent
from training.artifact.loaded_model import LoadedModel
from training.measuring.evaluation import BANDS
from training.model.artifact_predictions import predict
from training.monitoring.checks import Check
from training.monitoring.cohorts import WEEK, GivenScores, MaturedScores
from training.monitoring.monitor import ERROR, EXIT, Advice, checks_of, decide
from training.samples.covariate_shift import CovariateShift, shift
from training.samples.independent import one_per_lead
from training.samples.log_odds import Array
from training.samples.sample import Sample

TENTHS = 10
MOST = 12
"""Values of a category that are cells of their own; the rest are one together."""
Counts = Mapping[str, int]
Pair = tuple[Counts, Counts]


@dataclass(frozen=True)
class Drift:
    """What two of a kind differ in. earlier, recent: leads. checks: none where no labels could be tested."""

    advice: Advice
    reason: str
    error: float
    earlier: int
    recent: int
    checks: tuple[Check, ...]
    shifts: tuple[CovariateShift, ...]

    @property
    def exit_code(self) -> int:
        """0, 10 or 20, as monitoring has it."""
        return EXIT[self.advice]

    def to_dict(self) -> JsonObject:
        """Plain values for JSON."""
        return {**asdict(self), "exit_code": self.exit_code}


def drift_of_samples(earlier: Sample, recent: Sample, model: LoadedModel | None, error: float = ERROR) -> Drift:
    """Features, labels and, where there is a model whose features both have, predictions of two training sets.

    Moments of the recent one that come after all that the model has learnt from test whether it keeps its word.
    """
    before, now = each_lead_once(earlier), each_lead_once(recent)
    named = dict(_features(before.features, now.features))
    named["labels"] = _outcomes(before), _outcomes(now)
    checks: Sequence[Check] = ()
    reason = "no model whose features both have, so that no predictions are compared"
    advice: Advice = "nothing"
    if model is not None and {*model.features} <= {*before.columns} & {*now.columns}:
        named = {"predictions": (_bands(predict(model, before)), _bands(predict(model, now))), **named}
        fresh = _unseen(recent, model)
        checks = checks_of(fresh, (), error)
        advice, reason = decide(checks, len(fresh))
    return Drift(advice, reason, error, len(before), len(now), tuple(checks), _shifts(named, error))


def drift_of_scores(earlier: Sequence[Path], recent: Path, error: float = ERROR) -> Drift:
    """Probabilities and stages of lists of scores, the newest beside all those before it, of which a lead's newest
    counts. Raises DataError.
    """
    before, now = _newest_of_each([_scores(path) for path in earlier]), _newest_of_each([_scores(recent)])
    named = {
        "predictions": (_bands(before["probability"].to_numpy()), _bands(now["probability"].to_numpy())),
        "stages": (_counted(before["stage"]), _counted(now["stage"])),
    }
    reason = (
        "scores alone tell of no labels; compare training sets, or scores in a store, to see whether they come true"
    )
    return Drift("nothing", reason, error, len(before), len(now), (), _shifts(named, error))


def _scores(path: Path) -> pa.Table:
    table = read_rows(path)
    for name in ("lead_id", "probability", "stage"):
        if name not in table.column_names:
            raise DataError(f"{path} has no column {name!r}; give a file that `leadscore score --out` wrote")
    try:
        p = table["probability"].cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: probability is no number ({error})") from None
    lead, stage = (table[name].cast(pa.string()).fill_null("") for name in ("lead_id", "stage"))
    return pa.table({"lead_id": lead, "probability": p, "stage": stage})


def _newest_of_each(tables: Sequence[pa.Table]) -> pa.Table:
    """A row for each lead, from the last table that has it."""
    newest_first = pa.concat_tables(tables[::-1])
    return newest_first.take(np.unique(newest_first["lead_id"].to_numpy(), return_index=True)[1])


def _shifts(named: Mapping[str, Pair], error: float) -> tuple[CovariateShift, ...]:
    """All of them share out the error; what has moved most comes first."""
    results = (shift(name, before, now, error / len(named)) for name, (before, now) in named.items())
    known = [result for result in results if result is not None]
    return tuple(sorted(known, key=lambda result: -result.psi))


def each_lead_once(sample: Sample) -> Sample:
    """One drawn moment of each lead, since moments of a lead are alike."""
    return sample.of(np.isin(np.arange(len(sample)), one_per_lead(sample.lead, sample.as_of)))


def _features(before: pa.Table, now: pa.Table) -> Iterator[tuple[str, Pair]]:
    for name in before.column_names:
        if name in now.column_names:
            earlier, recent = before[name], now[name]
            yield name, _tenths(earlier, recent) if pa.types.is_floating(earlier.type) else _values(earlier, recent)


def _tenths(before: pa.ChunkedArray, now: pa.ChunkedArray) -> Pair:
    """Numbers by the tenths of the earlier ones; what is not known is a cell of its own."""
    numbers = [column.to_numpy().astype(np.float64) for column in (before, now)]
    known = numbers[0][np.isfinite(numbers[0])]
    edges = np.unique(np.quantile(known, np.arange(1, TENTHS) / TENTHS)) if len(known) else np.zeros(0)
    cells = [np.where(np.isfinite(part), np.searchsorted(edges, part, side="right"), -1) for part in numbers]
    return _counted(pa.array(cells[0].astype(str))), _counted(pa.array(cells[1].astype(str)))


def _values(before: pa.ChunkedArray, now: pa.ChunkedArray) -> Pair:
    """Words by the most frequent of both."""
    earlier, recent = (_counted(column.cast(pa.string()).fill_null("(unknown)")) for column in (before, now))
    both = {name: earlier.get(name, 0) + recent.get(name, 0) for name in {*earlier, *recent}}
    frequent = set(sorted(both, key=lambda name: (-both[name], name))[:MOST])
    return _merged(earlier, frequent), _merged(recent, frequent)


def _merged(counts: Counts, frequent: set[str]) -> Counts:
    rest = sum(count for name, count in counts.items() if name not in frequent)
    return {**{name: count for name, count in counts.items() if name in frequent}, "(others)": rest}


def _outcomes(sample: Sample) -> Counts:
    y = sample.y[sample.mature]
    return {"converted": int((y == 1).sum()), "not": int((y == 0).sum())}


def _bands(p: Array) -> Counts:
    place = np.searchsorted(BANDS[1:-1], p, side="right")
    return _counted(pa.array([f"from {short_percent(BANDS[at])}" for at in place]))


def _counted(values: pa.Array | pa.ChunkedArray) -> Counts:
    counted = pc.value_counts(values)
    return {row["values"]: row["counts"] for row in counted.to_pylist()}


def _unseen(sample: Sample, model: LoadedModel) -> MaturedScores:
    """What a model says of mature moments after all that it has learnt from, and what became of them."""
    rows = sample.of(sample.mature & sample.is_whole & (sample.as_of >= model.manifest.trained_on.to_us))
    p = predict(model, rows) if len(rows) else np.zeros(0)
    blank: NDArray[np.str_] = np.full(len(rows), "")
    return MaturedScores(GivenScores(rows.lead, rows.as_of, rows.as_of // WEEK, p, blank, blank), rows.y)


def drift_told(drift: Drift) -> str:
    """The outcome in a line.

    >>> drift_told(Drift("nothing", "all is well", 0.01, 10, 20, (), ()))
    'nothing: all is well; 0 of 0 distributions moved'
    """
    moved = sum(result.shifted for result in drift.shifts)
    return f"{drift.advice}: {drift.reason}; {number(moved)} of {number(len(drift.shifts))} distributions moved"
