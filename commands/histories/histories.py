"""Commands about histories: simulate a funnel, bring exports in, see what was known of a lead."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.histories.examination import show, tell_doubts, tell_taken_out
from commands.options import VAR, AsJson, AsOf, Cluster, Config, FromStore, Log, Quiet, Var, parse_time, workspace_of
from commands.store.store import take_in
from console import Screen, plain
from data.contract import UsageError
from data.ids import NoId, required_id

if TYPE_CHECKING:
    from data.intake.next_part import Counts, IngestReport
    from features.training_set import TrainingSet
    from workspace import Workspace

MOST_REJECTED = 0.01
"""Share of rows past which a check fails."""


def simulate(
    out: Annotated[Path, typer.Argument(help="folder to write events.csv, leads.csv and truth.parquet into")],
    leads: Annotated[int, typer.Option(min=1)] = 20_000,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    days: Annotated[int, typer.Option(min=30)] = 540,
    bots: bool = True,
    duplicates: bool = True,
    late: bool = True,
    broken: bool = True,
    drift: bool = True,
    wholesale: bool = True,
    messy: Annotated[
        bool, typer.Option("--messy", help="add a sequence of exports with all that companies' data does, in exports/")
    ] = False,
    shared: Annotated[
        bool, typer.Option("--shared", help="leads of a company want to buy at the same time; then truth is no truth")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Simulate a funnel whose true probabilities are known."""
    from data.simulated.options import MESS
    from data.simulated.simulate import FunnelOptions, simulate
    from features.numbers_in_words import number

    screen = Screen(quiet, as_json)
    mess = dict.fromkeys(MESS, messy)
    options = FunnelOptions(leads, seed, days, bots, duplicates, late, broken, drift, wholesale, **mess, shared=shared)
    with screen.progress(f"simulating {number(leads)} leads") as step:
        made = simulate(out, options, step)
    screen.tell(
        f"{number(made.rows)} rows ({number(made.human)} by people, {number(made.bots)} by bots, "
        f"{number(made.duplicates)} duplicates, {number(made.broken)} broken), "
        f"{number(made.won)} deals won, {number(made.lost)} lost, in {out}"
    )
    screen.result(asdict(made))


