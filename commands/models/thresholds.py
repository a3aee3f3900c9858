"""Commands about thresholds: what they promise, what others would bring, and setting another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import VAR, AsJson, AsParquet, Config, Quiet, StoreUrl, Var, workspace_of
from commands.store.trail import note
from console import Screen
from data.contract import UsageError

if TYPE_CHECKING:
    from training.thresholds.rule_types import RecordPeriod
    from training.thresholds.spread import Spread
    from training.thresholds.threshold import Threshold

thresholds = typer.Typer(no_args_is_help=True, help="What MQL and SQL promise, or would elsewhere; set another.")
Stage = Annotated[str, typer.Argument(help="MQL or SQL")]
HEAD = ["stage", "by", "from", "promised", "labels", "above", "converted", "leads a week", "wins a week", "past", "now"]


@thresholds.command()
def show(config: Config = None, var: Var = VAR, quiet: Quiet = False, as_json: AsJson = False) -> None:
    """The champion's thresholds and what they promise. On what evidence, and what became of past promises."""
    from training.updating.update_threshold import thresholds_of

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config)
    champion = workspace.champion()
    current = thresholds_of(champion)
    screen.table(
        f"Thresholds of {champion.name} version {champion.version}", HEAD, [_row(threshold) for threshold in current]
    )
    screen.result([threshold.to_dict() for threshold in current])


@thresholds.command()
def explain(stage: Stage, config: Config = None, var: Var = VAR, german: bool = False, as_json: AsJson = False) -> None:
    """What a stage promises, in a sentence. With its record, period by period."""
    from training.thresholds.promise_text import sentence
    from training.updating.update_threshold import thresholds_of

    screen, workspace = Screen(as_json=as_json), workspace_of(var, config)
    by_stage = {fitted.stage: fitted for fitted in thresholds_of(workspace.champion())}
    if stage.upper() not in by_stage:
        raise UsageError(f"there is no stage {stage!r}; there are {', '.join(by_stage)}")
    threshold = by_stage[stage.upper()]
    text = sentence(threshold, workspace.settings.chosen_target.horizon_days, "de" if german else "en")
    screen.tell(text)
    rows = [] if threshold.record is None else [_past(period) for period in threshold.record.periods]
    if rows:
        head = ["made on", "held against up to", "threshold", "above", "converted", "precision (95 %)", "promise"]
        screen.table("The same promise at past dates", head, rows)
    screen.result({**threshold.to_dict(), "sentence": text})


@thresholds.command("what-if")
def what_if(
    config: Config = None,
    var: Var = VAR,
    plot: Annotated[Path | None, typer.Option(help="write the picture here, .png")] = None,
    parquet: AsParquet = None,
    as_json: AsJson = False,
) -> None:
    """What other thresholds would bring. Volume and wins a week, precision with its interval, recall."""
    from features.numbers_in_words import number
    from training.report.panels import png
    from training.report.plots import what_if_curve
    from training.updating.update_threshold import grounds_of, thresholds_of

    screen, workspace = Screen(as_json=as_json), workspace_of(var, config)
    if plot is not None and plot.suffix != ".png":
        raise UsageError(f"{plot}: the picture is a .png; name it so")
    champion = workspace.champion()
    grounds = grounds_of(champion)
    curve = grounds.curve
    columns = (curve.probability, curve.leads_per_week, curve.wins_per_week, curve.precision, curve.low, curve.high)
    rows = [
        [
            _share(p),
            number(leads, 1),
            number(wins, 1),
            _share(precision),
            f"{_share(low)} to {_share(high)}",
            _share(recall),
        ]
        for p, leads, wins, precision, low, high, recall in zip(*columns, curve.recall, strict=True)
    ]
    head = ["from", "leads a week", "wins a week", "precision", "95 % interval", "of all wins"]
    series = {name: getattr(curve, name).tolist() for name in curve.__dataclass_fields__}
    screen.keep([dict(zip(series, row, strict=True)) for row in zip(*series.values(), strict=True)], parquet)
    screen.table("What if a stage began elsewhere", head, rows)
    if plot is not None:
        plot.write_bytes(png(what_if_curve(curve, thresholds_of(champion))))
        screen.tell(f"picture {plot}")
    screen.result(series)


