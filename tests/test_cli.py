"""The command line as people and scripts use it: results on one stream, one line for every error, nothing half-done."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import leadscore
from commands.app import app
from tests.conftest import REPOSITORY
from training.updating.review import STAGES
from workspace import Workspace

Edit = Callable[[Path], object]
COMMANDS = ("simulate", "ingest", "features", "train", "evaluate", "score", "info", "demo")


class Shell:
    """Runs commands in this process, in a folder of its own, as `main` would be run."""

    def __init__(self, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.capture = capture
        self.patch = patch

    def __call__(self, *words: object) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        self.patch.setattr(sys, "argv", ["leadscore", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            leadscore.main()
        return (int(stopped.value.code or 0), *self.capture.readouterr())

    def refused(self, code: int, *words: object) -> str:
        """The one line that a command that cannot be followed leaves."""
        exit_code, out, err = self(*words)
        assert (exit_code, out) == (code, ""), err
        line = [text for text in err.splitlines() if text.startswith("error: ")]
        assert len(line) == 1, err
        assert err.splitlines()[-1] == line[0]
        assert "Traceback" not in err
        assert len(line[0]) < 500
        return line[0]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", os.environ.copy())
    return Shell(capsys, monkeypatch)


@pytest.fixture
def options(trained: Workspace) -> list[str]:
    """Options that name the trained workspace and its settings."""
    return ["--var", str(trained.root), "--config", str(trained.root / "small.toml")]


def copy_of(trained: Workspace, tmp_path: Path) -> Path:
    """A workspace to write to, of which the MLflow store still points at the artifacts of the original."""
    root = tmp_path / "copy"
    root.mkdir()
    for name in ("log", "training_set"):
        shutil.copytree(trained.root / name, root / name)
    shutil.copy(trained.root / "mlflow.db", root)
    return root


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, without MLflow's own cache and the lock of writers."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "workspace.lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if "cache" not in path.parts}


def test_every_command_is_known_and_tells_what_it_does(shell: Shell) -> None:
    names = {
        registered.name or str(registered.callback.__name__)
        for registered in app.registered_commands
        if registered.callback
    }
    assert set(COMMANDS) <= names
    for name in sorted(names):
        code, out, err = shell(name, "--help")
        assert (code, err) == (0, "")
        assert name in out
    code, out, err = shell("--help")
    cut_off = [line for line in out.split("Commands:")[1].splitlines() if line.endswith("...")]
    assert (code, err, cut_off) == (0, "", [])


def test_from_export_to_scores_by_the_commands_of_a_user(shell: Shell, trained: Workspace, tmp_path: Path) -> None:
    demo = trained.root / "demo"
    words = ["ingest", "--mapping", "simulated", "--events", demo / "events.csv", "--leads", demo / "leads.csv"]
    code, out, err = shell(*words, "--var", tmp_path / "var", "--json")
    assert (code, err) == (0, "")
    counts = json.loads(out)["events"]
    assert counts["received"] == counts["accepted"] + counts["duplicate"] + counts["rejected"] > 10_000
    config = trained.root / "small.toml"
    code, out, _ = shell("features", "--var", tmp_path / "var", "--config", config, "--json")
    assert code == 0
    first = json.loads(out)
    assert first["moments"] > first["mature"] > first["positives"] > 0
    before = files(tmp_path / "var" / "training_set")
    code, out, _ = shell("features", "--var", tmp_path / "var", "--config", config, "--json")
    assert json.loads(out) == first
    assert files(tmp_path / "var" / "training_set") == before


def test_scores_are_one_value_for_a_script_and_a_table_for_people(
    shell: Shell, options: list[str], tmp_path: Path
) -> None:
    code, out, err = shell("score", *options, "--out", tmp_path / "scores.csv", "--json", "--top", 3)
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert len(answer["top"]) == 3
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == answer["leads"] > 100
    assert rows[0]["lead_id"] == answer["top"][0]["lead_id"]
    code, out, err = shell("score", *options, "--out", tmp_path / "scores.parquet", "--quiet", "--language", "de")
    assert (code, err) == (0, "")
    assert "best of" in out
    assert pq.read_table(tmp_path / "scores.parquet").num_rows == len(rows)


def test_what_is_there_is_one_value_for_a_script(shell: Shell, options: list[str]) -> None:
    code, out, err = shell("info", *options, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["champion"].startswith("version 1")


def test_evaluate_tells_of_the_best_possible(shell: Shell, options: list[str], trained: Workspace) -> None:
    code, out, err = shell("evaluate", *options, "--truth", trained.root / "demo" / "truth.parquet", "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["truth"]["best_log_loss"] < answer["judgements"][0]["metrics"]["log_loss"]["value"]


def test_drift_between_training_sets_and_lists_of_scores_needs_no_store(
    shell: Shell, options: list[str], trained: Workspace, tmp_path: Path
) -> None:
    code, out, err = shell("monitor", *options, "--baseline", trained.training_set_path, "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert len(answer["shifts"]) > 40
    assert max(result["psi"] for result in answer["shifts"]) == 0.0
    scores = tmp_path / "scores.csv"
    scores.write_text("lead_id,probability,stage\nL1,0.1,MQL\nL2,0.02,\n")
    code, out, _ = shell("monitor", *options, "--scores", scores, "--scores", scores)
    assert code == 0
    assert "nothing: scores alone tell of no labels" in out
    assert "name an earlier one" in shell.refused(2, "monitor", *options, "--scores", scores)
    assert "--current needs --baseline" in shell.refused(2, "monitor", *options, "--current", trained.root)


WRITTEN_NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?( ?%)?")


def written_numbers(value: Any, where: str = "") -> list[str]:
    """Places of a JSON value where a number stands as text."""
    if isinstance(value, dict):
        return [name for key, part in value.items() for name in written_numbers(part, f"{where}.{key}")]
    if isinstance(value, list):
        return [name for part in value for name in written_numbers(part, where)]
    is_name = where.endswith(("version", "before", "digest", "name"))
    return [where] if isinstance(value, str) and not is_name and WRITTEN_NUMBER.fullmatch(value) else []


@pytest.mark.parametrize(
    "words",
    [
        ("info",),
        ("evaluate",),
        ("features", "--lead", "L0000010"),
        ("thresholds", "show"),
        ("thresholds", "what-if"),
        ("monitor", "--baseline", "TRAINING_SET"),
    ],
    ids=" ".join,
)
def test_what_a_table_shows_a_script_gets_as_numbers(
    words: tuple[str, ...], shell: Shell, options: list[str], trained: Workspace
) -> None:
    """Planted fault beside it: a formatted number is found."""
    named = [str(trained.training_set_path) if word == "TRAINING_SET" else word for word in words]
    code, out, err = shell(*named, *options, "--json")
    assert (code, err) == (0, "")
    assert written_numbers(json.loads(out)) == []
    assert written_numbers({"shares": [{"share": "12.5 %"}, {"leads": "18,000"}]}) == [".shares.share", ".shares.leads"]


def test_the_numbers_of_what_is_there_stand_beside_the_words(
    shell: Shell, options: list[str], trained: Workspace
) -> None:
    _, out, _ = shell("info", *options, "--json")
    counts = json.loads(out)["counts"]
    assert counts["events"] == trained.event_log().n_events
    assert counts["moments"] > counts["mature"] > counts["converted"] > 0


def test_long_tables_are_written_as_parquet_too(shell: Shell, options: list[str], tmp_path: Path) -> None:
    path = tmp_path / "curve.parquet"
    code, out, _ = shell("thresholds", "what-if", *options, "--parquet", path)
    assert code == 0
    assert f"rows in {path}" in out
    _, printed, _ = shell("thresholds", "what-if", *options, "--json")
    assert pq.read_table(path).to_pydict() == json.loads(printed)
    assert "cannot be written" in shell.refused(
        2, "thresholds", "what-if", *options, "--parquet", tmp_path / "no" / "x"
    )


def test_what_is_known_of_a_lead_at_a_moment(shell: Shell, options: list[str], trained: Workspace) -> None:
    code, out, err = shell("features", *options, "--lead", "L0000010", "--as-of", "2024-01-01", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["count_any_ever"] == 0
    code, out, _ = shell("features", *options, "--lead", "L0000010", "--json")
    assert json.loads(out)["count_any_ever"] > 0
    code, out, _ = shell("features", *options, "--lead", "L0000010")
    assert "days since we know the lead" in out


def test_findings_are_rows_of_a_file_too(shell: Shell, tmp_path: Path) -> None:
    """Planted: a column that only those have who converted."""
    won = np.arange(600) % 3 == 0
    path, file = tmp_path / "table.parquet", tmp_path / "findings.parquet"
    columns = {"age": np.arange(600.0), "contract_value": np.where(won, 900.0, np.nan), "won": won.astype(np.int64)}
    pq.write_table(pa.table(columns), path)
    words = ["audit", path, "--target", "won", "--positive", "1", "--var", tmp_path, "--allow", "contract_value"]
    code, out, _ = shell(*words, "--json", "--parquet", file)
    assert code == 0
    assert ("contract_value", True) in [(row["name"], row["allowed"]) for row in json.loads(out)]
    assert pq.read_table(file).to_pylist() == json.loads(out)


def test_features_of_the_users_own_are_shown_with_ours(shell: Shell, tmp_path: Path) -> None:
    export = tmp_path / "export"
    shell("simulate", export, "--leads", 60, "--days", 90)
    files = ["--events", export / "events.csv", "--leads", export / "leads.csv"]
    assert shell("ingest", "--mapping", "simulated", *files, "--var", tmp_path / "var")[0] == 0
    (tmp_path / "mine.py").write_text("def seen(history):\n    return len(history.events)\n")
    config, file = tmp_path / "own.toml", tmp_path / "known.parquet"
    config.write_text('[features]\nown = ["mine.py:seen"]\n')
    words = ["features", "--var", tmp_path / "var", "--config", config]
    code, out, _ = shell(*words, "--lead", "L0000010", "--json", "--parquet", file)
    assert code == 0
    assert json.loads(out)["seen"] == json.loads(out)["count_any_ever"] > 0
    rows = {row["feature"]: row for row in pq.read_table(file).to_pylist()}
    assert rows["seen"]["number"] == json.loads(out)["seen"]
    assert rows["profile_country"]["text"] == json.loads(out)["profile_country"] is not None
    assert "your own, mine.py:seen" in shell(*words, "--lead", "L0000010")[1]
    assert "the training set is Parquet already" in shell.refused(2, *words, "--parquet", file)


def settings(text: str) -> Edit:
    """A settings file."""
    return lambda folder: (folder / "bad.toml").write_text(text)


BAD_SETTINGS = {
    "[training]\nlearnin_rate = 0.1": "training.learnin_rate is no setting; did you mean learning_rate?",
    "horizon = 3": "horizon is no setting; did you mean horizon_days?",
    '[training]\nfolds = "many"': "training.folds = 'many': Input should be a valid integer",
    "[training]\nfolds = 1": "training.folds = 1: Input should be greater than or equal to 2",
    "training = 3": "training = 3",
    "[thresholds.mql]\nvalue = 100": "give precision, per_week or both, or value and cost",
    "[thresholds.mql]\nprecision = 0.1\nvalue = 9\ncost = 1": "give precision, per_week or both, or value and cost",
    "[thresholds.mql]\nvalue = 100\ncost = 100": "cost must lie below value",
    'target = "sales"': "target 'sales' is not among [targets]: conversion, repeat_purchase",
    '[features]\ndrop = ["profile_countri"]': "did you mean profile_country?",
    '[features]\nadd = [{ feature = "Cuont", events = "chat" }]': "feature 'Cuont' is of no known kind",
    '[features]\nadd = [{ feature = "Count", days = 3 }]': "feature Count lacks a field",
    '[features]\nadd = [{ feature = "Count", events = "fax" }]': "fax",
    '[features]\nadd = [{ feature = "Count", events = "any", days = "week" }]': "week",
    "not toml": "is no TOML",
    '[targets."../../escape"]\nevents = ["x"]': "'../../escape' names folders and a model in MLflow",
    '[targets."Phase: neu"]\nevents = ["x"]': "'Phase: neu' names folders and a model in MLflow",
    'namespace = "a/b"': "namespace = 'a/b'",
}


@pytest.mark.parametrize("text", BAD_SETTINGS)
def test_settings_that_cannot_be_followed(text: str, shell: Shell, trained: Workspace, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(text)
    root = copy_of(trained, tmp_path)
    before = files(root)
    line = shell.refused(2, "features", "--config", "bad.toml", "--var", root)
    assert BAD_SETTINGS[text] in line
    assert files(root) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["simulate"], "Missing argument 'out'"),
        (["scroe"], "No such command 'scroe'"),
        (["simulate", "x", "--leads", "many"], "Invalid value for '--leads'"),
        (["score", "--out", "x.csv", "--language", "fr"], "Invalid value for '--language'"),
        (["score", "--out", "x.xls"], "the ending '.xls' is none of .csv, .parquet"),
        (["score", "--out", "/proc/nowhere/x.csv"], "its folder cannot be made"),
        (["score", "--out", "x.csv", "--as-of", "2024-05-01T12:00:00"], "has no time zone; add one"),
        (["score", "--out", "x.csv", "--as-of", "yesterday"], "is no time; write one like 2024-05-01T12:00:00Z"),
        (["info", "--config", "nowhere.toml"], "name a settings file that exists"),
    ],
)
def test_commands_that_cannot_be_followed(words: list[str], message: str, shell: Shell, tmp_path: Path) -> None:
    assert message in shell.refused(2, *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["features"], ["train"], ["score", "--out", "x.csv"]])
def test_without_an_event_log_it_says_what_to_do_first(command: list[str], shell: Shell, tmp_path: Path) -> None:
    assert "var/log holds no event log; run `leadscore ingest` first" in shell.refused(3, *command, "--var", "var")
    assert not (tmp_path / "x.csv").exists()


def test_without_a_champion_it_says_what_to_do_first(shell: Shell, trained: Workspace, tmp_path: Path) -> None:
    root = copy_of(trained, tmp_path)
    (root / "mlflow.db").unlink()
    for words in (["score", "--out", "x.csv"], ["evaluate"]):
        assert "run `leadscore train` first" in shell.refused(3, *words, "--var", root)
    assert not (tmp_path / "x.csv").exists()


def test_an_unknown_lead_and_a_moment_before_everything(shell: Shell, options: list[str], tmp_path: Path) -> None:
    assert "lead 'nobody' is not in" in shell.refused(3, "features", *options, "--lead", "nobody")
    line = shell.refused(3, "score", *options, "--out", "x.csv", "--as-of", "1999-01-01")
    assert "is open at 1999-01-01" in line
    assert list(tmp_path.iterdir()) == []


def unreadable(pattern: str) -> Edit:
    """Cuts every file of a pattern in half."""

    def cut(root: Path) -> None:
        paths = sorted(root.glob(pattern))
        assert paths
        for path in paths:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return cut


DAMAGES: dict[str, tuple[Edit, list[str], str]] = {
    "manifest of the log": (unreadable("log/log.json"), ["features"], "log.json"),
    "events of the log": (unreadable("log/*/events-*.parquet"), ["score", "--out", "x.csv"], "cannot be read"),
    "training set": (unreadable("training_set/*/training_set.json"), ["evaluate"], "no complete training set"),
    "shards": (unreadable("training_set/*/rows/shard-*.parquet"), ["evaluate"], "shard-000.parquet"),
    "MLflow store": (unreadable("mlflow.db"), ["score", "--out", "x.csv"], "cannot do that"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_files_are_named(name: str, shell: Shell, trained: Workspace, tmp_path: Path) -> None:
    root = copy_of(trained, tmp_path)
    damage, words, message = DAMAGES[name]
    damage(root)
    assert message in shell.refused(3, *words, "--var", root, "--config", trained.root / "small.toml")
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training]\nfewest_converted = 5000", "leads have converted, 5,000 are needed (fewest_converted)"),
        (
            "[targets.conversion]\nevents = ['deal_won']\nhorizon_days = 3000",
            "a label is certain 3000 days after",
        ),
    ],
)
def test_data_that_cannot_be_learnt_from(
    text: str, message: str, shell: Shell, trained: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "settings.toml").write_text(f"{text}\n[moments]\nevery_days = 28\n")
    root = copy_of(trained, tmp_path)
    (root / "mlflow.db").unlink()
    assert message in shell.refused(3, "train", "--config", "settings.toml", "--var", root, "--quiet")
    assert not (root / "runs").exists()
    assert not (root / "mlflow.db").exists()


def leaky(root: Path) -> None:
    """Plants what is known at a lead's last moment into all of its moments."""
    shard = root / "training_set" / "conversion" / "rows" / "shard-000.parquet"
    table = pq.read_table(shard)
    place = table.column_names.index("count_any_ever")
    later = pa.array(np.arange(len(table), dtype=np.float32))
    pq.write_table(table.set_column(place, table.schema.field(place), later), shard)


