"""A backtest as tables of text, the most telling first: on a terminal, in the report and in the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from features.wording import number, percent, short_percent, signed
from training.judging.inflation import Inflation
from training.judging.rolling import Rolling, Round, SegmentResult
from training.measuring.evaluation import Bin, Estimate
from training.measuring.tables import Table, apart, own_metrics, share, shown

OTHERS = {"auc": 3, "top_decile_lift": 2, "slope": 2}
"""Measures without their intervals, which are in the JSON, so that a row fits a line; with how many digits."""


def rolling_tables(result: Rolling) -> list[Table]:
    """All tables of a backtest."""
    return [
        means(result),
        *own_metrics(result.places),
        *([each_origin(result)] if len(result.rounds) > 1 else []),
        periods(result.rounds),
        bands_over_time(result.rounds),
        trends(result.inflation),
        *(segment(name, values) for name, values in result.segments.items()),
    ]


def means(result: Rolling) -> Table:
    """Every contender on average over the origins."""
    rows = [
        [
            place.name,
            shown(place.metrics["log_loss"], 4),
            "" if i == 0 else apart(place.difference),
            *(_plain(place.metrics[name], digits) for name, digits in OTHERS.items()),
        ]
        for i, place in enumerate(result.places)
    ]
    title = (
        f"Mean of {len(result.rounds)} origins, each judged on the period that followed. Log-loss: lower is better, "
        "above +0 the champion is better (95 % intervals, by lead)"
    )
    head = [
        "prediction",
        "log-loss",
        "minus champion's",
        "AUC",
        "top-decile lift",
        "slope",
    ]
    return Table(title, head, rows)


def each_origin(result: Rolling) -> Table:
    """Log-loss at every origin, and in how many the champion was ahead."""
    rows = [
        [
            place.name,
            *(_plain(loss, 4) for loss in place.losses),
            signed(max(difference.value or 0.0 for difference in place.differences), 4),
            signed(min(difference.value or 0.0 for difference in place.differences), 4),
        ]
        for place in result.places
    ]
    head = ["prediction", *(period.name for period in result.rounds), "champion's best lead", "and worst"]
    return Table("Log-loss at each origin", head, rows)


def periods(rounds: Sequence[Round]) -> Table:
    """What each origin learnt from, and what was promised and realised in its period."""
    rows = [
        [
            period.name,
            number(period.learnt),
            number(period.learnt_positives),
            number(period.judged),
            number(period.leads),
            number(period.positives),
            percent(period.predicted, 1),
            share(period.observed),
        ]
        for period in rounds
    ]
    head = ["origin", "learnt from", "converted", "judged on", "leads", "converted", "mean prediction", "realised"]
    return Table("Origins and the periods that followed", head, rows)


def bands_over_time(rounds: Sequence[Round]) -> Table:
    """Realised conversion of each band of the champion's probabilities, period by period."""
    starts = sorted({(band.start, band.end) for period in rounds for band in period.bands})
    rows = [
        [f"{number(100 * start)}-{percent(end)}", *(_cell(period.bands, start) for period in rounds)]
        for start, end in starts
    ]
    title = "Do predictions come true, period after period? Promised: realised (95 % interval), leads"
    return Table(title, ["predicted", *(period.name for period in rounds)], rows)


def trends(result: Inflation) -> Table:
    """The statistic of the alarm on score inflation."""
    rows = [
        [
            trend.band,
            signed(trend.promised, 2),
            signed(trend.realised, 2),
            signed(trend.z, 1),
            "ALARM" if trend.alarm else "no",
        ]
        for trend in result.trends
    ]
    title = (
        "Are scores inflated? Change of conversions per 100 moments, first to last period (alarm: promised rises and "
        f"z below {number(result.limit, 1)}; a false alarm comes up in at most "
        f"{short_percent(result.error)} of backtests)"
    )
    return Table(title, ["predicted", "promised", "realised", "z", "inflation"], rows)


def segment(name: str, parts: Mapping[str, SegmentResult]) -> Table:
    """The champion by the values of a segment."""
    rows = [
        [
            value,
            number(result.whole.rows),
            number(result.whole.leads),
            number(result.positives),
            percent(result.whole.predicted, 1),
            share(result.whole.observed),
            _plain(result.log_loss, 4),
            apart(result.ahead_of_base_rate),
        ]
        for value, result in parts.items()
    ]
    head = [name, "moments", "leads", "converted", "promised", "realised", "log-loss", "base rate's minus it"]
    return Table(f"The champion by {name}, all periods", head, rows)


def _cell(bands: Sequence[Bin], start: float) -> str:
    for band in bands:
        if band.start == start:
            return f"{percent(band.predicted)}: {share(band.observed)}, {number(band.leads)}"
    return "-"


def _plain(estimate: Estimate, digits: int) -> str:
    return "-" if estimate.value is None else number(estimate.value, digits)
