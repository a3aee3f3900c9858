"""What people read about a model: a self-contained HTML report, plain words first, then the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap

from data.typed_json import to_json
from features.labels import Target
from features.wording import chance, number, percent, signed, span, within
from training.artifact.manifest import ThinnedFrom, TrainedOn
from training.calibration.calibrator import Choice, Verdict
from training.measuring.evaluation import Bin, Estimate, Evaluation
from training.measuring.metrics import TOP
from training.measuring.tables import Table, share, tables
from training.report.page import bullets, figure, heading, html_table, marked, page, paragraph
from training.thresholds.model_warning import model_warning
from training.thresholds.promise_text import sentence
from training.thresholds.threshold import Threshold
from training.thresholds.verdicts import Field

BACKTEST, VERSION = "backtest", "version"
"""The marks of a page and of a model card where a backtest's section stands, and which version it is of."""
NO_VERSION = "Not registered."
NO_BACKTEST = "No backtest was made yet: `leadscore backtest` trains at several past dates and adds its section here."
FEWEST = 20
"""A band of fewer leads is no example."""
VERDICTS = {"as_said": "as said", "doubt": "chance, at so many looks", "more": "MORE came", "fewer": "FEWER came"}
CAPTIONS = {
    "reliability": (
        "Does a probability come true?",
        "Each dot is a band of probabilities: what was predicted on average, and how many converted. On the "
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
LIMITS = (
    "A probability says how many of 100 such leads convert, not whether this one will.",
    "It has learnt from the past. When leads, campaigns, prices or tracking change, probabilities and promises weaken: "
    "`leadscore monitor` compares them with what matured, and says when to recalibrate or to retrain.",
    "Intervals cover the luck of leads, not a change of the world; a small group of leads has a wide interval.",
    "What nobody recorded it does not know: a call that was not logged never happened.",
    "It learnt from leads as they were treated then. A lead that was never contacted may score low for that reason.",
    "Reasons say what a score rests on, not what causes a sale.",
)


@dataclass(frozen=True)
class TrainingAccount:
    """All that a report tells: who the model is, how it was judged, what it promises, on what it was trained."""

    name: str
    digest: str
    target: Target
    trained_on: TrainedOn
    judged_from: str
    judged_to: str
    evaluation: Evaluation
    by_age: Mapping[str, Evaluation]
    thresholds: Sequence[Threshold]
    calibration: Choice
    trials: Sequence[Verdict] = ()
    code: Mapping[str, str] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, Field]] = field(default_factory=dict)


def html(account: TrainingAccount, pictures: Mapping[str, bytes], backtest: str = "") -> str:
    """The report as one HTML file; it loads nothing from anywhere.

    pictures: name (see CAPTIONS) -> PNG. backtest: the HTML of a backtest's section where one was made.
    """
    days = account.target.horizon_days
    return page(
        account.name,
        [
            marked(VERSION, paragraph(NO_VERSION, "soft")),
            paragraph(summary(account)),
            heading("In plain words"),
            *(paragraph(text, "lead") for text in plain_words(account)),
            heading("Thresholds and what they promise"),
            *(paragraph(sentence(threshold, days)) for threshold in account.thresholds),
            heading("What it cannot do"),
            bullets(LIMITS),
            heading("The evidence, in pictures"),
            *(figure(*CAPTIONS[name], picture) for name, picture in pictures.items()),
            heading("The evidence, in numbers"),
            *(html_table(table) for table in tables_of(account)),
            heading("At past dates"),
            marked(BACKTEST, backtest or paragraph(NO_BACKTEST, "soft")),
            heading("Calibration"),
            paragraph(calibration_told(account)),
            heading("Trained on"),
            bullets(trained_on_told(account)),
        ],
    )


def summary(account: TrainingAccount) -> str:
    """What the model is and on what it was judged, in two sentences."""
    return (
        f"The model says how likely it is that a lead reaches {' or '.join(account.target.events)} "
        f"{within(account.target.horizon_days)}. It was judged on {number(account.evaluation.rows)} moments of "
        f"{number(account.evaluation.leads)} leads from {account.judged_from} to {account.judged_to}, none of which it "
        "had seen."
    )