@thresholds.command("set")
def set_(
    stage: Stage,
    precision: Annotated[float | None, typer.Option(help="share that is promised to convert")] = None,
    confidence: Annotated[float, typer.Option(help="confidence of a promised precision")] = 0.95,
    per_week: Annotated[float | None, typer.Option(help="leads that can be worked in a week")] = None,
    value: Annotated[float | None, typer.Option(help="what a win is worth")] = None,
    cost: Annotated[float | None, typer.Option(help="what a touch costs")] = None,
    reason: Annotated[str, typer.Option(help="why; noted in the registry")] = "threshold set by hand",
    config: Config = None,
    var: Var = VAR,
    store: StoreUrl = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Give a stage another promise. A new version with the same model; servers take it up within seconds."""
    from features.training_set import TrainingSet
    from settings_file import threshold_section
    from training.recipe.plan import Promise
    from training.thresholds.promise_text import sentence
    from training.updating.update_threshold import set_threshold

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config)
    asked = threshold_section(precision=precision, confidence=confidence, per_week=per_week, value=value, cost=cost)
    promise = Promise(stage.upper(), **asked.model_dump())
    with workspace.writing("leadscore thresholds set"):
        made = set_threshold(TrainingSet.open(workspace.training_set_path), workspace.registry, promise, reason)
    note(var, store, f"threshold {promise.stage} {made.threshold.rule.kind} {made.threshold.rule.target:g}")
    screen.tell(sentence(made.threshold, workspace.settings.chosen_target.horizon_days))
    screen.tell(f"version {made.version} of {workspace.model_name} is champion, after {made.before}")
    wanted = ", ".join(f"{key} = {figure:g}" for key, figure in asked.model_dump(exclude_none=True).items())
    screen.say(f"to keep it at the next training, write into the settings: thresholds.{stage.lower()} = {{ {wanted} }}")
    screen.result({**made.threshold.to_dict(), "version": made.version, "before": made.before})


def _row(threshold: Threshold) -> list[str]:
    from features.numbers_in_words import amount, number

    record, kind, target = threshold.record, threshold.rule.kind, threshold.rule.target
    is_mix = kind == "precision" and threshold.per_week is not None
    promised = f"{amount(target)} a week" if kind == "capacity" else f"at least {_share(target)}"
    past = f"kept {record.kept}, broken {record.broken} of {record.of}" if record is not None and record.of else ""
    arrivals = threshold.arrivals
    spreads = (None, None) if arrivals is None else (arrivals.entries, arrivals.wins)
    means = (threshold.leads_per_week, threshold.wins_per_week)
    volume = [_weekly(mean, spread) for mean, spread in zip(means, spreads, strict=True)]
    counts = [number(count) for count in (threshold.labels, threshold.selected, threshold.converted)]
    start, action = _share(threshold.probability), "" if record is None else record.action
    return [threshold.stage, "mix" if is_mix else kind, start, promised, *counts, *volume, past, action]


def _weekly(mean: float, spread: Spread | None) -> str:
    """Leads a week, and between what they lie in eight weeks of ten."""
    from features.numbers_in_words import amount, number

    return number(mean, 1) if spread is None else f"{number(mean, 1)} ({amount(spread.low)} to {amount(spread.high)})"


def _past(period: RecordPeriod) -> list[str]:
    """What became of a promise made at a past date."""
    from features.numbers_in_words import number
    from training.facts import day

    interval = f"{_share(period.low)} to {_share(period.high)}" if period.selected else "-"
    made = [day(period.since), day(period.until), _share(period.probability)]
    return [*made, number(period.selected), number(period.converted), interval, period.verdict]


def _share(value: float | None) -> str:
    from features.numbers_in_words import percent

    return "none" if value is None else percent(value, 1)