def test_training_stops_at_a_leak_unless_it_is_allowed_by_name(
    shell: Shell, options: list[str], trained: Workspace, tmp_path: Path
) -> None:
    root = copy_of(trained, tmp_path)
    config = ["--config", trained.root / "small.toml", "--var", root]
    assert shell("audit", *config, "--json") == (0, "[]\n", "")
    leaky(root)
    for words in (["audit", *config, "--quiet", "--json"], ["train", *config, "--quiet"]):
        code, out, err = shell(*words)
        assert (code, "leak in count_any_ever: " in err, "--allow NAME" in err) == (3, True, True)
        assert not (root / "runs").exists()
    code, out, err = shell("audit", *config, "--allow", "count_any_ever", "--json")
    assert (code, err) == (0, "")
    assert [(load["name"], load["allowed"]) for load in json.loads(out)] == [("count_any_ever", True)]


def test_a_table_is_audited_by_itself(shell: Shell, tmp_path: Path) -> None:
    rows = [f"{i},{i % 7},{'9' if i % 3 == 0 else ''},{int(i % 3 == 0)}" for i in range(600)]
    (tmp_path / "leads.csv").write_text("\n".join(["id,age,contract,converted", *rows]))
    words = ["audit", "leads.csv", "--target", "converted", "--id", "id"]
    code, out, err = shell(*words)
    assert (code, "contract" in out, "leak in contract" in err) == (3, True, True)
    assert shell(*words, "--allow", "contract")[0] == 0
    assert "there is no column 'won'; there are id, age" in shell.refused(2, "audit", "leads.csv", "--target", "won")
    assert "--target is missing" in shell.refused(2, "audit", "leads.csv")
    assert "belong to a table" in shell.refused(2, "audit", "--target", "converted")


