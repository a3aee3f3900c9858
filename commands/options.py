"""Options that several commands share, and the workspace that they name."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
