"""The command that shows the main job end to end."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.histories.histories import features, ingest, simulate
from commands.models.models import tell_truth, train
from commands.options import VAR, AsJson, Quiet, Var, now_us, workspace_of
from commands.scores.scores import score
from commands.showcase import ACCOUNT
from console import Screen

if TYPE_CHECKING:
    from data.typed_json import JsonObject
    from workspace import Workspace

DEMO = Path(__file__).parents[1] / "leadscore.toml"


def demo(
    leads: Annotated[int, typer.Option(min=3_000)] = 6_000,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    var: Var = VAR,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Show the main job end to end on a simulated funnel. Histories, training set, model, thresholds, scored leads."""
    screen, workspace = Screen(quiet, as_json), workspace_of(var, DEMO)
    # Each of the commands that it is made of tells its own; a script gets one value.
    with redirect_stdout(StringIO()) if as_json else nullcontext():
        truth = _make(screen, workspace, var, leads, seed)
    password = _show(screen, workspace, var / "store.db")
    screen.tell("\nwhere to look next")
    screen.tell(f"  report   {var / 'reports' / 'conversion' / 'report.html'}\n  scores   {var / 'scores.csv'}")
    signing_in = f"password {password}" if password else "password as told before; `leadscore users password demo`"
    screen.tell(f"  page     http://127.0.0.1:8000 after `make serve` or `leadscore serve`; account demo, {signing_in}")
    mlflow = relpath(Path(sys.executable).with_name("mlflow"))
    screen.tell(f"  MLflow   {mlflow} ui --backend-store-uri {workspace.registry.address}")
    files = {"report": var / "reports" / "conversion" / "report.html", "scores": var / "scores.csv"}
    account = {"name": ACCOUNT, "password": password}
    screen.result({"truth": truth, **files, "account": account, "mlflow": workspace.registry.address})


def _make(screen: Screen, workspace: Workspace, var: Path, leads: int, seed: int) -> JsonObject:
    """A simulated funnel, taken in, learnt from and scored; the model beside the best possible."""
    folder, quiet = var / "demo", screen.quiet
    if not (folder / "funnel.json").exists():
        simulate(folder, leads, seed, quiet=quiet)
    ingest("simulated", [str(folder / "events.csv")], [str(folder / "leads.csv")], var=var, quiet=quiet)
    features(DEMO, var, quiet=quiet)
    if workspace.champion_is_fresh():
        screen.say("the champion was trained on exactly this training set; it is kept")
    else:
        train(DEMO, var, quiet=quiet)
    truth = tell_truth(screen, workspace.beside_truth(folder / "truth.parquet"))
    score(var / "scores.csv", DEMO, var, quiet=quiet)
    return truth


def _show(screen: Screen, workspace: Workspace, path: Path) -> str | None:
    """Fills the serving store once; the password of the account that was made for it, None when it was there."""
    from commands.showcase import account_of, show
    from serving.store.store import open_store

    if not path.exists():
        with screen.progress("filling the store with leads of the demo, moved to the present") as step:
            show(workspace.event_log(), workspace.champion(), path, now_us(), step)
    with open_store(f"sqlite:///{path}") as store:
        return account_of(store, now_us())
