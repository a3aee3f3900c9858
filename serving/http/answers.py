"""From what a model says of leads to what a client reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
from starlette.responses import Response

from data.histories import Histories, Profiles
from features.kernel import Moments, compute
from features.numbers_in_words import Language
from serving.http.time_zone import local
from serving.messages.schemas import BatchAnswer, Extra, Reasons, Score, ScoreAnswer
from serving.messages.times import at
from serving.scoring.reason_wording import fit_share_of, reasons_of
from serving.scoring.request_histories import RequestHistories
from serving.scoring.scorer import FeatureScores
from serving.scoring.served_model import ServedModel, ServedScores
from serving.sentences.telling import Telling

Values = dict[str, float | str | None]


def single(
    live: ServedModel, requests: RequestHistories, scored: ServedScores, as_of: int, unused: Sequence[str], extra: Extra
) -> ScoreAnswer:
    """The answer for one lead."""
    score = scores(live, requests, scored, [as_of], [unused], extra)[0]
    return ScoreAnswer(
        score,
        live.target.name,
        live.target.horizon_days,
        live.thresholds,
        live.effective_thresholds.identity,
        live.model,
    )


def many(
    live: ServedModel,
    requests: RequestHistories,
    scored: ServedScores,
    as_of: Sequence[int],
    unused: Sequence[Sequence[str]],
    extra: Extra,
) -> BatchAnswer:
    """The answer for many leads, in their order."""
    answers = scores(live, requests, scored, as_of, unused, extra)
    return BatchAnswer(
        answers,
        live.target.name,
        live.target.horizon_days,
        live.thresholds,
        live.effective_thresholds.identity,
        live.model,
    )


def scores(
    live: ServedModel,
    requests: RequestHistories,
    scored: ServedScores,
    as_of: Sequence[int],
    unused: Sequence[Sequence[str]],
    extra: Extra,
) -> list[Score]:
    """One score per lead; features and reasons only where asked for, because they cost fifty times a score."""
    none: Sequence[Any] = [msgspec.UNSET] * len(as_of)
    features = reasons = within = none
    if extra.horizons:
        within = live.within(scored.matrix, extra.horizons)
    if extra.features or extra.reasons is not None:
        table, histories, moments = _table(live, requests, as_of)
        if extra.features:
            features = [_plain(row) for row in table.to_pylist()]
        if extra.reasons is not None:
            reasons = _reasons(live, scored, table, histories, moments, extra)
    rows = zip(
        scored.probability.tolist(),
        scored.interval,
        scored.stage,
        scored.fit,
        scored.engagement,
        strict=True,
    )
    return [
        Score(
            probability=probability,
            interval=(low, high),
            stage=stage,
            as_of=at(as_of[i]),
            events_counted=scored.counted[i],
            newest_event_age_s=_age(scored.newest[i], as_of[i]),
            fit=fit,
            engagement=engagement,
            fit_share=fit_share_of(fit, engagement),
            unused=list(unused[i]),
            features=features[i],
            reasons=reasons[i],
            within=within[i],
            caution=live.warning or msgspec.UNSET,
            chain=msgspec.UNSET if scored.chain is None else scored.chain[i],
        )
        for i, (probability, (low, high), stage, fit, engagement) in enumerate(rows)
    ]


def language_of(header: str | None) -> Language:
    """English or German, whichever the header Accept-Language names first.

    >>> language_of("fr, de-AT;q=0.8, en;q=0.5"), language_of(None)
    ('de', 'en')
    """
    weighted = []
    for place, part in enumerate((header or "").split(",")[:20]):
        tag, _, rest = part.strip().partition(";")
        quality = rest.strip().removeprefix("q=")
        weight = float(quality) if quality.replace(".", "", 1).isdecimal() and quality.isascii() else 1.0
        if tag[:2].lower() in ("en", "de") and weight > 0:
            weighted.append((-weight, place, tag[:2].lower()))
    return "de" if weighted and min(weighted)[2] == "de" else "en"


def json(answer: Any, status: int = 200) -> Response:
    """Any of our structs as an answer."""
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


def _age(newest: int | None, as_of: int) -> float | None:
    return None if newest is None else (as_of - newest) / 1e6


def _plain(row: Values) -> Values:
    """NaN, which JSON does not know, is null."""
    return {name: None if value != value else value for name, value in row.items()}


def _table(live: ServedModel, requests: RequestHistories, as_of: Sequence[int]) -> tuple[pa.Table, Histories, Moments]:
    """The feature table of the leads, with their profile versions as columns."""
    kinds = {"category": pa.string(), "number": pa.float64()}
    columns = {
        name: pa.array([version.get(name) for version in requests.versions], kinds[kind])
        for name, kind in live.profile_columns.items()
    }
    profiles = requests.histories.profiles
    whole = Profiles(profiles.starts, profiles.valid_from, pa.table(columns))
    histories = replace(requests.histories, profiles=whole)
    moments = live.moments(as_of)
    return compute(live.scorer.plan, histories, moments), histories, moments


def _reasons(
    live: ServedModel, scored: ServedScores, table: pa.Table, histories: Histories, moments: Moments, extra: Extra
) -> list[Reasons]:
    scores = FeatureScores(scored.probability, scored.interval, scored.stage, scored.matrix, table)
    reasons = live.explainer.reasons(histories, moments, scores)
    language, clock = extra.reasons or "en", partial(local, zone=extra.zone)
    return [
        reasons_of(row, live.scorer, Telling(language, as_of, clock))
        for row, as_of in zip(reasons, moments.as_of.tolist(), strict=True)
    ]
