"""The command that compares what was promised with what came: for people and for a scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import VAR, AsJson, Config, Quiet, StoreUrl, Var, now_us, store_url, workspace_of
from console import Screen

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
    """Compare stored scores with what became of them. Exit code 0: nothing to do, 10: recalibrate, 20: retrain."""
    from serving.store.scores.cohorts import CohortReader
    from serving.store.store import open_store
    from training.monitoring.monitor import monitor
    from training.monitoring.monitor_tables import monitor_tables

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config)
    target = workspace.settings.chosen_target
    with open_store(store_url(var, store)) as opened:
        result = monitor(CohortReader(opened.database), target, promises_of(workspace), now_us(), weeks)
    for table in monitor_tables(result):
        screen.table(table.title, table.head, table.rows)
    screen.tell(f"{result.advice}: {result.reason}")
    screen.result(result.to_dict())
    raise typer.Exit(result.exit_code)


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
