"""The command that compares what was promised with what came: for people and for a scheduler."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.models.drift import compare
from commands.options import VAR, AsJson, AsParquet, Config, Quiet, StoreUrl, Var, now_us, store_url, workspace_of
from console import Screen
from data.contract import DataError

Anyway = Annotated[bool, typer.Option("--anyway", help="also while data does not arrive as usual")]
RED = 30
"""The exit code that says so."""

if TYPE_CHECKING:
    from training.artifact.manifest import Manifest
    from training.monitoring.checks import Promised


def monitor(
    weeks: Annotated[int, typer.Option(min=1, max=520, help="newest weeks of matured scores to test")] = 8,
    scores: Annotated[
        list[Path] | None, typer.Option(help="without a store: files of scores, the newest one last; repeatable")
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="without a store: folder of an earlier training set")] = None,
    current: Annotated[Path | None, typer.Option(help="training set to compare with it; default: the current")] = None,
    store: StoreUrl = None,
    config: Config = None,
    var: Var = VAR,
    quiet: Quiet = False,
    parquet: AsParquet = None,
    as_json: AsJson = False,
) -> None:
    """Compare stored scores with what became of them. And look whether data still arrives as usual.

    With --scores, or --baseline, drift without a store: features, predictions and labels of two training sets.
    Exit code 0: nothing to do, 10: recalibrate, 20: retrain, 30: data does not arrive as usual, mend that first.
    """
    from data.contract import US_PER_DAY
    from features.numbers_in_words import number, short_percent
    from serving.store.scores.cohorts import CohortReader
    from serving.store.store import open_store
    from training.monitoring.monitor import monitor
    from training.monitoring.monitor_tables import monitor_tables

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config)
    if scores or baseline or current:
        raise typer.Exit(compare(screen, workspace, scores or [], baseline, current, parquet))
    target, champion = workspace.settings.chosen_target, workspace.registry.find(workspace.model_name)
    manifest = None if champion is None else champion.load().manifest
    with open_store(store_url(var, store)) as opened:
        flow = opened.flow.look(target, now_us())
        result = monitor(CohortReader(opened.database), target, promises_of(manifest), now_us(), weeks)
        judged = opened.acceptances.of(target.name, now_us() - weeks * 7 * US_PER_DAY, 0).by_band
    told_result = result.to_dict()
    screen.keep([asdict(shift) for shift in result.shifts], parquet)
    rows = [["RED" if alarm.is_red else "look", alarm.told] for alarm in flow.alarms]
    screen.table("Does data arrive as usual?", ["", "what"], rows or [["yes", "by source, type and weekday"]])
    dates = {
        "last training": None if champion is None else told(champion.made_at),
        "learnt until": None if manifest is None else told(manifest.trained_on.to_us),
        "last scoring": told(flow.scored_at),
    }
    screen.table("How old is what scores rest on?", ["what", "UTC"], [[what, at or "-"] for what, at in dates.items()])
    for table in monitor_tables(result):
        screen.table(table.title, table.head, table.rows)
    if judged:
        screen.table(f"What did sales make of leads in {weeks} weeks?", ["chance", "accepted", "rejected", "share"], [
            [f"from {short_percent(band.key)}", number(band.accepted), number(band.rejected), short_percent(band.rate)]
            for band in judged
        ])  # fmt: skip
    if flow.red:
        screen.tell(f"mend the data, it goes before all else: {flow.red[0].told}")
    screen.tell(f"{'scores themselves, ' if flow.red else ''}{result.advice}: {result.reason}")
    code = RED if flow.red else result.exit_code
    more = {"flow": [alarm.to_dict() for alarm in flow.alarms], "dates": dates}
    acceptance = [{"from": band.key, "accepted": band.accepted, "rejected": band.rejected} for band in judged]
    screen.result({**told_result, "exit_code": code, **more, "acceptance": acceptance})
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


def told(moment: int | None) -> str | None:
    """A moment (µs UTC) for people and machines; None for one that is not known."""
    from serving.messages.times import iso

    return iso(moment) if moment else None


def promises_of(manifest: Manifest | None) -> list[Promised]:
    """The precisions that the champion's thresholds promise, lowest stage first; none where nothing is registered."""
    from training.monitoring.checks import Promised
    from training.thresholds.rule_types import PrecisionRule
    from training.thresholds.threshold import stage_thresholds

    if manifest is None:
        return []
    thresholds = manifest.thresholds
    stages = [start.stage for start in sorted(stage_thresholds(thresholds), key=lambda start: start.probability)]
    promised = {
        threshold.stage: threshold.rule.target for threshold in thresholds if isinstance(threshold.rule, PrecisionRule)
    }
    return [
        Promised(stage, tuple(stages[place:]), promised[stage])
        for place, stage in enumerate(stages)
        if stage in promised
    ]
