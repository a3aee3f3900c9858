"""The model card (Mitchell et al., Model Cards for Model Reporting, 2019): the template `model_card.md`, filled in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from string import Template

from training.report.page import markdown_table, marked
from training.report.report import (
    BACKTEST,
    LIMITS,
    NO_BACKTEST,
    NO_VERSION,
    VERSION,
    TrainingAccount,
    plain_words,
    summary,
    tables_of,
    trained_on_told,
    verdicts_told,
)
from training.thresholds.promise_text import sentence

TEMPLATE = Path(__file__).with_suffix(".md")


def model_card(account: TrainingAccount, backtest: str = "") -> str:
    """The card in Markdown. backtest: the Markdown of a backtest's section where one was made."""
    days = account.target.horizon_days
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=account.name,
        version=marked(VERSION, NO_VERSION),
        summary=summary(account),
        plain="\n\n".join(plain_words(account)),
        limits=_bullets(LIMITS),
        trained_on=_bullets(trained_on_told(account)),
        thresholds=_bullets(sentence(threshold, days) for threshold in account.thresholds),
        tables="\n".join(markdown_table(table) for table in tables_of(account)),
        backtest=marked(BACKTEST, backtest or NO_BACKTEST),
        calibrator=account.calibration.calibrator.name,
        verdicts=_bullets(verdicts_told(account)),
    )


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
