"""A backtest in words, pictures and tables: a section of report and model card, and a run of its own in MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from features.numbers_in_words import Language, number
from training.backtesting.backtest_result import BacktestResult, ContenderResult
from training.backtesting.contenders import BASE_RATE
from training.registry.registry import Registry
from training.report.backtest_plots import losses_over_time, promised_realised
from training.report.backtest_tables import backtest_tables
from training.report.page import bullets, figure, html_table, markdown_table, page, paragraph, replaced
from training.report.panels import png
from training.report.report import BACKTEST
from training.report.texts import t

SECTION = "section.html"
CARD = "section.md"
DRAWN = ("promised-realised", "losses")
"""Pictures by name; the second one is for several contenders."""


def draw(result: BacktestResult, language: Language = "en") -> dict[str, bytes]:
    """The pictures as PNG, by name (see DRAWN)."""
    figures = {"promised-realised": promised_realised(result.origins, language)}
    if len(result.contenders) > 1:
        figures["losses"] = losses_over_time(result, language)
    return {name: png(drawing) for name, drawing in figures.items()}


def words(result: BacktestResult, language: Language = "en") -> list[str]:
    """What came out, for somebody who knows nothing of models."""
    moments, converted = (
        number(sum(getattr(period, name) for period in result.origins), 0, language) for name in ("judged", "positives")
    )
    sentences = [t("backtested", language, rounds=len(result.origins), moments=moments, converted=converted)]
    lift = result.contenders[0].metrics["top_decile_lift"]
    if lift.value is not None and lift.low is not None and lift.high is not None:
        value, low, high = (number(end, 1, language) for end in (lift.value, lift.low, lift.high))
        sentences.append(t("backtest_lift", language, value=value, low=low, high=high))
    sentences += [_against(contender, language) for contender in result.contenders if contender.name == BASE_RATE]
    skipped = (t("not_used", language, reason=reason) for reason in result.skipped)
    return [*sentences, _inflated(result, language), *skipped]


def html_section(result: BacktestResult, pictures: Mapping[str, bytes], language: Language = "en") -> str:
    """The section without its heading."""
    return "\n".join(
        [
            bullets(words(result, language)),
            *(figure(t(name, language), t(f"{name}_about", language), picture) for name, picture in pictures.items()),
            *(html_table(table) for table in backtest_tables(result, language)),
            paragraph(t("backtest_of", language, digest=result.digest[:12]), "soft"),
        ]
    )


def markdown_section(result: BacktestResult, language: Language = "en") -> str:
    """The same for a model card, without pictures."""
    sentences = "\n".join(f"- {sentence}" for sentence in words(result, language))
    return "\n".join([sentences, *(markdown_table(table) for table in backtest_tables(result, language))])


def write_backtest(folder: Path, name: str, result: BacktestResult, language: Language = "en") -> Path:
    """Writes page, section, numbers and pictures below `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(result, language)
    section = html_section(result, pictures, language)
    for key, picture in pictures.items():
        (folder / f"{key}.png").write_bytes(picture)
    (folder / SECTION).write_text(section, encoding="utf-8")
    (folder / CARD).write_text(markdown_section(result, language), encoding="utf-8")
    (folder / "backtest.json").write_text(json.dumps(result.to_dict(), indent=1), encoding="utf-8")
    (folder / "backtest.html").write_text(
        page(t("backtest", language, name=name), [section], language), encoding="utf-8"
    )
    return folder / "backtest.html"


def sections(folder: Path) -> tuple[str, str]:
    """The sections for report and model card that a backtest left in its folder; empty where there is none."""
    html, card = (folder / name for name in (SECTION, CARD))
    return tuple(file.read_text(encoding="utf-8") if file.exists() else "" for file in (html, card))  # type: ignore[return-value]


def add_to_report(report: Path, folder: Path) -> None:
    """Puts a backtest's sections into the report and model card that `train` has left in a folder, if it has."""
    for file, section in zip(("report.html", "model_card.md"), sections(folder), strict=True):
        if (report / file).exists():
            text = (report / file).read_text(encoding="utf-8")
            (report / file).write_text(replaced(text, BACKTEST, section), encoding="utf-8")


def log_backtest(registry: Registry, name: str, folder: Path, result: BacktestResult) -> None:
    """A run of its own in MLflow: means over the origins, page, numbers and pictures."""
    with registry.experiment(name).run(f"backtest {result.digest[:12]}") as mlflow:
        mlflow.set_tags({"kind": "backtest", "digest": result.digest, "inflation": str(result.inflation.alarm)})
        mlflow.log_metrics(_means(result))
        for file in ("backtest.html", "backtest.json", CARD, *(f"{key}.png" for key in DRAWN)):
            if (folder / file).exists():
                mlflow.log_artifact(str(folder / file), "backtest")


def _means(result: BacktestResult) -> dict[str, float]:
    return {
        f"backtest.{contender.name.replace(' ', '_')}.{key}": estimate.value
        for contender in result.contenders
        for key, estimate in contender.metrics.items()
        if estimate.value is not None
    }


def _against(base: ContenderResult, language: Language) -> str:
    ahead = sum((difference.value or 0.0) > 0 for difference in base.differences)
    saved = number(base.difference.value or 0.0, 4, language)
    return t("against", language, ahead=ahead, of=len(base.differences), saved=saved)


def _inflated(result: BacktestResult, language: Language) -> str:
    bands = ", ".join(trend.band for trend in result.inflation.trends if trend.alarm)
    return t("inflated", language, bands=bands) if bands else t("not_inflated", language)
