"""What people read about a model: a self-contained HTML report, plain words first, then the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from features.numbers_in_words import number
from training.measuring.tables import Table
from training.report.account import Background, TrainingAccount
from training.report.account_tables import (
    curve_table,
    features_table,
    months_table,
    segment_tables,
    shuffled_table,
    sources_table,
    tables_of,
)
from training.report.page import bullets, figure, folded, heading, html_table, marked, page, paragraph
from training.report.sentences import (
    calibration_told,
    curve_told,
    limits,
    moved_told,
    plain_words,
    segments_told,
    summary,
    trained_on_told,
)
from training.report.texts import t
from training.thresholds.promise_text import sentence

BACKTEST, VERSION = "backtest", "version"
"""The marks of a page and of a model card where a backtest's section stands, and which version it is of."""
ABOUT_DATA = ("curve", "shuffled", "months")
"""Pictures that stand in sections of their own."""


def html(account: TrainingAccount, pictures: Mapping[str, bytes], backtest: str = "") -> str:
    """The report as one HTML file; it loads nothing from anywhere.

    pictures: name (see texts.toml) -> PNG. backtest: the HTML of a backtest's section where one was made.
    """
    language, days = account.language, account.target.horizon_days
    evidence = {name: picture for name, picture in pictures.items() if name not in ABOUT_DATA}
    parts = [
        marked(VERSION, paragraph(t("not_registered", language), "soft")),
        paragraph(summary(account)),
        heading(t("plain", language)),
        *(paragraph(text, "lead") for text in plain_words(account)),
        heading(t("thresholds", language)),
        *(paragraph(sentence(threshold, days, language)) for threshold in account.thresholds),
        heading(t("cannot", language)),
        bullets(limits(language)),
        heading(t("pictures", language)),
        *(_figure(account, name, picture) for name, picture in evidence.items()),
        heading(t("numbers", language)),
        *map(html_table, tables_of(account)),
        *_segments(account),
        *(_background(account, account.background, pictures) if account.background else ()),
        heading(t("past_dates", language)),
        marked(BACKTEST, backtest or paragraph(t("no_backtest", language), "soft")),
        heading(t("calibration", language)),
        paragraph(calibration_told(account)),
        heading(t("trained_on", language)),
        bullets(trained_on_told(account)),
    ]
    return page(account.name, parts, language)


def _segments(account: TrainingAccount) -> list[str]:
    if not account.segments:
        return []
    return [paragraph(segments_told(account)), *map(html_table, segment_tables(account))]


def _background(account: TrainingAccount, known: Background, pictures: Mapping[str, bytes]) -> list[str]:
    """What more data would bring, what the model rests on, and what the data are."""
    language, features = account.language, known.profile.features
    drawn = {name: _figure(account, name, picture) for name, picture in pictures.items() if name in ABOUT_DATA}
    all_of_them = t("all_features", language, count=number(len(features), 0, language))
    return [
        heading(t("more_data", language)),
        paragraph(curve_told(known.curve, language)),
        drawn.get("curve", ""),
        *_tables([curve_table(known.curve, language)]),
        heading(t("features", language)),
        drawn.get("shuffled", ""),
        *(folded(table.title, html_table(table)) for table in _filled([shuffled_table(known.shuffled, account)])),
        heading(t("data", language)),
        paragraph(moved_told(known.profile, account)),
        drawn.get("months", ""),
        *_tables([sources_table(known.profile, language)]),
        folded(t("months_table", language), html_table(months_table(known.profile, language))),
        folded(all_of_them, html_table(features_table(features, account))),
    ]


def _figure(account: TrainingAccount, name: str, picture: bytes) -> str:
    return figure(t(name, account.language), t(f"{name}_about", account.language), picture)


def _tables(tables: Sequence[Table]) -> list[str]:
    return [html_table(table) for table in _filled(tables)]


def _filled(tables: Sequence[Table]) -> list[Table]:
    return [table for table in tables if table.rows]
