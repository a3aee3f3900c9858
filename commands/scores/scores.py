"""Commands about scores, and what is in the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from commands.options import VAR, AsJson, Config, Log, Quiet, Var, parse_time, workspace_of
from commands.store.store import chain_of, join_ledgers, join_own_store, rescore
from console import Screen
from data.contract import UsageError


def score(
    out: Annotated[Path | None, typer.Option(help="file to write, .csv or .parquet")] = None,
    config: Config = None,
    var: Var = VAR,
    log: Log = None,
    as_of: Annotated[str | None, typer.Option(help="score as of this moment; default: the end of the log")] = None,
    language: Annotated[Literal["en", "de"], typer.Option(help="of reasons and sentences")] = "en",
    within: Annotated[
        list[int] | None, typer.Option(help="also within so many days, a column each; repeatable")
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="leads to print")] = 10,
    store: Annotated[str | None, typer.Option(help="score the leads of this serving database instead, now")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score every open lead, with reasons. With --store, into the serving database's score history."""
    from data.erasure.ledger import Ledger
    from features.numbers_in_words import number
    from serving.scoring.batch import ScoredLog, check_out, score_log, write_scores
    from serving.scoring.chain import with_chain
    from serving.scoring.scorer import Scorer
    from serving.store.store import open_store
    from serving.trees.predictor import Predictor

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config, log)
    if store is not None:
        champion = workspace.champion()
        with open_store(store) as opened:
            join_ledgers(opened, workspace.log_path)
            screen.result(rescore(screen, opened, champion, chain=chain_of(workspace)))
        return
    if out is None:
        raise UsageError("nowhere to write to; give --out scores.csv, or --store")
    check_out(out)
    moment = None if as_of is None else parse_time(as_of)
    join_own_store(var, workspace.log_path)
    events, champion = workspace.event_log(), workspace.champion()
    scorer = Scorer(Predictor.of(champion))
    with screen.progress("scoring") as step:
        scored = score_log(events, scorer, champion.version, moment, language, step, sorted(set(within or [])))
    chain = chain_of(workspace)
    if chain is not None:
        scored = ScoredLog(with_chain(scored.leads, events, chain, scored.as_of), scored.as_of)
    write_scores(scored, out, Ledger.beside(events.path))
    first, best = scored.leads[0], scored.leads[:top]
    screen.tell(f"the {len(best)} best of {number(len(scored.leads))} open leads as of {first.as_of}")
    for lead in best:
        screen.tell(lead.lines(language))
    if first.caution:
        screen.tell(first.caution)
    screen.tell(f"all in {out}")
    top_rows = [lead.row() for lead in best]
    screen.result({"leads": len(scored.leads), "out": out, "as_of": first.as_of, "top": top_rows})


def info(config: Config = None, var: Var = VAR, quiet: Quiet = False, as_json: AsJson = False) -> None:
    """What is in the workspace: event log, training set, champion."""
    screen, workspace = Screen(quiet, as_json), workspace_of(var, config)
    facts = workspace.facts()
    screen.table("workspace", ["", "value"], [[name, value] for name, value in facts.items()])
    screen.result({**facts, "counts": workspace.counts()})
