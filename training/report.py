"""What people read about a model: a self-contained HTML report and a model card in Markdown, plain words first."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from training.calibration import Verdict
from training.evaluation import Evaluation
from training.promises import sentence
from training.selection import sentence as trial_sentence
from training.tables import Table, tables
from training.thresholds import Threshold

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 0; }
img { max-width: 100%; height: auto; }
"""
CAPTIONS = {
    "reliability": (
        "Does a probability come true?",
        "Each dot is a tenth of the judged moments: what was predicted for them, and how many converted. On the "
        "diagonal predictions keep their word; the bars show how sure that is.",
    ),
    "gains": (
        "How many conversions are among the best leads?",
        "Work the leads from the highest score down: so large a share of all conversions is reached.",
    ),
    "precision-recall": (
        "How pure and how complete is a selection?",
        "The higher a threshold, the more of the selected leads convert, and the more conversions are missed.",
    ),
    "scores": ("Where do today's leads stand?", "How the leads that came up lately spread over the probabilities."),
    "what-if": (
        "What would another threshold bring?",
        "Leads and wins a week, and the share of leads that converts, for every threshold.",
    ),
    "importances": (
        "What does the model look at?",
        "Share of each feature in what the trees gained; it says how much a feature is used, not what causes a sale.",
    ),
}


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
    trials: Sequence[Verdict] = ()


def html(account: Account, pictures: Mapping[str, bytes]) -> str:
    """The report as one HTML file; it loads nothing from anywhere. `pictures`: name (see CAPTIONS) -> PNG."""
    days = int(account.target["horizon_days"])
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>",
        f"<title>{escape(account.name)}</title><style>{STYLE}</style>",
        f"<h1>{escape(account.name)}</h1>",
        f"<p>{escape(summary(account))}</p>",
        "<h2>Thresholds and what they promise</h2>",
        *(f"<p>{escape(sentence(each, days))}</p>" for each in account.thresholds),
        *(_figure(name, picture) for name, picture in pictures.items()),
        *(_table(each) for each in tables(account.evaluation, account.by_age)),
        "<h2>Trained on</h2>",
        "<ul>",
        *(f"<li>{escape(line)}</li>" for line in _trained_on(account)),
        "</ul></html>",
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
        *(f"- {line}" for line in _trained_on(account)),
        "",
        "## Thresholds",
        *(f"- {sentence(each, days)}" for each in account.thresholds),
        "",
        "## Judged on the newest slice",
        *(_markdown(each) for each in tables(account.evaluation, account.by_age)),
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


def _trained_on(account: Account) -> list[str]:
    told = {key.replace("_", " "): value for key, value in account.trained_on.items() if not key.endswith("_us")}
    lines = [f"{key}: {value}" for key, value in {**told, "artifact": account.digest}.items()]
    return lines + [trial_sentence(each) for each in account.trials]


def _figure(name: str, picture: bytes) -> str:
    title, text = CAPTIONS[name]
    image = f"<img alt='{escape(title)}' src='{_inline(picture)}'>"
    return f"<h2>{escape(title)}</h2><p>{escape(text)}</p><figure>{image}</figure>"


def _table(each: Table) -> str:
    cells = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in each.head) + "</tr>"]
    cells += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in each.rows]
    return f"<h2>{escape(each.title)}</h2><table>{''.join(cells)}</table>"


def _markdown(each: Table) -> str:
    lines = [each.head, ["---"] * len(each.head), *each.rows]
    return f"\n### {each.title}\n\n" + "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _inline(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
