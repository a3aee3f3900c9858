"""The command that removes what the settings say is no longer to be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import VAR, AsJson, Config, Quiet, StoreUrl, Var, now_us, store_url, workspace_of
from console import Screen
from data.contract import US_PER_DAY, US_PER_SECOND

if TYPE_CHECKING:
    from workspace import Workspace

WHO = "command line"


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count what would go")] = False,
    config: Config = None,
    var: Var = VAR,
    store: StoreUrl = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Remove what is older than [retention] says. A server may run meanwhile; what is in force stays."""
    from features.numbers_in_words import number
    from serving.store.retention import Cutoffs, Retention
    from serving.store.store import open_store
    from training.registry.old_files import old_cells, old_runs, remove

    screen, workspace, now = Screen(quiet, as_json), workspace_of(var, config), now_us()
    days = workspace.settings.retention_days
    before = {name: now - limit * US_PER_DAY if limit else None for name, limit in days.items()}
    cutoffs = Cutoffs(before["scores"], before["rejected"], before["audit"])
    with open_store(store_url(var, store)) as opened:
        retention = Retention(opened.database, opened.audit)
        gone = retention.count(cutoffs, now) if dry_run else retention.prune(cutoffs, WHO, now)
        named = {target: opened.scores.versions(target) for target in workspace.settings.targets}
    with workspace.writing("leadscore prune"):
        gone["versions"] = _versions(workspace, before["versions"], named, dry_run)
        for name, find in (("runs", old_runs), ("backtests", old_cells)):
            cutoff = before[name]
            paths = [] if cutoff is None else find(workspace.root, cutoff / US_PER_SECOND)
            gone[name] = len(paths)
            if not dry_run:
                remove(paths)
    ages: dict[str, int | str] = {**days, "sessions": "ended", "answers": 1}
    rows = [[name, _age(ages[name]), number(count)] for name, count in gone.items()]
    screen.table("to be removed" if dry_run else "removed", ["what", "older than", "count"], rows)
    screen.result({"dry_run": dry_run, "removed": gone, "older_than_days": days})


def _versions(workspace: Workspace, cutoff: int | None, named: dict[str, set[str]], dry_run: bool) -> int:
    """Versions of all targets' models that go, or went. MLflow is asked only where it is to be."""
    if cutoff is None:
        return 0
    from training.registry.old_versions import OldVersions

    registry = workspace.registry
    old = [
        OldVersions(registry, registry.model_name(target), cutoff / US_PER_SECOND, versions)
        for target, versions in named.items()
    ]
    return sum(one.count() if dry_run else one.remove() for one in old)


def _age(days: int | str) -> str:
    if isinstance(days, str):
        return days
    return f"{days} days" if days else "kept for ever"