def plain_words(account: TrainingAccount) -> list[str]:
    """What the model is good for, for somebody who knows nothing of models."""
    evaluation, days = account.evaluation, account.target.horizon_days
    lift, base = evaluation.judgements[0].metrics["top_decile_lift"], evaluation.base_rate
    warning = model_warning(account.trained_on.small, "en", account.trained_on.lags)
    sentences = [
        f"{_chance(lift, base)} leads in the tenth with the highest scores convert {within(days)}; of leads taken as "
        f"they come, {chance(base)} do.",
        f"Whoever works that tenth first meets {percent(TOP * (lift.value or 0.0))} of all conversions.",
    ]
    examples = [band for band in evaluation.bands if band.leads >= FEWEST]
    if examples:
        sentences.append(_example(max(examples, key=lambda band: band.predicted)))
    return [*([warning] if warning else []), " ".join(sentences[:2]), *sentences[2:]]


def tables_of(account: TrainingAccount) -> list[Table]:
    """All tables about the newest slice."""
    return [*tables(account.evaluation, account.by_age), *(starmap(segment_table, account.segments.items()))]


def segment_table(name: str, values: Mapping[str, Field]) -> Table:
    """What was said of the leads of each value of a segment, and what came."""
    rows = []
    for value, judged in values.items():
        came = Estimate(judged.came / judged.leads, judged.low, judged.high)
        said = percent(judged.promised / judged.leads, 1)
        rows.append([value, number(judged.leads), number(judged.came), said, share(came), VERDICTS[judged.verdict]])
    head = [name, "leads", "converted", "said", "came", "verdict"]
    return Table(f"Does it hold by {name}? Each lead once (95 % intervals)", head, rows)


def calibration_told(account: TrainingAccount) -> str:
    """Which calibrator is in use."""
    return f"In use: {account.calibration.calibrator.name}. {'; '.join(verdicts_told(account))}."


def verdicts_told(account: TrainingAccount) -> list[str]:
    """What each candidate gained on leads that came later."""
    return [
        f"{verdict.name}: gain {signed(verdict.gain, 5)} (standard error {number(verdict.se, 5)}), "
        + ("accepted" if verdict.accepted else "not accepted")
        for verdict in account.calibration.verdicts
    ]


def trained_on_told(account: TrainingAccount) -> list[str]:
    """The training data in words."""
    facts = {**to_json(account.trained_on), "artifact": account.digest, **account.code}
    facts["versions"] = ", ".join(f"{name} {number}" for name, number in (account.trained_on.versions or {}).items())
    named = {key: value for key, value in facts.items() if not key.endswith("_us") and key not in ("small", "thinned")}
    lines = [f"{key.replace('_', ' ')}: {value}" for key, value in named.items()]
    thinned = account.trained_on.thinned
    lines += [] if thinned is None else [thinned_told(thinned)]
    return lines + [trial.told for trial in account.trials]


def thinned_told(thinned: ThinnedFrom) -> str:
    """What of a large training set was read.

    >>> thinned_told(ThinnedFrom(2_900_000, 8, 14)).partition(";")[0]
    'thinned: of 2,900,000 moments one lead in 8 was read whole, to measure by'
    """
    return (
        f"thinned: of {number(thinned.moments)} moments one lead in {thinned.every} was read whole, to measure by; "
        f"learnt from were all moments that converted, and one in {thinned.one_of} of the others, so much heavier"
    )


def _chance(lift: Estimate, base: float) -> str:
    if lift.value is None or lift.low is None or lift.high is None:
        return "An unknown number of"
    return f"{chance(lift.value * base)} ({span(lift.low * base, lift.high * base)})"


def _example(band: Bin) -> str:
    value, low, high = (share or 0.0 for share in (band.observed.value, band.observed.low, band.observed.high))
    return (
        f"Where it says {chance(band.predicted)}, as it did of {number(band.leads)} leads between "
        f"{number(100 * band.start)} and {percent(band.end)}, {chance(value)} converted ({span(low, high)})."
    )
