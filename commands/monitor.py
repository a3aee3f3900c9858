"""The command that compares what was promised with what came: for people and for a scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import VAR, AsJson, Config, Quiet, StoreUrl, Var, now_us, store_url, workspace_of
from console import Screen
from data.contract import DataError

Anyway = Annotated[bool, typer.Option("--anyway", help="also while data does not arrive as usual")]
RED = 30
"""The exit code that says so."""

if TYPE_CHECKING:
    from training.monitoring.checks import Promised
    from workspace import Workspace


def monitor(
    weeks: Annotated[int, typer.Option(min=1, max=520, help="newest weeks of matured scores to test")] = 8,
    store: StoreUrl = None,
    config: Config = None,
    var: Var = VAR,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare stored scores with what became of them. And look whether data still arrives as usual.

    Exit code 0: nothing to do, 10: recalibrate, 20: retrain, 30: data does not arrive as usual, mend that first.
    """
    from serving.store.scores.cohorts import CohortReader
    from serving.store.store import open_store
    from training.monitoring.monitor import monitor
    from training.monitoring.monitor_tables import monitor_tables

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config)
    target = workspace.settings.chosen_target
    with open_store(store_url(var, store)) as opened:
        flow = opened.flow.look(target, now_us())
        result = monitor(CohortReader(opened.database), target, promises_of(workspace), now_us(), weeks)
    rows = [["RED" if alarm.is_red else "look", alarm.told] for alarm in flow.alarms]
    screen.table("Does data arrive as usual?", ["", "what"], rows or [["yes", "by source, type and weekday"]])
    for table in monitor_tables(result):
        screen.table(table.title, table.head, table.rows)
    screen.tell(f"{result.advice}: {result.reason}")
    code = RED if flow.red else result.exit_code
    screen.result({**result.to_dict(), "exit_code": code, "flow": [alarm.to_dict() for alarm in flow.alarms]})
    raise typer.Exit(code)


def refuse_red(var: Path, store: str | None, target: str, anyway: bool) -> None:
    """Raises DataError while data does not arrive as usual, unless it is to be done anyway; needs a store to tell."""
    from serving.store.store import open_store

    if anyway or (store is None and not (var / "store.db").exists()):
        return
    with open_store(store_url(var, store)) as opened:
        red = opened.flow.read(target, now_us()).red
    if red:
        more = f" (and {len(red) - 1} more, see leadscore monitor)" if len(red) > 1 else ""
        raise DataError(f"data does not arrive as usual: {red[0].told}{more}; mend that first, or say --anyway")


def promises_of(workspace: Workspace) -> list[Promised]:
    """The precisions that the champion's thresholds promise, lowest stage first; none where nothing is registered."""
    from training.monitoring.checks import Promised
    from training.thresholds.rules import PrecisionRule
    from training.thresholds.threshold import stage_thresholds

    champion = workspace.registry.find(workspace.model_name)
    if champion is None:
        return []
    thresholds = champion.load().manifest.thresholds
    stages = [start.stage for start in sorted(stage_thresholds(thresholds), key=lambda start: start.probability)]
    promised = {
        threshold.stage: threshold.rule.target for threshold in thresholds if isinstance(threshold.rule, PrecisionRule)
    }
    return [
        Promised(stage, tuple(stages[place:]), promised[stage])
        for place, stage in enumerate(stages)
        if stage in promised
    ]