def ingest(
    mapping: Annotated[
        str | None, typer.Option(help="file, or a shipped one by its name; `leadscore mappings` lists them")
    ] = None,
    events: Annotated[
        list[str] | None, typer.Option(help="CSV, JSON, Parquet, Excel, or database URL; repeatable, also with *")
    ] = None,
    leads: Annotated[list[str] | None, typer.Option(help="the same for profiles")] = None,
    identities: Annotated[list[str] | None, typer.Option(help="the same for aliases of leads")] = None,
    file: Annotated[
        list[str] | None, typer.Option(help="NAME=PATH: a file by the name that the mapping gives it; repeatable")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="of times without a zone, where no table names one: Europe/Berlin")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="when the export was made, if not now")] = None,
    complete_until: Annotated[
        list[str] | None, typer.Option(help="SOURCE=TIME: a source is complete until then; repeatable")
    ] = None,
    replace: Annotated[
        list[str] | None, typer.Option(help="a source whose earlier events the new ones replace; repeatable")
    ] = None,
    new_leads: Annotated[
        bool, typer.Option("--new-leads", help="the export has leads that are new to the log, not another account's")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="change nothing; show what would come in, and every doubt")
    ] = False,
    most_rejected: Annotated[
        float | None, typer.Option(min=0, max=1, help="share of rows past which nothing is taken in; 0.01 with --check")
    ] = None,
    var: Var = VAR,
    log: Log = None,
    store: FromStore = None,
    quiet: Quiet = False,
    parquet: Annotated[
        Path | None, typer.Option(help="with --check: also write the event types to this file, as numbers")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring exports or databases into the event log. What is there already adds nothing; what differs, corrects it."""
    from data.intake.check import check_sources
    from data.intake.ingest import ingest
    from data.sources.mapping import read_mapping

    screen, log_path = Screen(quiet, as_json), log or var / "log"
    if store is not None and (events or leads or file or check or replace):
        raise UsageError("--store and --events do not go together; ingest one after the other")
    if parquet is not None and not check:
        raise UsageError("--parquet is for what --check shows; give both")
    if store is not None:
        show_report(screen, take_in(screen, store, log_path, mapping))
        return
    if mapping is None or not (events or leads or identities or file):
        raise UsageError("nothing to ingest; give --mapping and --events or --file, or --store")
    kinds = events or [], leads or [], identities or []
    options: Any = {"files": _files(file or []), "as_of": None if as_of is None else parse_time(as_of)}
    options |= {"replacing": replace or [], "new_leads": new_leads}
    if check:
        with screen.progress("checking") as step:
            checked = check_sources(log_path, read_mapping(mapping, time_zone), *kinds, **options, progress=step)
        screen.keep([asdict(seen) for seen in checked.examination.types], parquet)
        show(screen, checked, var / "rejected.csv", MOST_REJECTED if most_rejected is None else most_rejected)
        return
    options |= {"complete_until": _ends(complete_until or []), "most_rejected": most_rejected}
    with screen.progress("ingesting") as step:
        report = ingest(log_path, read_mapping(mapping, time_zone), *kinds, **options, progress=step)
    show_report(screen, report)


def show_report(screen: Screen, report: IngestReport) -> None:
    """What an ingest did, with its doubts."""
    from features.numbers_in_words import number

    head = ["", "received", "accepted", "duplicate", "rejected", "corrected"]
    rows = [[name, *(number(n) for n in asdict(counts).values())] for name, counts in _kinds(report)]
    screen.table("rows", head, rows)
    if report.reasons:
        screen.table(
            f"rejected, see {report.rejected_path}",
            ["why", "rows"],
            [[k, number(n)] for k, n in report.reasons.items()],
        )
    tell_doubts(screen, report.cells, report.left_out, report.idle, report.doubts)
    if report.learnt:
        screen.tell(f"event types that are known from now on: {', '.join(report.learnt)}")
    tell_taken_out(screen, report.taken_out, "taken out")
    screen.result(asdict(report))


def compact(var: Var = VAR, log: Log = None, quiet: Quiet = False, as_json: AsJson = False) -> None:
    """Weave appended parts of the event log into its base. Ingests do so by themselves when it has grown."""
    from data.log.compaction import compact

    screen, log_path = Screen(quiet, as_json), log or var / "log"
    with screen.progress("compacting") as step:
        woven = compact(log_path, step)
    screen.tell("the event log is one base again" if woven else "there is nothing to compact")
    screen.result({"compacted": woven})


def features(
    config: Config = None,
    var: Var = VAR,
    log: Log = None,
    lead: Annotated[str | None, typer.Option(help="show what is known of this lead instead")] = None,
    as_of: AsOf = None,
    cluster: Cluster = None,
    store: FromStore = None,
    quiet: Quiet = False,
    parquet: Annotated[
        Path | None, typer.Option(help="with --lead: also write its features to this file, as numbers")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the training set, of now or of an earlier day. `--lead` shows what was known of one lead instead."""
    from features.numbers_in_words import number

    screen, workspace = Screen(quiet, as_json), workspace_of(var, config, log)
    if lead is not None:
        _show_lead(screen, workspace, lead, as_of, parquet)
        return
    if parquet is not None:
        raise UsageError("--parquet is for what --lead shows; the training set is Parquet already")
    with workspace.writing("leadscore features"):
        if store is not None:
            take_in(screen, store, workspace.log_path)
        made = build(screen, workspace, cluster, as_of)
    screen.tell(
        f"{number(made.moments)} moments, {number(made.mature)} mature, {number(made.positives)} converted, "
        f"{number(made.censored)} censored; {len(made.catalogue) + len(made.recipe.own)} features, in {made.path}"
    )
    about = {name: getattr(made, name) for name in ("moments", "mature", "positives", "censored", "digest")}
    screen.result({**about, "features": len(made.catalogue) + len(made.recipe.own), "path": made.path})


def build(screen: Screen, workspace: Workspace, cluster: str | None, as_of: str | None = None) -> TrainingSet:
    """The training set of a workspace, brought up to date, or as it would have been made at a time."""
    with screen.progress("features") as step:
        return workspace.build(cluster, step, None if as_of is None else parse_time(as_of))


def _ends(texts: list[str]) -> dict[str, int]:
    """Sources and until when they are complete."""
    ends = {}
    for text in texts:
        source, is_pair, time = text.rpartition("=")
        if not is_pair:
            raise UsageError(f"--complete-until {text!r} names no source; write SOURCE=TIME, like crm=2026-10-01")
        ends[source] = parse_time(time, "--complete-until")
    return ends


def _files(texts: list[str]) -> dict[str, list[str]]:
    """Locations by the name that is given to them."""
    files: dict[str, list[str]] = {}
    for text in texts:
        name, is_pair, path = text.partition("=")
        if not is_pair or not name or not path:
            raise UsageError(f"--file {text!r} names no file; write NAME=PATH, like contacts=contacts.csv")
        files.setdefault(name, []).append(path)
    return files


def _show_lead(screen: Screen, workspace: Workspace, lead: str, as_of: str | None, parquet: Path | None) -> None:
    """What was known of one lead at a moment, in words and numbers."""
    from features.compiler import compile_plan
    from features.feature_wording import in_words
    from features.kernel import compute
    from features.own_features import own_columns
    from serving.scoring.batch import one_moment

    try:
        lead = required_id(lead)
    except NoId as error:
        raise UsageError(f"--lead {error}") from None
    log = workspace.event_log()
    catalogue = workspace.settings.catalogue(log)
    moment = log.observed_until_us + 1 if as_of is None else parse_time(as_of)
    plan = compile_plan(catalogue, log.vocabulary, log.watermarks.unobserved())
    history, at, own = log.find(lead), one_moment(moment), workspace.settings.own_features
    known = compute(plan, history, at).to_pylist()[0]
    known |= {name: column[0].as_py() for name, column in own_columns(own, history, at).items()}
    words = {definition.name: in_words(definition, "en", log.words) for definition in catalogue}
    words |= {function.short_name: f"your own, {function.name}" for function in own}
    screen.keep([_feature(name, known[name]) for name in words], parquet)
    rows = [[name, meaning, plain(known[name])] for name, meaning in words.items()]
    screen.table(f"lead {lead}", ["feature", "what it is", "value"], rows)
    screen.result(known)


def _feature(name: str, value: float | str | None) -> dict[str, float | str | None]:
    """A row of a file, whose columns have one type each."""
    text = value if isinstance(value, str) else None
    return {"feature": name, "number": None if text is not None or value is None else float(value), "text": text}


def _kinds(report: IngestReport) -> list[tuple[str, Counts]]:
    kinds = [("events", report.events), ("leads", report.leads), ("identities", report.identities)]
    kinds.append(("rows of files", report.files))
    return [(name, counts) for name, counts in kinds if counts.received or name in ("events", "leads")]
