"""The command that follows drift without training: labels that have matured since move the calibrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from commands.histories.histories import build
from commands.models.monitor import Anyway, refuse_red
from commands.options import VAR, AsJson, Cluster, Config, FromStore, Log, Quiet, Var, workspace_of
from commands.store.store import take_in
from console import Screen

if TYPE_CHECKING:
    from training.artifact.manifest import DatedStep


def recalibrate(
    config: Config = None,
    var: Var = VAR,
    log: Log = None,
    cluster: Cluster = None,
    store: FromStore = None,
    anyway: Anyway = False,
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
    refuse_red(var, store, workspace.settings.target, anyway)
    with workspace.writing("leadscore recalibrate"):
        workspace.check_ready()
        if store is not None:
            take_in(screen, store, workspace.log_path)
        made = build(screen, workspace, cluster)
        with screen.stages(STAGES) as say:
            result = recalibrate(made, workspace.registry, (ROLL,) if intercept_only else WAYS, say)
    adjustment = result.manifest.adjustment
    steps = [] if adjustment is None else [_row(step) for step in adjustment.steps]
    if steps:
        head = ["labels known by", "leads", "converted", "expected", "observed", "step", "intercept"]
        screen.table("The rolling intercept since training, in log-odds", head, steps)
    screen.tell(result.reason)
    for stage in () if adjustment is None else adjustment.withdrawn:
        screen.tell(f"the promise of {stage} is withdrawn: the labels since training refute it; train again")
    is_new = result.version != result.before
    screen.tell(
        f"version {result.version} of {result.name} is champion" + (f", after {result.before}" if is_new else "")
    )
    screen.result(result.to_dict())


def _row(step: DatedStep) -> list[str]:
    from features.numbers_in_words import number, percent, signed

    shares = (percent(share, 1) for share in (step.expected, step.observed))
    moves = (signed(odds, 3) for odds in (step.step, step.shift))
    return [step.on, number(step.leads), number(step.converted), *shares, *moves]
