"""Options that several commands share, and the workspace that they name."""

from __future__ import annotations

import time
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.contract import UsageError
from data.times import NoTime, time_from_text

if TYPE_CHECKING:
    from workspace import Workspace

Config = Annotated[Path | None, typer.Option(help="settings file; default leadscore.toml where there is one")]
Var = Annotated[Path, typer.Option(help="workspace: event log, training set, models, reports")]
Log = Annotated[Path | None, typer.Option(help="event log; default VAR/log")]
Cluster = Annotated[str | None, typer.Option(help="address of a running Dask scheduler, tcp://HOST:PORT")]
StoreUrl = Annotated[
    str | None,
    typer.Option("--store", help="sqlite:///PATH or postgresql://USER@HOST/DATABASE; default sqlite:///VAR/store.db"),
]
FromStore = Annotated[
    str | None, typer.Option("--store", help="take in the serving database first: sqlite:///PATH or postgresql://…")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="results only")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON value instead of tables")]
AsParquet = Annotated[Path | None, typer.Option("--parquet", help="also write the rows to this file, as numbers")]
VAR = Path("var")


def store_url(var: Path, given: str | None) -> str:
    """The serving database: the given one, else the workspace's own, which `serve` uses too.

    >>> store_url(Path("var"), None)
    'sqlite:///var/store.db'
    """
    return given or f"sqlite:///{var / 'store.db'}"


def workspace_of(var: Path, config: Path | None, log: Path | None = None) -> Workspace:
    """The workspace that a command works on."""
    from workspace import Workspace

    return Workspace.open(var, config, log)


def now_us() -> int:
    """The clock, µs UTC."""
    return time.time_ns() // 1000


AsOf = Annotated[str | None, typer.Option(help="as it was known at this time; default: the end of the log")]


def parse_time(text: str, option: str = "--as-of") -> int:
    """µs UTC of a written time with a zone (`time_from_text`), or of a date alone (00:00 UTC). Raises UsageError.

    >>> parse_time("1970-01-02"), parse_time("1970-01-01T01:00:00+01:00")
    (86400000000, 0)
    """
    try:
        return time_from_text(text, day_zone=UTC)
    except NoTime as error:
        raise UsageError(f"{option} {text!r} {error}") from None
