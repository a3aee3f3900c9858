"""Scores every open lead of an event log at one moment, and writes the list for marketing and sales."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.companies import CompanySource
from data.contract import DataError, UsageError
from data.csv_safety import inert
from data.erasure.ledger import ErasedAndObjecting, Ledger
from data.histories import Histories
from data.log.eventlog import EventLog
from features.kernel import Moments
from features.moments import open_moments
from features.numbers_in_words import Language
from features.outlook import conversion
from serving.messages.schemas import Reasons
from serving.scoring.reason_selection import MOST, Explainer
from serving.scoring.reason_wording import fit_share_of, reasons_of
from serving.scoring.scored_lead import ScoredLead
from serving.scoring.scorer import Scorer, Scores
from serving.sentences.telling import Telling
from training.thresholds.model_warning import model_warning


@dataclass(frozen=True)
class ScoredLog:
    """Scored leads, best first."""

    leads: list[ScoredLead]
    as_of: int


def score_log(
    log: EventLog,
    scorer: Scorer,
    version: str,
    as_of: int | None = None,
    language: Language = "en",
    progress: Any = None,
    days: Sequence[int] = (),
) -> ScoredLog:
    """Scores the leads that are open at `as_of` (µs UTC, default: just after the log's last event), best first.

    Those that object, or were erased, are not scored: the ledger beside the log knows them. days: further horizons, a
    column each. Raises DataError when no other lead is open then, UsageError for a horizon that no model knows.
    """
    check_days(scorer, days)
    scorer = scorer.beside(log)
    moment = log.observed_until_us + 1 if as_of is None else as_of
    known, leads = Ledger.beside(log.path).known(), list[ScoredLead]()
    companies = companies_beside(log, scorer, known)
    for number in range(log.n_buckets):
        leads.extend(_bucket(log, scorer, version, number, moment, language, days, known, companies))
        if progress:
            progress(number + 1, log.n_buckets)
    if not leads:
        raise DataError(f"no lead of {log.path} is open at {_iso(moment)}; check target and --as-of")
    leads.sort(key=lambda lead: (-lead.probability, lead.lead_id))
    return ScoredLog(leads, moment)


def scorable(scored: ScoredLog, known: ErasedAndObjecting) -> ScoredLog:
    """Scored leads without those that a ledger withholds. Raises DataError when nobody is left."""
    withheld = known.withheld({lead.lead_id for lead in scored.leads})
    leads = [lead for lead in scored.leads if lead.lead_id not in withheld]
    if not leads:
        raise DataError("all leads that are open object to being scored, or were erased; there is nothing to write")
    return ScoredLog(leads, scored.as_of)


def _bucket(
    log: EventLog,
    scorer: Scorer,
    version: str,
    number: int,
    as_of: int,
    language: Language,
    days: Sequence[int],
    known: ErasedAndObjecting,
    companies: CompanySource,
) -> Iterator[ScoredLead]:
    histories = replace(log.bucket(number), companies=companies)
    moments = _scorable_moments(histories, open_moments(histories, scorer.target, as_of), known)
    if not len(moments):
        return
    scores = scorer.score(histories, moments)
    parts = scorer.model.parts(scores.matrix)[:, 1:].tolist()
    chosen = Explainer(scorer).reasons(histories, moments, scores)
    lead_ids, telling = histories.lead_ids.take(pa.array(moments.lead)).to_pylist(), Telling(language, as_of)
    within = {horizon: scorer.model.within(scores.matrix, horizon).tolist() for horizon in days}
    warning = model_warning(scorer.model.manifest.trained_on.small, language, scorer.model.manifest.trained_on.lags)
    for row, lead_id in enumerate(lead_ids):
        reasons = reasons_of(chosen[row], scorer, telling)
        lead = _lead(lead_id, scores, row, reasons, parts[row], scorer, version, as_of, language)
        yield replace(lead, within={days: p[row] for days, p in within.items()}, caution=warning)


def companies_beside(log: EventLog, scorer: Scorer, known: ErasedAndObjecting) -> CompanySource:
    """The companies of a log, without leads that are withheld: who objects is used for nobody else's score either."""
    if scorer.plan.around is None:
        return log
    return log.companies.without(known.withheld(log.companies.lead_ids.to_pylist()))


def _scorable_moments(histories: Histories, moments: Moments, known: ErasedAndObjecting) -> Moments:
    """Moments of leads that nobody withholds."""
    lead_ids = histories.lead_ids.take(pa.array(moments.lead)).to_pylist()
    withheld = known.withheld(lead_ids)
    allowed = np.array([lead_id not in withheld for lead_id in lead_ids], np.bool_)
    return Moments(moments.lead[allowed], moments.as_of[allowed])


def _lead(
    lead_id: str,
    scores: Scores,
    row: int,
    reasons: Reasons,
    parts: tuple[float, float],
    scorer: Scorer,
    version: str,
    as_of: int,
    language: Language,
) -> ScoredLead:
    low, high = scores.interval[row]
    fit, engagement = parts
    probability = float(scores.probability[row])
    return ScoredLead(
        lead_id=lead_id,
        probability=probability,
        low=low,
        high=high,
        stage=scores.stage[row],
        in_words=conversion(probability, low, high, scorer.target.horizon_days, language),
        speaks_for=[reason.words for reason in reasons.speaks_for[:MOST]],
        speaks_against=[reason.words for reason in reasons.speaks_against[:MOST]],
        fit=fit,
        engagement=engagement,
        fit_share=fit_share_of(fit, engagement),
        target=scorer.target.name,
        model_version=version,
        as_of=_iso(as_of),
        caution="",
    )


def check_days(scorer: Scorer, days: Sequence[int]) -> None:
    """Whether a model knows horizons. Raises UsageError."""
    try:
        for horizon in days:
            scorer.model.within(np.zeros((0, len(scorer.encoder.names))), horizon)
    except ValueError as error:
        raise UsageError(f"--within: {error}") from None


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


def write_scores(scored: ScoredLog, out: Path, ledger: Ledger) -> None:
    """Writes a .csv (safe to open in a spreadsheet) or .parquet file, as a whole or not at all. Raises UsageError.

    ledger: of the log that was scored. It is held while the list is written: whoever is erased after the scoring is not
    in it, and whoever is erased later is found in it, also where it lies outside the workspace.
    """
    check_out(out)
    ledger.note_written(out)
    draft = out.with_name(f".{out.name}.{os.getpid()}.draft")
    try:
        with ledger.held() as known:
            WRITERS[out.suffix](scorable(scored, known), draft)
            os.replace(draft, out)
    finally:
        draft.unlink(missing_ok=True)


def _write_parquet(scored: ScoredLog, path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([lead.row() for lead in scored.leads]), path)


def _write_csv(scored: ScoredLog, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(scored.leads[0].row()), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: inert(value) for key, value in lead.row().items()} for lead in scored.leads)


WRITERS: Mapping[str, Callable[[ScoredLog, Path], None]] = {".csv": _write_csv, ".parquet": _write_parquet}


def _iso(at: int) -> str:
    return f"{np.datetime64(at, 'us')}Z"


def one_moment(as_of: int) -> Moments:
    """A single moment of a single lead, for histories of one lead."""
    return Moments(np.zeros(1, np.int32), np.array([as_of], dtype=np.int64))
