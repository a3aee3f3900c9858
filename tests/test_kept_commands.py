"""Commands of those who run it: a backup and what is made of it, the trail, and what is no longer kept."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from serving.store.events.event_validation import EventIn
from serving.store.store import open_store
from tests.test_cli import Shell
from tests.test_cli import shell as shell
from workspace import Workspace

DAY = 86_400_000_000


@pytest.fixture
def installation(trained: Workspace, tmp_path: Path) -> list[str]:
    """Options that name a copy of the trained workspace, with a store."""
    root = tmp_path / "var"
    shutil.copytree(trained.root, root, ignore=shutil.ignore_patterns("demo", "cache", "serving"))
    now = time.time_ns() // 1000
    with open_store(f"sqlite:///{root / 'store.db'}") as store:
        store.leads.put("L1", now - 400 * DAY, None, {}, now)
        store.events.add([EventIn("L1", "page_view", now - DAY, received_at=now - DAY)], now)
        store.events.add([EventIn("L1", "", now - 300 * DAY)], now - 300 * DAY)
    return ["--var", str(root), "--config", str(root / "small.toml")]


def test_a_restored_installation_scores_as_before_and_says_what_is_missing(
    shell: Shell, installation: list[str], tmp_path: Path
) -> None:
    code, out, err = shell("backup", tmp_path / "backup", *installation)
    assert (code, err) == (0, "backing up\n")
    assert "not in it: training sets: `leadscore features` makes them again" in out
    code, out, _ = shell("restore", tmp_path / "backup", "--var", tmp_path / "new", "--json")
    done = json.loads(out)
    assert (code, done["erased"], done["store"]) == (0, 0, f"sqlite:///{tmp_path / 'new' / 'store.db'}")
    new = ["--var", str(tmp_path / "new"), "--config", str(tmp_path / "new" / "settings" / "leadscore.toml")]
    info = json.loads(shell("info", *new, "--json")[1])
    was = json.loads(shell("info", *installation, "--json")[1])
    assert info["champion"] == was["champion"]
    assert info["event log"] == was["event log"]
    Path(installation[1]).rename(tmp_path / "lost")
    assert shell("features", *new, "--quiet")[0] == 0
    assert json.loads(shell("info", *new, "--json")[1])["training set"] == was["training set"]
    code, _, err = shell("score", *new, "--out", tmp_path / "after.csv", "--quiet")
    assert code == 0, err
    lost = ["--var", str(tmp_path / "lost"), "--config", str(tmp_path / "lost" / "small.toml")]
    assert shell("score", *lost, "--out", tmp_path / "before.csv", "--quiet")[0] == 0
    assert (tmp_path / "after.csv").read_bytes() == (tmp_path / "before.csv").read_bytes()


def test_what_cannot_be_backed_up_or_restored_is_told_in_one_line(
    shell: Shell, installation: list[str], tmp_path: Path
) -> None:
    assert "which it is a backup of" in shell.refused(2, "backup", Path(installation[1]) / "x", *installation)
    assert "there is no workspace at" in shell.refused(3, "backup", tmp_path / "x", "--var", tmp_path / "none")
    assert "is no backup" in shell.refused(3, "restore", tmp_path, "--var", tmp_path / "new")
    away = ("--store", "postgresql://nobody@127.0.0.1:1/none")
    assert "does not answer" in shell.refused(3, "backup", tmp_path / "x", *installation, *away)
    assert shell("backup", tmp_path / "backup", *installation)[0] == 0
    assert "is not empty" in shell.refused(2, "restore", tmp_path / "backup", "--var", installation[1])
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] in "xn.") == []


def test_promotions_and_thresholds_are_in_the_trail(shell: Shell, installation: list[str]) -> None:
    code, _, err = shell("thresholds", "set", "SQL", "--per-week", "3", *installation)
    assert code == 0, err
    assert shell("rollback", *installation)[0] == 0
    assert shell("promote", "2", *installation)[0] == 0
    code, out, _ = shell("trail", *installation[:2], "--json")
    entries = json.loads(out)
    assert [(entry["who"], entry["action"]) for entry in entries] == [
        ("command line", "threshold SQL capacity 3"),
        ("command line", "roll back leadscore-conversion to version 1"),
        ("command line", "promote leadscore-conversion version 2"),
    ]
    code, out, _ = shell("trail", *installation[:2], "--action", "promote", "--since", "2024-01-01")
    assert "promoteleadscore-conversionversion2" in "".join(out.split()), "words are broken where columns are narrow"
    assert "threshold" not in out
    assert json.loads(shell("trail", *installation[:2], "--until", "2024-01-01", "--json")[1]) == []
    assert "--since 'soon'" in shell.refused(2, "trail", *installation[:2], "--since", "soon")


def test_a_trail_that_was_rewritten_is_told_in_one_line(shell: Shell, installation: list[str]) -> None:
    place = Path(installation[1]) / "store.db"
    with open_store(f"sqlite:///{place}") as store:
        for number in range(3):
            store.audit.add("account anna", f"deed {number}", number)
    code, out, _ = shell("check-trail", *installation[:2], "--json")
    checked = json.loads(out)
    assert (code, checked["entries"], checked["not_sealed"]) == (0, 3, 0)
    assert shell("check-trail", *installation[:2], "--head", checked["head"])[0] == 0
    assert "NUMBER:SEAL" in shell.refused(2, "check-trail", *installation[:2], "--head", "3")
    with closing(sqlite3.connect(place)) as owner, owner:
        owner.execute("DROP TRIGGER audit_no_update")
        owner.execute("UPDATE audit SET action = 'nothing' WHERE number = 2")
    assert "the audit trail was changed: entry 2 was changed" in shell.refused(3, "check-trail", *installation[:2])


def test_no_store_is_made_for_the_trail_alone(shell: Shell, installation: list[str]) -> None:
    store = Path(installation[1]) / "store.db"
    store.unlink()
    assert shell("thresholds", "set", "SQL", "--per-week", "3", *installation)[0] == 0
    assert not store.exists()


def test_promotion_and_recalibration_wait_while_data_does_not_arrive_as_usual(
    shell: Shell, installation: list[str]
) -> None:
    """A tracker that has stopped: the monitor says so by its exit code, and what follows outcomes waits."""
    now, url = time.time_ns() // 1000, f"sqlite:///{Path(installation[1]) / 'store.db'}"
    sent = [
        EventIn("L1", "sales_call", at, received_at=at, event_id=f"{day}-{n}", source="crm")
        for day in range(10, 90)
        for n in range(5)
        for at in [now - day * DAY]
    ]
    with open_store(url) as store:
        store.events.add(sent, now)
    code, out, _ = shell("monitor", *installation, "--json")
    answer = json.loads(out)
    assert (code, answer["exit_code"], list(answer["flow"][0]["stream"]), answer["flow"][0]["red"]) == (
        30,
        30,
        ["crm"],
        True,
    )
    said = shell("monitor", *installation)[1]
    assert "mend the data, it goes before all else: crm is silent since" in said
    assert said.splitlines()[-1].startswith("scores themselves, nothing: "), "of the scores, not of the data"
    for words in (["promote", "1"], ["recalibrate", "--store", url]):
        said = shell.refused(3, *words, *installation)
        assert "data does not arrive as usual: crm is silent since" in said
        assert "or say --anyway" in said
    assert "is champion already" in shell.refused(2, "promote", "1", "--anyway", *installation)


def test_what_is_over_is_counted_then_removed(shell: Shell, installation: list[str]) -> None:
    root = Path(installation[1])
    config = Path(installation[3])
    config.write_text(config.read_text() + "\n[retention]\nrejected_days = 100\nruns_days = 1\nversions_days = 1\n")
    cells = root / "backtest" / "conversion" / "cell.npy"
    cells.parent.mkdir(parents=True, exist_ok=True)
    cells.write_bytes(b"x")
    run = next((root / "runs" / "conversion").glob("*/run.json")).parent
    run.with_name(f"{run.name}.registered").unlink()
    old = time.time() - 3 * 86_400
    os.utime(run / "run.json", (old, old))
    code, out, _ = shell("prune", *installation, "--dry-run", "--json")
    counted = json.loads(out)
    assert (code, counted["dry_run"]) == (0, True)
    assert {name: count for name, count in counted["removed"].items() if count} == {"rejected": 1, "runs": 1}
    assert run.exists()
    code, out, _ = shell("prune", *installation, "--json")
    assert json.loads(out) == counted | {"dry_run": False}
    assert {counted["older_than_days"][name] for name in ("rejected", "runs", "versions")} == {100, 1}
    assert not run.exists()
    assert cells.exists()
    with closing(sqlite3.connect(root / "store.db")) as connection:
        assert connection.execute("SELECT count(*) FROM rejected").fetchone() == (0,)
    assert json.loads(shell("info", *installation, "--json")[1])["champion"].startswith("version 1")
    config.write_text(config.read_text().replace("rejected_days", "scores_days"))
    assert "retention.scores_days = 100 is too short" in shell.refused(2, "prune", *installation)
