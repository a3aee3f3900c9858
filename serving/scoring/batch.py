"""Scores every open lead of an event log at one moment, and writes the list for marketing and sales."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.contract import DataError, UsageError
from data.csv_safety import inert
from data.log.eventlog import EventLog
from data.times import NoTime, time_from_text
from features.kernel import Moments
from features.moments import open_moments
from features.words import Language
from serving.scoring.reasons import MOST, Explainer, Explanation
from serving.scoring.scorer import Scorer, Scores
from training.thresholds.model_warning import caution_of

SIDES = (("for", "+"), ("against", "-"))


@dataclass(frozen=True)
class Scored:
    """Scored leads, best first: one row each, columns as in `columns_of`."""

    rows: list[dict[str, Any]]
    as_of: int


def score_log(
    log: EventLog,
    scorer: Scorer,
    version: str,
    as_of: int | None = None,
    language: Language = "en",
    progress: Any = None,
    days: Sequence[int] = (),
) -> Scored:
    """Scores the leads that are open at `as_of` (µs UTC, default: just after the log's last event), best first.

    days: further horizons, a column each. Raises DataError when no lead is open then, UsageError for a horizon that the
    model does not know.
    """
    check_days(scorer, days)
    moment = log.observed_until_us + 1 if as_of is None else as_of
    rows: list[dict[str, Any]] = []
    for number in range(log.n_buckets):
        rows.extend(_bucket(log, scorer, version, number, moment, language, days))
        if progress:
            progress(number + 1, log.n_buckets)
    if not rows:
        raise DataError(f"no lead of {log.path} is open at {_iso(moment)}; check target and --as-of")
    rows.sort(key=lambda row: (-row["probability"], row["lead_id"]))
    return Scored(rows, moment)


def _bucket(
    log: EventLog, scorer: Scorer, version: str, number: int, as_of: int, language: Language, days: Sequence[int]
) -> Iterator[dict[str, Any]]:
    histories = log.bucket(number)
    moments = open_moments(histories, scorer.target, as_of)
    if not len(moments):
        return
    scores = scorer.score(histories, moments)
    explanations = Explainer(scorer, language).explain(histories, moments.lead, moments.as_of, scores)
    lead_ids = histories.lead_ids.take(pa.array(moments.lead)).to_pylist()
    within = {f"within_{each}d": scorer.model.within(scores.matrix, each).tolist() for each in days}
    caution = caution_of(scorer.model.about, language)
    for row, (lead_id, explanation) in enumerate(zip(lead_ids, explanations, strict=True)):
        found = _row(lead_id, scores, row, explanation, scorer, version, as_of, language)
        yield found | {name: values[row] for name, values in within.items()} | {"caution": caution}


def _row(
    lead_id: str,
    scores: Scores,
    row: int,
    explanation: Explanation,
    scorer: Scorer,
    version: str,
    as_of: int,
    language: Language,
) -> dict[str, Any]:
    low, high = scores.interval[row].tolist()
    probability = float(scores.probability[row])
    told = {f"for_{i + 1}": _nth(explanation.speaks_for, i) for i in range(MOST)}
    told |= {f"against_{i + 1}": _nth(explanation.speaks_against, i) for i in range(MOST)}
    return {
        "lead_id": lead_id,
        "probability": probability,
        "low": low,
        "high": high,
        "stage": str(scores.stage[row]),
        "in_words": probability_in_words(probability, low, high, scorer.target.horizon_days, language),
        **told,
        "fit": explanation.fit,
        "engagement": explanation.engagement,
        "fit_share": explanation.fit_share,
        "target": scorer.target.name,
        "model_version": version,
        "as_of": _iso(as_of),
    }


def check_days(scorer: Scorer, days: Sequence[int]) -> None:
    """Whether a model knows horizons. Raises UsageError."""
    try:
        for each in days:
            scorer.model.within(np.zeros((0, len(scorer.encoder.names))), each)
    except ValueError as error:
        raise UsageError(f"--within: {error}") from None


def probability_in_words(p: float, low: float, high: float, days: int, language: Language = "en") -> str:
    """A probability as people count: of a hundred, or of a thousand where it is small.

    >>> probability_in_words(0.23, 0.19, 0.27, 90)
    'of 100 leads like this, 23 convert within 90 days (19-27)'
    """
    of = 100 if p >= 0.02 else 1000
    n, least, most = (round(of * each) for each in (p, low, high))
    if language == "de":
        return f"von {of} Leads wie diesem konvertieren {n} innerhalb von {days} Tagen ({least}-{most})"
    return f"of {of} leads like this, {n} convert within {days} days ({least}-{most})"


def check_out(out: Path) -> None:
    """Whether scores can be written there, to be known before the work. Raises UsageError."""
    if out.suffix not in WRITERS:
        raise UsageError(f"--out {out}: the ending {out.suffix!r} is none of {', '.join(WRITERS)}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: its folder cannot be made ({error.strerror})") from None
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise UsageError(f"--out {out} cannot be written; name a file in a folder of yours")


def told(row: dict[str, Any]) -> str:
    """A scored lead as lines of text: who, which stage, how likely, what speaks for (+) and against (-) it."""
    reasons = [f"    {sign} {row[f'{side}_{i + 1}']}" for side, sign in SIDES for i in range(MOST)]
    head = f"{row['lead_id']}  {row['stage']}  {row['in_words']}; fit {100 * row['fit_share']:.0f} %"
    return "\n".join([head, *(line for line in reasons if line.strip() not in ("+", "-"))])


def write_scores(scored: Scored, out: Path) -> None:
    """Writes a .csv (safe to open in a spreadsheet) or .parquet file, as a whole or not at all. Raises UsageError."""
    check_out(out)
    draft = out.with_name(f".{out.name}.{os.getpid()}.draft")
    try:
        WRITERS[out.suffix](scored, draft)
        os.replace(draft, out)
    finally:
        draft.unlink(missing_ok=True)


def _write_parquet(scored: Scored, path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(scored.rows), path)


def _write_csv(scored: Scored, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(scored.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: inert(value) for key, value in row.items()} for row in scored.rows)


WRITERS: Mapping[str, Callable[[Scored, Path], None]] = {".csv": _write_csv, ".parquet": _write_parquet}


def _nth(reasons: tuple[Any, ...], i: int) -> str:
    return reasons[i].words if i < len(reasons) else ""


def _iso(at: int) -> str:
    return f"{np.datetime64(at, 'us')}Z"


def parse_as_of(text: str) -> int:
    """µs UTC of a written time with a zone (`time_from_text`), or of a date alone (00:00 UTC). Raises UsageError.

    >>> parse_as_of("1970-01-02"), parse_as_of("1970-01-01T01:00:00+01:00")
    (86400000000, 0)
    """
    try:
        return time_from_text(text, day_zone=UTC)
    except NoTime as error:
        raise UsageError(f"--as-of {text!r} {error}") from None


def one_moment(as_of: int) -> Moments:
    """A single moment of a single lead, for histories of one lead."""
    return Moments(np.zeros(1, np.int32), np.array([as_of], dtype=np.int64))
