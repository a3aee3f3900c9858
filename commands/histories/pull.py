"""Command that asks vendors' APIs for what has changed, and brings it into the event log."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from commands.histories.histories import show_report
from commands.options import VAR, AsJson, Log, Quiet, Var
from console import Screen
from data.contract import UsageError


def pull(
    name: Annotated[str, typer.Argument(help="hubspot, pipedrive or salesforce, or a file that says what is asked")],
    var: Var = VAR,
    log: Log = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Pull what has changed in a CRM into the event log. Secrets come from the environment, see docs/crm/pull.md."""
    from dataclasses import asdict

    from data.pull.connector import read_connector
    from features.numbers_in_words import number

    screen, log_path = Screen(quiet, as_json), log or var / "log"
    connector = read_connector(name)
    try:
        from data.pull.into_log import pull_into
        from data.pull.pull import World
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise UsageError(
            f"pull needs the package {missing}; install leadscore with its extra: leadscore[crm]"
        ) from None
    with screen.stages(len(connector.resources) + 1) as stage:
        done = pull_into(log_path, connector, var / "pull" / connector.name, World(os.environ), stage)
    rows = {table: n for table, n in done.pulled.rows.items() if n}
    screen.table(f"pulled from {connector.name}", ["table", "rows"], [[table, number(n)] for table, n in rows.items()])
    if done.report is None:
        screen.tell(f"nothing has changed in {connector.name}")
        screen.result({"pulled": rows, "requests": done.pulled.requests})
        return
    if as_json:
        screen.result({"pulled": rows, "requests": done.pulled.requests, **asdict(done.report)})
        return
    show_report(screen, done.report)
