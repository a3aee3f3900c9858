"""The command that follows drift without training: labels that have matured since move the calibrator."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from commands.histories import build
from commands.options import VAR, AsJson, Cluster, Config, FromStore, Log, Quiet, Var, workspace_of
from commands.store import take_in
from console import Screen


def recalibrate(
    config: Config = None,
    var: Var = VAR,
    log: Log = None,
    cluster: Cluster = None,
    store: FromStore = None,
    intercept_only: Annotated[
        bool, typer.Option("--intercept-only", help="only the rolling intercept; for a scheduler, e.g. once a week")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Recalibrate the champion by labels that have matured since. Trains nothing; servers take it up."""
    from training.updating.recalibrate import STAGES, recalibrate
    from training.updating.recalibration_trial import ROLL, WAYS

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config, log)
    workspace.champion()  # nothing is computed for a model that is not there
    if store is not None:
        take_in(screen, store, workspace.log_path)
    made = build(screen, workspace, cluster)
    with screen.stages(STAGES) as say:
        found = recalibrate(made, var, (ROLL,) if intercept_only else WAYS, say)
    steps = [_row(each) for each in found.adjustment.get("steps", [])]
    if steps:
        head = ["labels known by", "leads", "converted", "expected", "observed", "step", "intercept"]
        screen.table("The rolling intercept since training, in log-odds", head, steps)
    screen.tell(found.reason)
    for stage in found.adjustment.get("withdrawn", []):
        screen.tell(f"the promise of {stage} is withdrawn: the labels since training refute it; train again")
    is_new = found.version != found.before
    screen.tell(f"version {found.version} of {found.name} is champion" + (f", after {found.before}" if is_new else ""))
    screen.result(found.to_dict())


def _row(step: dict[str, Any]) -> list[str]:
    shares = (f"{100 * step[name]:.1f} %" for name in ("expected", "observed"))
    moves = (f"{step[name]:+.3f}" for name in ("step", "shift"))
    return [step["on"], f"{step['leads']:,}", f"{step['converted']:,}", *shares, *moves]
