"""The command line: one sub-command per job, no logic of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from console import Screen
from data.contract import DataError, UsageError
from store_commands import forget, keys, rescore, take_in

if TYPE_CHECKING:
    from data.ingest import Counts, IngestReport
    from features.training_set import TrainingSet
    from training.evaluation import Evaluation, Truth
    from training.report import Account
    from workspace import Workspace

DEMO = Path(__file__).with_name("leadscore.toml")
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(keys, name="keys")
app.command()(forget)

Config = Annotated[Path | None, typer.Option(help="settings file; default leadscore.toml where there is one")]
Var = Annotated[Path, typer.Option(help="workspace: event log, training set, models, reports")]
Quiet = Annotated[bool, typer.Option("--quiet", help="results only")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON value instead of tables")]
Log = Annotated[Path | None, typer.Option(help="event log; default VAR/log")]
FromStore = Annotated[
    str | None, typer.Option("--store", help="take in the serving database first: sqlite:///PATH or postgresql://…")
]
Cluster = Annotated[str | None, typer.Option(help="address of a running Dask scheduler, tcp://HOST:PORT")]


@app.command()
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
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Simulate a funnel whose true probabilities are known."""
    from data.simulate import FunnelOptions, simulate

    screen = Screen(quiet, as_json)
    options = FunnelOptions(leads, seed, days, bots, duplicates, late, broken, drift, wholesale)
    with screen.progress(f"simulating {leads:,} leads") as step:
        made = simulate(out, options, step)
    screen.tell(
        f"{made.rows:,} rows ({made.human:,} by people, {made.bots:,} by bots, {made.duplicates:,} duplicates, "
        f"{made.broken:,} broken), {made.won:,} deals won, {made.lost:,} lost, in {out}"
    )
    screen.result(asdict(made))


