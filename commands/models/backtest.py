"""The command that goes back in time: how would the recipe have done at several past dates?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.histories.histories import build
from commands.options import VAR, AsJson, AsParquet, Cluster, Config, Quiet, Var, workspace_of
from console import Screen
from data.contract import UsageError

if TYPE_CHECKING:
    from training.backtesting.backtest_result import BacktestResult
    from training.backtesting.origins import PastDates, TableTimeline

Names = list[str] | None


def backtest(
    origins: Annotated[int, typer.Option(min=1, max=50, help="past dates to train at")] = 5,
    first: Annotated[float, typer.Option(min=0.1, max=0.95, help="share of the moments before the first one")] = 0.5,
    ablation: Annotated[bool, typer.Option("--ablation", help="also undo each design choice; takes time")] = False,
    steps: Annotated[bool, typer.Option("--steps", help="also switch each answer to drift over; takes time")] = False,
    segment: Annotated[Names, typer.Option(help="column to split by; repeatable")] = None,
    table: Annotated[Path | None, typer.Option(help="a labelled table (CSV, Parquet) instead of the event log")] = None,
    target: Annotated[str | None, typer.Option(help="table: column of the outcome")] = None,
    positive: Annotated[str | None, typer.Option(help="table: the outcome that means conversion")] = None,
    drop: Annotated[Names, typer.Option(help="table: column that is no feature; repeatable")] = None,
    lead: Annotated[str | None, typer.Option(help="table: column of ids; default: each row is a lead")] = None,
    time: Annotated[str | None, typer.Option(help="table: column to sort by; default: the order of the file")] = None,
    missing: Annotated[Names, typer.Option(help="table: text that means unknown; repeatable")] = None,
    config: Config = None,
    var: Var = VAR,
    cluster: Cluster = None,
    quiet: Quiet = False,
    parquet: AsParquet = None,
    as_json: AsJson = False,
) -> None:
    """Train at past dates, judge on the periods that followed. With intervals by lead."""
    from training.backtesting.backtest import backtest
    from training.backtesting.backtest_result import summarise
    from training.backtesting.contenders import ablations, standard
    from training.backtesting.drift_steps import drift_steps
    from training.report.backtest_report import add_to_report, log_backtest, write_backtest

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config)
    plan = workspace.settings.training_plan
    timeline: PastDates
    if table is None and any(option is not None for option in (target, positive, drop, lead, time, missing)):
        raise UsageError("--target, --positive, --drop, --lead, --time, --missing describe a --table; name it too")
    with workspace.writing("leadscore backtest"):
        if table is not None:
            name, timeline = table.name.partition(".")[0], _table(table, target, positive, drop, lead, time, missing)
        else:
            name, timeline = workspace.settings.target, workspace.timeline(build(screen, workspace, cluster))
        contenders = standard(plan, timeline.columns)
        contenders += ablations(plan, timeline.columns) if ablation else []
        contenders += drift_steps(plan, timeline.outcomes) if steps else []
        folder = var / "backtest" / name
        with screen.stages(origins * len(contenders)) as say:
            made = backtest(timeline, contenders, plan.digest, folder / "kept", origins, first, say=say)
        result = summarise(made, segment if table is None else segment or [], own=plan.metrics)
        report = write_backtest(folder, name, result, workspace.settings.report_language)
        if table is None:
            add_to_report(workspace.report_path, folder)
            log_backtest(workspace.registry, workspace.model_name, folder, result)
    screen.keep(result.rows(), parquet)
    _tell(screen, result)
    screen.tell(f"report {report}")


def _table(
    path: Path,
    target: str | None,
    positive: str | None,
    drop: Names,
    lead: str | None,
    time: str | None,
    missing: Names,
) -> TableTimeline:
    from training.backtesting.origins import TableTimeline, digest_of, file_digest
    from training.samples.labelled_table import read_labelled

    if target is None:
        raise UsageError(f"say with --target which column of {path} holds the outcome")
    rows = read_labelled(path, target, positive, drop or [], lead, time, missing or [])
    return TableTimeline(rows, digest_of(file_digest(path), target, positive, drop, lead, time, missing))


def _tell(screen: Screen, result: BacktestResult) -> None:
    from training.report.backtest_tables import backtest_tables

    for table in backtest_tables(result):
        screen.table(table.title, table.head, table.rows)
    for why in result.skipped:
        screen.tell(f"skipped {why}")
    screen.result(result.to_dict())
