"""The command that tells which sources bring leads that buy."""

from __future__ import annotations

from dataclasses import asdict

from commands.options import VAR, AsJson, AsParquet, Config, StoreUrl, Var, store_url, workspace_of
from console import Screen, plain
from data.contract import DataError

HEAD = ["stage", "by", "source", "entered", "before", "went on", "bought", "revenue", "per lead", "per win"]


def cohorts(
    config: Config = None,
    var: Var = VAR,
    store: StoreUrl = None,
    parquet: AsParquet = None,
    as_json: AsJson = False,
) -> None:
    """Tell which channels, campaigns and assets bring buyers."""
    from serving.scoring.source_cohorts import source_cohorts
    from serving.store.store import open_store

    screen, settings = Screen(as_json=as_json), workspace_of(var, config).settings
    with open_store(store_url(var, store)) as opened:
        entrants = opened.entrants.read(settings.target)
    if entrants is None:
        raise DataError("nothing has been counted yet; run `leadscore publish` or `leadscore score --store` first")
    rows = source_cohorts(entrants, settings.costs.model_dump())
    cells = []
    for row in rows:
        newest, before = row.newest, row.before
        counts = [newest.entered, before.entered if before else 0, newest.went_on, newest.bought] if newest else []
        money = [newest.revenue if newest else None, row.cost_per_lead, row.cost_per_win]
        counts = counts or [0, before.entered if before else 0, 0, 0]
        source = row.name or (f"moved: {row.reason}" if row.reason else "not known" if row.kind else "all")
        cells.append([row.stage, row.kind, source, *map(str, counts), *("" if m is None else plain(m) for m in money)])
    told_rows = [asdict(row) | {"per_lead": row.cost_per_lead, "per_win": row.cost_per_win} for row in rows]
    screen.keep(told_rows, parquet)
    screen.table("entrants of the newest quarter, and of the one before", HEAD, cells)
    screen.result(told_rows)
