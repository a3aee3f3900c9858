"""A backtest as tables of text, the most telling first: on a terminal, in the report and in the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from features.wording import number, percent, short_percent, signed
from training.judging.inflation import Inflation
from training.judging.rolling import Rolling, Round, SegmentResult
from training.measuring.evaluation import Bin, Estimate
from training.measuring.tables import Table, apart, share, shown

OTHERS = {"auc": 3, "top_decile_lift": 2, "slope": 2}
"""Measures without their intervals, which are in the JSON, so that a row fits a line; with how many digits."""


def rolling_tables(result: Rolling) -> list[Table]:
    """All tables of a backtest."""
    return [
        means(result),
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
            each.name,
            shown(each.metrics["log_loss"], 4),
            "" if i == 0 else apart(each.difference),
            *(_plain(each.metrics[name], digits) for name, digits in OTHERS.items()),
        ]
        for i, each in enumerate(result.places)
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
            each.name,
            *(_plain(loss, 4) for loss in each.losses),
            signed(max(difference.value or 0.0 for difference in each.differences), 4),
            signed(min(difference.value or 0.0 for difference in each.differences), 4),
        ]
        for each in result.places
    ]
    head = ["prediction", *(each.name for each in result.rounds), "champion's best lead", "and worst"]
    return Table("Log-loss at each origin", head, rows)


def periods(rounds: Sequence[Round]) -> Table:
    """What each origin learnt from, and what was promised and realised in its period."""
    rows = [
        [
            each.name,
            number(each.learnt),
            number(each.learnt_positives),
            number(each.judged),
            number(each.leads),
            number(each.positives),
            percent(each.predicted, 1),
            share(each.observed),
        ]
        for each in rounds
    ]
    head = ["origin", "learnt from", "converted", "judged on", "leads", "converted", "mean prediction", "realised"]
    return Table("Origins and the periods that followed", head, rows)


def bands_over_time(rounds: Sequence[Round]) -> Table:
    """Realised conversion of each band of the champion's probabilities, period by period."""
    starts = sorted({(each.start, each.end) for one in rounds for each in one.bands})
    rows = [
        [f"{number(100 * start)}-{percent(end)}", *(_cell(one.bands, start) for one in rounds)] for start, end in starts
    ]
    title = "Do predictions come true, period after period? Promised: realised (95 % interval), leads"
    return Table(title, ["predicted", *(each.name for each in rounds)], rows)


def trends(result: Inflation) -> Table:
    """The statistic of the alarm on score inflation."""
    rows = [
        [
            each.band,
            signed(each.promised, 2),
            signed(each.realised, 2),
            signed(each.z, 1),
            "ALARM" if each.alarm else "no",
        ]
        for each in result.trends
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
            number(each.whole.rows),
            number(each.whole.leads),
            number(each.positives),
            percent(each.whole.predicted, 1),
            share(each.whole.observed),
            _plain(each.log_loss, 4),
            apart(each.ahead_of_base_rate),
        ]
        for value, each in parts.items()
    ]
    head = [name, "moments", "leads", "converted", "promised", "realised", "log-loss", "base rate's minus it"]
    return Table(f"The champion by {name}, all periods", head, rows)


def _cell(bands: Sequence[Bin], start: float) -> str:
    for each in bands:
        if each.start == start:
            return f"{percent(each.predicted)}: {share(each.observed)}, {number(each.leads)}"
    return "-"


def _plain(each: Estimate, digits: int) -> str:
    return "-" if each.value is None else number(each.value, digits)
