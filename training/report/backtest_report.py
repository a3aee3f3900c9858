"""A backtest in words, pictures and tables: a section of report and model card, and a run of its own in MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from features.wording import number
from training.judging.contenders import BASE_RATE
from training.judging.rolling import Place, Rolling
from training.registry.registry import Registry
from training.report import plots
from training.report.page import bullets, figure, html_table, markdown_table, page, paragraph, replaced
from training.report.report import BACKTEST
from training.report.rolling_tables import rolling_tables

SECTION = "section.html"
CARD = "section.md"
CAPTIONS = {
    "promised-realised": (
        "Was the promise kept, period after period?",
        "The mean probability that was given in each period, and the share that converted, with its 95 % interval.",
    ),
    "losses": (
        "Who was ahead, period after period?",
        "Log-loss of each prediction minus the champion's: above zero the champion was better. Bars: 95 % intervals.",
    ),
}


def draw(result: Rolling) -> dict[str, bytes]:
    """The pictures as PNG, by name (see CAPTIONS)."""
    figures = {"promised-realised": plots.promised_realised(result.rounds)}
    if len(result.places) > 1:
        figures["losses"] = plots.losses_over_time(result)
    return {name: plots.png(drawing) for name, drawing in figures.items()}


def words(result: Rolling) -> list[str]:
    """What came out, for somebody who knows nothing of models."""
    sentences = [
        f"The recipe was trained at {len(result.rounds)} past dates with what was known then, and judged on the period "
        f"that followed: {number(sum(period.judged for period in result.rounds))} moments, of which "
        f"{number(sum(period.positives for period in result.rounds))} converted."
    ]
    lift = result.places[0].metrics["top_decile_lift"]
    if lift.value is not None and lift.low is not None and lift.high is not None:
        sentences.append(
            f"The tenth with the highest scores converted {number(lift.value, 1)} times as often as the average "
            f"({number(lift.low, 1)} to {number(lift.high, 1)}), the mean over the dates."
        )
    sentences += [_against(place) for place in result.places if place.name == BASE_RATE]
    return [*sentences, _inflated(result), *(f"Not used, {reason}." for reason in result.skipped)]


def html_section(result: Rolling, pictures: Mapping[str, bytes]) -> str:
    """The section without its heading."""
    return "\n".join(
        [
            bullets(words(result)),
            *(figure(*CAPTIONS[name], picture) for name, picture in pictures.items()),
            *(html_table(table) for table in rolling_tables(result)),
            paragraph(f"Data, plan and code of this backtest: {result.digest[:12]}", "soft"),
        ]
    )


def markdown_section(result: Rolling) -> str:
    """The same for a model card, without pictures."""
    sentences = "\n".join(f"- {sentence}" for sentence in words(result))
    return "\n".join([sentences, *(markdown_table(table) for table in rolling_tables(result))])


def write_backtest(folder: Path, name: str, result: Rolling) -> Path:
    """Writes page, section, numbers and pictures below `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(result)
    section = html_section(result, pictures)
    for key, picture in pictures.items():
        (folder / f"{key}.png").write_bytes(picture)
    (folder / SECTION).write_text(section, encoding="utf-8")
    (folder / CARD).write_text(markdown_section(result), encoding="utf-8")
    (folder / "backtest.json").write_text(json.dumps(result.to_dict(), indent=1), encoding="utf-8")
    (folder / "backtest.html").write_text(page(f"{name}: backtest", [section]), encoding="utf-8")
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


def log_backtest(registry: Registry, name: str, folder: Path, result: Rolling) -> None:
    """A run of its own in MLflow: means over the origins, page, numbers and pictures."""
    with registry.experiment(name).run(f"backtest {result.digest[:12]}") as mlflow:
        mlflow.set_tags({"kind": "backtest", "digest": result.digest, "inflation": str(result.inflation.alarm)})
        mlflow.log_metrics(_means(result))
        for file in ("backtest.html", "backtest.json", CARD, *(f"{key}.png" for key in CAPTIONS)):
            if (folder / file).exists():
                mlflow.log_artifact(str(folder / file), "backtest")


def _means(result: Rolling) -> dict[str, float]:
    return {
        f"backtest.{place.name.replace(' ', '_')}.{key}": estimate.value
        for place in result.places
        for key, estimate in place.metrics.items()
        if estimate.value is not None
    }


def _against(base: Place) -> str:
    ahead = sum((difference.value or 0.0) > 0 for difference in base.differences)
    return (
        f"It was closer to what happened than saying the same of every lead at {ahead} of {len(base.differences)} "
        f"dates (log-loss {number(base.difference.value or 0.0, 4)} lower on average)."
    )


def _inflated(result: Rolling) -> str:
    bands = [trend.band for trend in result.inflation.trends if trend.alarm]
    if bands:
        return f"ALARM, scores are inflated: they rise, but conversions do not follow ({', '.join(bands)})."
    return "No sign of inflation: where scores rose from period to period, conversions kept pace."