def command(*words: object) -> list[str]:
    return [sys.executable, str(REPOSITORY / "leadscore.py"), *map(str, words)]


def wait_for(holds: Callable[[], object], running: subprocess.Popen[str], patience_s: float = 120) -> None:
    """Waits until something holds while a command runs."""
    end = time.monotonic() + patience_s
    while not holds():
        assert running.poll() is None, "the command has ended before it came about"
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.005)


def test_an_interrupt_leaves_nothing_half_done_and_the_command_can_be_run_again(tmp_path: Path) -> None:
    out = tmp_path / "funnel"
    words = command("simulate", out, "--leads", 10_000, "--days", 540)
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert "simulating" in running.stderr.readline()
        wait_for(lambda: list(out.rglob("*")), running)
        running.send_signal(signal.SIGINT)
        rest = running.stderr.read()
        assert running.wait(60) == 130
    assert "Traceback" not in rest
    assert not list(tmp_path.rglob("*.csv"))
    done = subprocess.run(command("simulate", out, "--leads", 50, "--days", 60, "--quiet"), check=False, timeout=120)
    assert done.returncode == 0
    assert (out / "events.csv").exists()


def on_a_terminal(words: list[str]) -> str:
    """What a command shows to somebody who watches."""
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=child, stdin=child, env=environment) as running:
        os.close(child)
        shown = b"".join(_chunks(parent))
    os.close(parent)
    assert running.returncode == 0, shown.decode()
    return shown.decode()


def _chunks(terminal: int) -> Iterator[bytes]:
    try:
        while chunk := os.read(terminal, 65_536):
            yield chunk
    except OSError:  # the other end of a terminal that has ended
        return


def test_somebody_who_watches_sees_how_far_it_is(options: list[str]) -> None:
    shown = on_a_terminal(command("evaluate", *options))
    assert "fitting baseline" in shown
    assert f"/{STAGES}" in shown


def test_a_log_gets_a_line_without_colours(shell: Shell, options: list[str], tmp_path: Path) -> None:
    code, out, err = shell("score", *options, "--out", tmp_path / "scores.csv")
    assert (code, err) == (0, "scoring\n")
    assert "best of" in out
    assert "\x1b" not in out


def test_a_value_for_scripts_is_strict_json(shell: Shell, options: list[str]) -> None:
    def refuse(text: str) -> Any:
        raise AssertionError(f"{text} is no JSON")

    code, out, _ = shell("features", *options, "--lead", "L0000010", "--json")
    assert code == 0
    json.loads(out, parse_constant=refuse)
