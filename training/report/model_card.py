"""The model card (Mitchell et al., Model Cards for Model Reporting, 2019): a template for each language, filled in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from string import Template

from training.measuring.tables import Table
from training.report.account import TrainingAccount
from training.report.account_tables import curve_table, features_table, segment_tables, sources_table, tables_of
from training.report.page import markdown_table, marked
from training.report.report import BACKTEST, VERSION
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

TEMPLATES = {"en": "model_card.md", "de": "model_card.de.md"}


def model_card(account: TrainingAccount, backtest: str = "") -> str:
    """The card in Markdown. backtest: the Markdown of a backtest's section where one was made."""
    language, days = account.language, account.target.horizon_days
    template = Path(__file__).with_name(TEMPLATES[language])
    return Template(template.read_text(encoding="utf-8")).substitute(
        name=account.name,
        version=marked(VERSION, t("not_registered", language)),
        summary=summary(account),
        plain="\n\n".join(plain_words(account)),
        limits=_bullets(limits(language)),
        trained_on=_bullets(trained_on_told(account)),
        data=_data(account),
        thresholds=_bullets(sentence(threshold, days, language) for threshold in account.thresholds),
        tables=_tables(tables_of(account)),
        segments=segments_told(account) + "\n" + _tables(segment_tables(account)) if account.segments else "",
        backtest=marked(BACKTEST, backtest or t("no_backtest", language)),
        calibration=calibration_told(account),
    )


def _data(account: TrainingAccount) -> str:
    """What more data would bring, where it came from, and what has changed."""
    if (known := account.background) is None:
        return ""
    tables = [
        curve_table(known.curve, account.language),
        sources_table(known.profile, account.language),
        features_table(known.profile.moved, account),
    ]
    told = [curve_told(known.curve, account.language), moved_told(known.profile, account)]
    return "\n\n".join(told) + "\n" + _tables([table for table in tables if table.rows])


def _tables(tables: Iterable[Table]) -> str:
    return "\n".join(map(markdown_table, tables))


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