@app.command()
def ingest(
    mapping: Annotated[
        str | None, typer.Option(help="file, or a shipped one: simulated, bpic2012, online_retail")
    ] = None,
    events: Annotated[
        list[str] | None, typer.Option(help="CSV, JSON lines, Parquet, or database URL; repeatable")
    ] = None,
    leads: Annotated[list[str] | None, typer.Option(help="the same for profiles")] = None,
    var: Var = Path("var"),
    log: Log = None,
    store: FromStore = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Bring exports or databases into the event log; what is there already adds nothing."""
    from data.ingest import ingest
    from data.mapping import read_mapping

    screen, log_path = Screen(quiet, as_json), log or var / "log"
    if store is not None and (events or leads):
        raise UsageError("--store and --events do not go together; ingest one after the other")
    if store is not None:
        report = take_in(screen, store, log_path, mapping)
    elif mapping is None or not events:
        raise UsageError("nothing to ingest; give --mapping and --events, or --store")
    else:
        with screen.progress("ingesting") as step:
            report = ingest(log_path, read_mapping(mapping), events, leads or [], progress=step)
    head = ["", "received", "accepted", "duplicate", "rejected"]
    rows = [[name, *(f"{n:,}" for n in asdict(counts).values())] for name, counts in _kinds(report)]
    screen.table("rows", head, rows)
    if report.reasons:
        screen.table(
            f"rejected, see {report.rejected_path}", ["why", "rows"], [[k, f"{n:,}"] for k, n in report.reasons.items()]
        )
    screen.result(asdict(report))


@app.command()
def features(
    config: Config = None,
    var: Var = Path("var"),
    log: Log = None,
    lead: Annotated[str | None, typer.Option(help="show what is known of this lead instead")] = None,
    as_of: Annotated[str | None, typer.Option(help="the moment to show; default: the end of the log")] = None,
    cluster: Cluster = None,
    store: FromStore = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write the training set, or show what was known of one lead at a moment."""
    screen, workspace = Screen(quiet, as_json), _workspace(var, config, log)
    if lead is not None:
        _show_lead(screen, workspace, lead, as_of)
        return
    if as_of is not None:
        raise UsageError("--as-of shows one lead at a moment; name the lead with --lead")
    if store is not None:
        take_in(screen, store, workspace.log_path)
    made = _build(screen, workspace, cluster)
    screen.tell(
        f"{made.moments:,} moments, {made.mature:,} mature, {made.positives:,} converted, {made.censored:,} censored; "
        f"{len(made.catalogue)} features, in {made.path}"
    )
    about = {name: getattr(made, name) for name in ("moments", "mature", "positives", "censored", "digest")}
    screen.result({**about, "features": len(made.catalogue), "path": made.path})


@app.command()
def train(
    config: Config = None,
    var: Var = Path("var"),
    log: Log = None,
    cluster: Cluster = None,
    store: FromStore = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train, judge on the newest slice, register in MLflow."""
    from training.pipeline import STAGES, train_and_register

    screen, workspace = Screen(quiet, as_json), _workspace(var, config, log)
    settings = workspace.settings
    if store is not None:
        take_in(screen, store, workspace.log_path)
    made = _build(screen, workspace, cluster)
    with screen.stages(STAGES + (settings.training.tuning_minutes > 0)) as say:
        outcome = train_and_register(
            made, settings.training_plan, var, settings.model_dump(mode="json"), settings.training.tuning_minutes, say
        )
    _tell_account(screen, outcome.account)
    screen.tell(f"{outcome.name} version {outcome.version} is {outcome.alias}: {outcome.decision}")
    screen.tell(f"report {outcome.report}\nMLflow {workspace.registry.address}")
    screen.result(
        {
            "name": outcome.name,
            "version": outcome.version,
            "alias": outcome.alias,
            "decision": outcome.decision,
            "digest": outcome.digest,
            "report": outcome.report,
            "evaluation": outcome.account.evaluation.to_dict(),
            "thresholds": [each.to_dict() for each in outcome.account.thresholds],
        }
    )


@app.command()
def evaluate(
    config: Config = None,
    var: Var = Path("var"),
    truth: Annotated[Path | None, typer.Option(help="truth.parquet of a simulated funnel")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Judge the champion's recipe on the newest slice again; with --truth beside the best possible."""
    from training.review import STAGES, beside_truth, review

    screen, settings = Screen(quiet, as_json), _workspace(var, config).settings
    with screen.stages(STAGES) as say:
        judged = review(var, settings.target, settings.training_plan, say)
    _tell_judged(screen, judged.evaluation, judged.by_age)
    result: dict[str, Any] = judged.evaluation.to_dict()
    if truth is not None:
        found = beside_truth(judged.split, judged.p, truth, settings.chosen_target.horizon_days)
        result["truth"] = _tell_truth(screen, found)
    screen.result(result)


@app.command()
def score(
    out: Annotated[Path | None, typer.Option(help="file to write, .csv or .parquet")] = None,
    config: Config = None,
    var: Var = Path("var"),
    log: Log = None,
    as_of: Annotated[str | None, typer.Option(help="score as of this moment; default: the end of the log")] = None,
    language: Annotated[Literal["en", "de"], typer.Option(help="of reasons and sentences")] = "en",
    top: Annotated[int, typer.Option(min=0, help="leads to print")] = 10,
    store: Annotated[str | None, typer.Option(help="score the leads of this serving database instead, now")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score every open lead, with reasons; with --store into the serving database's score history."""
    from serving.batch import check_out, parse_as_of, score_log, told, write_scores
    from serving.scorer import Scorer

    screen, workspace = Screen(quiet, as_json), _workspace(var, config, log)
    if store is not None:
        rescore(screen, store, workspace)
        return
    if out is None:
        raise UsageError("nowhere to write to; give --out scores.csv, or --store")
    check_out(out)
    moment = None if as_of is None else parse_as_of(as_of)
    events, champion = workspace.event_log(), workspace.champion()
    scorer = Scorer(champion.load())
    with screen.progress("scoring") as step:
        scored = score_log(events, scorer, champion.version, moment, language, step)
    write_scores(scored, out)
    best = scored.rows[:top]
    screen.tell(f"the {len(best)} best of {len(scored.rows):,} open leads as of {scored.rows[0]['as_of']}")
    for row in best:
        screen.tell(told(row))
    screen.tell(f"all in {out}")
    screen.result({"leads": len(scored.rows), "out": out, "as_of": scored.rows[0]["as_of"], "top": best})


@app.command()
def info(config: Config = None, var: Var = Path("var"), quiet: Quiet = False, as_json: AsJson = False) -> None:
    """What is in the workspace: event log, training set, champion."""
    screen, found = Screen(quiet, as_json), _workspace(var, config).facts()
    screen.table("workspace", ["", "value"], [[name, value] for name, value in found.items()])
    screen.result(found)


@app.command()
def demo(
    leads: Annotated[int, typer.Option(min=3_000)] = 6_000,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    var: Var = Path("var"),
    quiet: Quiet = False,
) -> None:
    """The main job end to end, on a simulated funnel: histories, training set, model, thresholds, scored leads."""
    screen, workspace = Screen(quiet), _workspace(var, DEMO)
    folder, config = var / "demo", DEMO
    if not (folder / "funnel.json").exists():
        simulate(folder, leads, seed, quiet=quiet)
    ingest("simulated", [str(folder / "events.csv")], [str(folder / "leads.csv")], var, quiet=quiet)
    features(config, var, quiet=quiet)
    if workspace.champion_is_fresh():
        screen.say("the champion was trained on exactly this training set; it is kept")
    else:
        train(config, var, quiet=quiet)
    _tell_truth(screen, workspace.beside_truth(folder / "truth.parquet"))
    score(var / "scores.csv", config, var, quiet=quiet)
    screen.tell("\nwhere to look next")
    screen.tell(f"  report   {var / 'reports' / 'conversion' / 'report.html'}\n  scores   {var / 'scores.csv'}")
    screen.tell(f"  MLflow   .venv/bin/mlflow ui --backend-store-uri {workspace.registry.address}")


@app.command()
def serve(
    config: Config = None,
    var: Var = Path("var"),
    artifact: Annotated[Path | None, typer.Option(help="serve this artifact's folder; default: the champion")] = None,
    store: Annotated[str | None, typer.Option(help="database URL; default sqlite:///VAR/store.db")] = None,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8000,
    look: Annotated[float, typer.Option(min=0.1, help="seconds between looks for a new champion")] = 10.0,
    insecure_local: Annotated[bool, typer.Option("--insecure-local", help="ask for no key; loopback only")] = False,
) -> None:
    """Answer requests in real time with the champion, until a signal comes."""
    from serving.server import Options, serve
    from serving.sources import FolderSource, RegistrySource
    from settings import read_settings, settings_path
    from training.registry import CHAMPION, Registry

    name = read_settings(settings_path(config)).model_name
    source = FolderSource(artifact, name) if artifact else RegistrySource(var, Registry(var).uri, name, CHAMPION)
    serve(
        Options(
            source,
            var / "serving" / name,
            store or f"sqlite:///{var}/store.db",
            host,
            port,
            insecure_local,
            look,
            workspace=var,
        )
    )


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="number of a registered version")],
    reason: Annotated[str, typer.Option(help="why; noted in the registry")] = "promoted by hand",
    config: Config = None,
    var: Var = Path("var"),
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion; servers take it up within seconds."""
    from serving.promotion import promote

    screen, workspace = Screen(quiet, as_json), _workspace(var, config)
    before = promote(workspace.registry, workspace.model_name, version, reason)
    screen.tell(f"version {version} of {workspace.model_name} is champion" + (f", after {before}" if before else ""))
    screen.result({"name": workspace.model_name, "version": version, "before": before})


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="why; noted in the registry")] = "rolled back by hand",
    config: Config = None,
    var: Var = Path("var"),
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make the former champion champion again."""
    from serving.promotion import rollback

    screen, workspace = Screen(quiet, as_json), _workspace(var, config)
    before, now = rollback(workspace.registry, workspace.model_name, reason)
    screen.tell(f"version {now} of {workspace.model_name} is champion again, instead of {before}")
    screen.result({"name": workspace.model_name, "version": now, "before": before})


def main() -> None:
    """Runs a command; errors a user can mend are one line on standard error, exit code 2 (usage) or 3 (data)."""
    # Threads that wait must not spin: on a busy machine that makes LightGBM ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except typer.TyperException as error:
        _stop(2, f"{error.format_message()} (see leadscore --help)".lstrip())
    except UsageError as error:
        _stop(2, str(error))
    except DataError as error:
        _stop(3, str(error))
    except OSError as error:
        _stop(3, f"{error.filename or 'input or output'}: {error.strerror or error}")
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)


def _stop(code: int, text: str) -> NoReturn:
    print(f"error: {' '.join(text.split())}", file=sys.stderr)  # noqa: T201 -- the one line that the user gets
    sys.exit(code)


def _workspace(var: Path, config: Path | None, log: Path | None = None) -> Workspace:
    from workspace import Workspace

    return Workspace.open(var, config, log)


def _build(screen: Screen, workspace: Workspace, cluster: str | None) -> TrainingSet:
    with screen.progress("features") as step:
        return workspace.build(cluster, step)


def _show_lead(screen: Screen, workspace: Workspace, lead: str, as_of: str | None) -> None:
    """What was known of one lead at a moment, in words and numbers."""
    from features.kernel import compute
    from features.plan import compile_plan
    from features.words import in_words
    from serving.batch import one_moment, parse_as_of

    log = workspace.event_log()
    catalogue = workspace.settings.catalogue(log)
    moment = log.observed_until_us + 1 if as_of is None else parse_as_of(as_of)
    known = compute(compile_plan(catalogue, log.vocabulary), log.find(lead), one_moment(moment)).to_pylist()[0]
    rows = [[each.name, in_words(each, "en", log.words), _plain(known[each.name])] for each in catalogue]
    screen.table(f"lead {lead}", ["feature", "what it is", "value"], rows)
    screen.result({name: None if value != value else value for name, value in known.items()})


def _plain(value: float | str | None) -> str:
    return "" if value is None or value != value else value if isinstance(value, str) else f"{value:.4g}"


def _kinds(report: IngestReport) -> list[tuple[str, Counts]]:
    return [("events", report.events), ("leads", report.leads)]


def _tell_truth(screen: Screen, found: Truth) -> dict[str, Any]:
    rows = [
        ["log-loss of the champion", f"{found.log_loss:.4f}"],
        ["log-loss of the true probability", f"{found.best_log_loss:.4f}"],
        ["mean Kullback-Leibler divergence", f"{found.divergence:.4f}"],
        ["calibration slope, on labels", _plain(found.slope)],
        ["calibration slope, on true probabilities", _plain(found.true_slope)],
    ]
    screen.table("Beside the best possible: true probabilities, newest slice", ["", "value"], rows)
    return found.to_dict()


def _tell_account(screen: Screen, account: Account) -> None:
    from training.promises import sentence

    _tell_judged(screen, account.evaluation, account.by_age)
    for each in account.thresholds:
        screen.tell(sentence(each, account.target["horizon_days"]))


def _tell_judged(screen: Screen, evaluation: Evaluation, by_age: Mapping[str, Evaluation]) -> None:
    from training.tables import tables

    screen.tell(
        f"newest slice: {evaluation.rows:,} moments of {evaluation.leads:,} leads, {evaluation.positives:,} converted"
    )
    for each in tables(evaluation, by_age):
        screen.table(each.title, each.head, each.rows)


if __name__ == "__main__":
    main()
