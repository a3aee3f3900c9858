"""What people read about a model: a self-contained HTML report and a model card in Markdown, plain words first."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from training.evaluation import Estimate, Evaluation
from training.promises import sentence
from training.thresholds import Threshold

NAMES = {
    "log_loss": "log-loss",
    "brier": "Brier",
    "auc": "AUC",
    "average_precision": "avg. precision",
    "top_decile_lift": "top-decile lift",
    "slope": "slope",
    "intercept": "intercept",
}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; }
"""


@dataclass(frozen=True)
class Account:
    """All that a report tells: who the model is, how it was judged, what it promises, on what it was trained."""

    name: str
    digest: str
    target: Mapping[str, Any]
    trained_on: Mapping[str, Any]
    judged_from: str
    judged_to: str
    evaluation: Evaluation
    by_age: Mapping[str, Evaluation]
    thresholds: Sequence[Threshold]
    calibration: Mapping[str, Any]


def metric_rows(evaluation: Evaluation) -> list[list[str]]:
    """A row per prediction: name, metrics with 95 % intervals, difference in log-loss to the champion, ECE (floor)."""
    return [
        [
            each.name,
            *(_estimate(each.metrics[name]) for name in NAMES),
            "" if i == 0 else _signed(each.difference),
            f"{each.ece:.4f} ({each.ece_floor.value or 0:.4f})",
        ]
        for i, each in enumerate(evaluation.judgements)
    ]


def metric_head() -> list[str]:
    """Column heads of `metric_rows`."""
    return ["prediction", *NAMES.values(), "log-loss minus champion's", "ECE (floor)"]


def age_rows(by_age: Mapping[str, Evaluation]) -> list[list[str]]:
    """A row per age group of the lead: moments, converted, log-loss and AUC of champion and base rate."""
    return [
        [
            group,
            f"{each.rows:,}",
            f"{each.positives:,}",
            *(_estimate(each.judgements[0].metrics[name]) for name in ("log_loss", "auc", "slope")),
            _signed(each.judgements[1].difference),
        ]
        for group, each in by_age.items()
    ]


def age_head() -> list[str]:
    """Column heads of `age_rows`."""
    return ["lead known for", "moments", "converted", "log-loss", "AUC", "slope", "base rate minus champion"]


def band_rows(evaluation: Evaluation) -> list[list[str]]:
    """A row per band of probability: what was predicted, what happened."""
    return [
        [
            f"{100 * each.start:.0f}-{100 * each.end:.0f} %",
            f"{each.rows:,}",
            f"{each.leads:,}",
            f"{100 * each.predicted:.1f} %",
            f"{100 * (each.observed.value or 0):.1f} % "
            f"({100 * (each.observed.low or 0):.1f}-{100 * (each.observed.high or 0):.1f})",
        ]
        for each in evaluation.bands
    ]


def band_head() -> list[str]:
    """Column heads of `band_rows`."""
    return ["predicted", "moments", "leads", "mean prediction", "converted (95 % interval)"]


def html(account: Account, pictures: Mapping[str, bytes]) -> str:
    """The report as one HTML file; it loads nothing from anywhere. `pictures`: caption -> PNG."""
    days = int(account.target["horizon_days"])
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>",
        f"<title>{escape(account.name)}</title><style>{STYLE}</style>",
        f"<h1>{escape(account.name)}</h1>",
        f"<p>{escape(summary(account))}</p>",
        "<h2>Thresholds and what they promise</h2>",
        *(f"<p>{escape(sentence(each, days))}</p>" for each in account.thresholds),
        "<h2>Do predictions come true?</h2>",
        _table(band_head(), band_rows(account.evaluation)),
        *(
            f"<figure><img alt='{escape(name)}' src='{_inline(picture)}'></figure>"
            for name, picture in pictures.items()
        ),
        "<h2>Beside simpler ways</h2>",
        "<p>Lower log-loss is better; a difference whose interval lies above 0 means that the champion is better.</p>",
        _table(metric_head(), metric_rows(account.evaluation)),
        "<h2>By age of the lead</h2>",
        _table(age_head(), age_rows(account.by_age)),
        f"<p>Artifact {account.digest}</p></html>",
    ]
    return "\n".join(parts)


def summary(account: Account) -> str:
    """What the model is and how well it did, in three sentences."""
    champion, base = account.evaluation.judgements[0], account.evaluation.judgements[1]
    lift = champion.metrics["top_decile_lift"].value or 0.0
    return (
        f"The model says how likely it is that a lead reaches {' or '.join(account.target['events'])} within "
        f"{account.target['horizon_days']} days. It was judged on {account.evaluation.rows:,} moments of "
        f"{account.evaluation.leads:,} leads from {account.judged_from} to {account.judged_to}, none of which it had "
        f"seen: {100 * account.evaluation.base_rate:.1f} % converted, and among the tenth with the highest scores "
        f"{lift:.1f} times as many. Its log-loss was {champion.metrics['log_loss'].value:.4f}, that of the base rate "
        f"{base.metrics['log_loss'].value:.4f}."
    )


def model_card(account: Account) -> str:
    """The model card (Mitchell et al. 2019) in Markdown."""
    days = int(account.target["horizon_days"])
    lines = [
        f"# {account.name}",
        "",
        summary(account),
        "",
        "## Intended use",
        "Ranking and sizing of sales and marketing effort for leads like those it was trained on. Not for decisions",
        "with legal or similarly significant effect on a person. Guarantees weaken when leads or market change: watch",
        "matured cohorts.",
        "",
        "## Trained on",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in account.trained_on.items()),
        "",
        "## Thresholds",
        *(f"- {sentence(each, days)}" for each in account.thresholds),
        "",
        "## Judged on the newest slice",
        _markdown(metric_head(), metric_rows(account.evaluation)),
        "",
        "## By age of the lead",
        _markdown(age_head(), age_rows(account.by_age)),
        "",
        "## Calibration",
        f"In use: {account.calibration['calibrator']['name']}. Candidates had to be better than none by more than one "
        "standard error on leads that came later:",
        *(
            f"- {each['name']}: gain {each['gain']:+.5f} (standard error {each['se']:.5f}), "
            + ("accepted" if each["accepted"] else "not accepted")
            for each in account.calibration["verdicts"]
        ),
        "",
    ]
    return "\n".join(lines)


def _estimate(each: Estimate) -> str:
    if each.value is None:
        return "-"
    return f"{each.value:.4f}" if each.low is None else f"{each.value:.4f} ({each.low:.4f}-{each.high:.4f})"


def _signed(each: Estimate) -> str:
    if each.value is None or each.low is None:
        return "-"
    return f"{each.value:+.4f} ({each.low:+.4f} to {each.high:+.4f})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    cells += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return f"<table>{''.join(cells)}</table>"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _inline(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
