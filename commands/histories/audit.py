"""The command that looks for leaks: in a workspace, or in a plain labelled table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import VAR, AsJson, AsParquet, Config, Log, Quiet, Var, workspace_of
from console import Screen
from data.contract import UsageError

if TYPE_CHECKING:
    from training.audit.findings import Finding
    from workspace import Workspace

Allow = Annotated[
    list[str] | None, typer.Option(help="a finding's name that was looked into and is no leak; repeatable")
]
REMEDY = "drop it ([features] drop, or the mapping), or say that it is none: --allow NAME, or [audit] allow"


def audit(
    table: Annotated[Path | None, typer.Argument(help="labelled table, CSV or Parquet; default: the workspace")] = None,
    target: Annotated[str | None, typer.Option(help="table: the column that says who converted")] = None,
    positive: Annotated[str | None, typer.Option(help="table: the target's value of a conversion")] = None,
    id_column: Annotated[list[str] | None, typer.Option("--id", help="table: a column of ids; repeatable")] = None,
    time: Annotated[str | None, typer.Option(help="table: a column that says when a row is from")] = None,
    allow: Allow = None,
    config: Config = None,
    var: Var = VAR,
    log: Log = None,
    quiet: Quiet = False,
    parquet: AsParquet = None,
    as_json: AsJson = False,
) -> None:
    """Look for leaks: columns, events and ids that know the future."""
    from training.audit.findings import refuse

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config, log)
    allowed = {*(allow or []), *workspace.settings.audit.allow}
    if table is not None:
        findings = _of_table(table, target, positive, id_column or [], time)
    elif any((target, positive, id_column, time)):
        raise UsageError("--target, --positive, --id and --time belong to a table; name its file")
    else:
        with workspace.reading(), screen.progress("auditing") as step:
            findings = workspace.audit(progress=step)
    told = [finding.to_dict() | {"allowed": finding.name in allowed} for finding in findings]
    screen.keep(told, parquet)
    _tell(screen, findings, allowed)
    screen.result(told)
    refuse(findings, allowed, REMEDY)


def refuse_leaks(screen: Screen, workspace: Workspace, allow: Sequence[str]) -> None:
    """The audit's quick form, before training: tells what it found. Raises DataError unless all of it is allowed."""
    from training.audit.findings import refuse

    allowed = {*allow, *workspace.settings.audit.allow}
    with screen.progress("leakage audit") as step:
        findings = workspace.audit(quick=True, progress=step)
    for finding in findings:
        screen.say(f"audit, {finding.check}: {finding.evidence}" + (" (allowed)" if finding.name in allowed else ""))
    refuse(findings, allowed, REMEDY)


def _of_table(
    path: Path, target: str | None, positive: str | None, ids: Sequence[str], time: str | None
) -> list[Finding]:
    from training.audit.table_audit import audit_table, read_labelled

    if target is None:
        raise UsageError("--target is missing: name the column that says who converted")
    return audit_table(read_labelled(path, target, positive, ids, time))


def _tell(screen: Screen, findings: Sequence[Finding], allowed: Collection[str]) -> None:
    rows = [
        [finding.check, finding.name, "allowed" if finding.name in allowed else finding.severity, finding.evidence]
        for finding in findings
    ]
    if rows:
        screen.table("Leakage audit", ["check", "name", "", "evidence"], rows)
    else:
        screen.tell("leakage audit: nothing found")
