"""A backtest as tables of text, the most telling first: on a terminal, in the report and in the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from features.numbers_in_words import Language, number, percent, short_percent, signed
from training.backtesting.backtest_result import BacktestResult, JudgedOrigin, SegmentResult
from training.backtesting.inflation import Inflation
from training.measuring.evaluation import Bin, Estimate
from training.measuring.phrases import BETWEEN
from training.measuring.tables import Table, apart, own_metrics, share, shown
from training.report.texts import named, t

OTHERS = {"auc": 3, "top_decile_lift": 2, "slope": 2}
"""Measures without their intervals, which are in the JSON, so that a row fits a line; with how many digits."""


def backtest_tables(result: BacktestResult, language: Language = "en") -> list[Table]:
    """All tables of a backtest."""
    return [
        means(result, language),
        *own_metrics(result.contenders, language),
        *([each_origin(result, language)] if len(result.origins) > 1 else []),
        periods(result.origins, language),
        bands_over_time(result.origins, language),
        trends(result.inflation, language),
        *(segment(name, values, language) for name, values in result.segments.items()),
    ]


def means(result: BacktestResult, language: Language = "en") -> Table:
    """Every contender on average over the origins."""
    rows = [
        [
            named(contender.name, language),
            shown(contender.metrics["log_loss"], 4, language),
            "" if i == 0 else apart(contender.difference, language),
            *(_plain(contender.metrics[name], digits, language) for name, digits in OTHERS.items()),
        ]
        for i, contender in enumerate(result.contenders)
    ]
    return Table(t("means", language, rounds=len(result.origins)), t.head("means_head", language), rows)


def each_origin(result: BacktestResult, language: Language = "en") -> Table:
    """Log-loss at every origin, and in how many the champion was ahead."""
    rows = [
        [
            named(contender.name, language),
            *(_plain(loss, 4, language) for loss in contender.losses),
            signed(max(difference.value or 0.0 for difference in contender.differences), 4, language),
            signed(min(difference.value or 0.0 for difference in contender.differences), 4, language),
        ]
        for contender in result.contenders
    ]
    columns = BETWEEN.join(period.name for period in result.origins)
    return Table(t("origins", language), t.head("origins_head", language, periods=columns), rows)


def periods(origins: Sequence[JudgedOrigin], language: Language = "en") -> Table:
    """What each origin learnt from, and what was promised and realised in its period."""
    rows = [
        [
            period.name,
            *(
                number(count, 0, language)
                for count in (period.learnt, period.learnt_positives, period.judged, period.leads, period.positives)
            ),
            percent(period.predicted, 1, language),
            share(period.observed, language),
        ]
        for period in origins
    ]
    return Table(t("periods", language), t.head("periods_head", language), rows)


def bands_over_time(origins: Sequence[JudgedOrigin], language: Language = "en") -> Table:
    """Realised conversion of each band of the champion's probabilities, period by period."""
    starts = sorted({(band.start, band.end) for period in origins for band in period.bands})
    rows = [
        [
            f"{number(100 * start, 0, language)}-{percent(end, 0, language)}",
            *(_cell(period.bands, start, language) for period in origins),
        ]
        for start, end in starts
    ]
    return Table(t("bands_over_time", language), [t("predicted", language), *(period.name for period in origins)], rows)


def trends(result: Inflation, language: Language = "en") -> Table:
    """The statistic of the alarm on score inflation."""
    rows = [
        [
            trend.band,
            signed(trend.promised, 2, language),
            signed(trend.realised, 2, language),
            signed(trend.z, 1, language),
            t("alarm" if trend.alarm else "no", language),
        ]
        for trend in result.trends
    ]
    limit, error = number(result.limit, 1, language), short_percent(result.error, language)
    return Table(t("trends", language, limit=limit, error=error), t.head("trends_head", language), rows)


def segment(name: str, parts: Mapping[str, SegmentResult], language: Language = "en") -> Table:
    """The champion by the values of a segment."""
    rows = [
        [
            named(value, language),
            number(result.whole.rows, 0, language),
            number(result.whole.leads, 0, language),
            number(result.positives, 0, language),
            percent(result.whole.predicted, 1, language),
            share(result.whole.observed, language),
            _plain(result.log_loss, 4, language),
            apart(result.ahead_of_base_rate, language),
        ]
        for value, result in parts.items()
    ]
    by = named(name, language)
    return Table(t("champion_by", language, name=by), t.head("champion_by_head", language, name=by), rows)


def _cell(bands: Sequence[Bin], start: float, language: Language) -> str:
    for band in bands:
        if band.start == start:
            said = percent(band.predicted, 0, language)
            return f"{said}: {share(band.observed, language)}, {number(band.leads, 0, language)}"
    return "-"


def _plain(estimate: Estimate, digits: int, language: Language) -> str:
    return "-" if estimate.value is None else number(estimate.value, digits, language)
