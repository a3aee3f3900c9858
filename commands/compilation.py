"""The command that compiles, at set-up, so that no start has to."""

from __future__ import annotations

from collections.abc import Callable
from compileall import compile_dir
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from commands.options import AsJson, Quiet, now_us
from console import Screen

if TYPE_CHECKING:
    from training.registry.registered import Registered
    from workspace import Workspace

SETTINGS = """
[targets.conversion]
events = ["deal_won"]
closed_by = ["deal_lost"]
{}

[moments]
every_days = 28

[training]
model = "{}"
twin = "no"
newest_step = "no"
folds = 2
max_rounds = 5
fewest_converted = 1
"""
LEADS, DAYS = 2_500, 360
OURS = ("commands", "data", "features", "serving", "training")
KINDS = {"fixed": 'undone_by = ["deal_cancelled"]\nreopened_by = ["deal_reopened"]', "hazard": ""}
"""Kinds of model, and what each is to predict: outcomes that end, and outcomes that stand."""


def compile_all(quiet: Quiet = False, as_json: AsJson = False) -> None:
    """Compile what is compiled, once. Part of the set-up: a start finds it then, also a user's who may not write it."""
    from data.compiled import ROOT, check_ready, note_complete

    screen, done = Screen(quiet, as_json), check_ready()
    if done:
        screen.say("all is compiled already")
    else:
        with TemporaryDirectory() as folder, screen.stages(1 + len(KINDS)) as say:
            _go_all_the_way(Path(folder), say)
        screen.tell(f"compiled, in {note_complete()}")
    keep_bytecode(ROOT)
    screen.result({"compiled": not done})


def keep_bytecode(root: Path) -> None:
    """Python's own form of all our files, for who may not write it; it holds by content, whenever they were copied."""
    for room in OURS:
        compile_dir(root / room, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)


def _go_all_the_way(folder: Path, say: Callable[[str], None]) -> None:
    """From exports to a full page, with a small funnel in which everything happens: what is called gets compiled."""
    from workspace import Workspace

    say("compiling what reads exports")
    _fill_log(folder)
    config = folder / "settings.toml"
    for kind, outcomes in KINDS.items():
        say(f"compiling what a {kind} model needs")
        config.write_text(SETTINGS.format(outcomes, kind))
        workspace = Workspace.open(folder, config)
        _serve(workspace, _trained(workspace))


def _fill_log(folder: Path) -> None:
    from data.intake.ingest import ingest
    from data.log.compaction import compact
    from data.simulated.exports import ingest_exports
    from data.simulated.options import MESS
    from data.simulated.simulate import FunnelOptions, simulate
    from data.sources.mapping import read_mapping

    made = simulate(folder / "funnel", FunnelOptions(LEADS, days=DAYS, **dict.fromkeys(MESS, True)))
    ingest(folder / "clean", read_mapping("simulated"), [str(made.events)], [str(made.leads)], buckets=2)
    ingest_exports(folder / "funnel" / "exports", folder / "log", buckets=2)
    compact(folder / "log")


def _trained(workspace: Workspace) -> Registered:
    """The version that was trained, whether it became champion or not."""
    from training.pipeline import train_and_register

    plan, settings = workspace.settings.training_plan, workspace.settings.model_dump(mode="json")
    made = train_and_register(workspace.build(), plan, workspace.registry, settings)
    return workspace.registry.get(made.name, made.version) or workspace.champion()


def _serve(workspace: Workspace, version: Registered) -> None:
    """Scores and explains a request, and a store with what was sent and what is published."""
    from commands.showcase import take
    from serving.champion.smoke_test import explain, warm
    from serving.scoring.rescoring import Rescorer
    from serving.scoring.scorer import Scorer
    from serving.scoring.served_model import ServedModel
    from serving.store.store import open_store

    log, now = workspace.event_log(), now_us()
    live = ServedModel.load(version.folder, version.name, version.version)
    explain(live, warm(live))
    with open_store(f"sqlite:///{workspace.root / version.version}.db") as store:
        take(store, log, 0, 0, now)
        store.publication.run(log, now)
        Rescorer(store, Scorer(live.predictor), version.version, version.digest).run(now_us)
