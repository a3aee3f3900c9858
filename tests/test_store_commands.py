"""Commands on the store: keys shown once, leads forgotten, scored, learned from; one line for every error."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest

from data.log.eventlog import EventLog
from serving.store.events.event_validation import EventIn
from serving.store.leads.worklist_query import WantedLeads
from serving.store.store import open_store
from tests.postgres import Postgres
from tests.test_cli import Shell
from workspace import Workspace

DAY = 86_400_000_000


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", os.environ.copy())
    return Shell(capsys, monkeypatch)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store with three leads: one that has just come, one that has bought, one that objects."""
    url, now = f"sqlite:///{tmp_path / 'var' / 'store.db'}", time.time_ns() // 1000
    with open_store(url) as store:
        for lead in ("L-open", "L-won", "L-objects"):
            store.leads.put(lead, now - 9 * DAY, None, {"industry": "software"}, now)
            store.events.add([EventIn(lead, "page_view", now - DAY, received_at=now - DAY)], now)
        store.events.add([EventIn("L-won", "deal_won", now - 5, received_at=now - 5)], now)
        store.leads.object("L-objects", True, now)
    return url


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(shell: Shell, url: str) -> None:
    code, out, err = shell("keys", "create", "ingest", "web tracker", "--store", url)
    assert code == 0
    secret = out.strip()
    assert secret.startswith("ls_")
    assert "cannot be shown again" in err
    _, listed, _ = shell("keys", "list", "--store", url, "--json")
    assert secret not in listed
    [key] = json.loads(listed)
    assert (key["role"], key["label"], key["revoked_at"]) == ("ingest", "web tracker", None)
    assert shell("keys", "revoke", key["prefix"], "--store", url)[0] == 0
    with open_store(url) as store:
        assert store.keys.verify(secret) is None
        assert [entry.action for entry in store.audit.entries()] == ["create key", "revoke key"]
    assert "no valid key" in shell.refused(2, "keys", "revoke", key["prefix"], "--store", url)
    assert "'root' is none of" in shell.refused(2, "keys", "create", "root", "x", "--store", url)


def test_a_store_is_learned_from_and_a_forgotten_lead_is_gone_from_it_and_from_the_log(shell: Shell, url: str) -> None:
    code, out, _ = shell("ingest", "--store", url, "--mapping", "simulated", "--json")
    assert code == 0
    assert json.loads(out)["events"]["accepted"] == 4
    assert EventLog.open(Path("var/log")).n_leads == 3
    Path("var/scores.csv").write_text("lead_id,p\nL-won,1\nL-open,0\n")
    code, out, _ = shell("forget", "L-won", "--store", url, "--json")
    assert code == 0
    receipt = json.loads(out)
    assert (receipt["removed"]["events"], receipt["removed"]["event log"], receipt["removed"]["exports"]) == (2, 4, 1)
    assert "L-won" not in out
    assert EventLog.open(Path("var/log")).n_leads == 2
    assert Path("var/scores.csv").read_text() == "lead_id,p\nL-open,0\n"
    assert shell("ingest", "--store", url)[0] == 0
    assert EventLog.open(Path("var/log")).n_leads == 2


def test_an_empty_store_is_told_with_what_fills_it(shell: Shell, trained: Workspace, tmp_path: Path) -> None:
    options = ("--var", trained.root, "--config", trained.root / "small.toml")
    line = shell.refused(3, "score", "--store", f"sqlite:///{tmp_path / 'empty.db'}", *options)
    assert "no lead to score yet; `leadscore publish` takes those of the event log over" in line


def test_a_log_is_published_scored_and_listed(shell: Shell, trained: Workspace, tmp_path: Path) -> None:
    """And again: nothing changes. Without a log, or a model, it is refused with what to do."""
    url, options = (
        f"sqlite:///{tmp_path / 'store.db'}",
        ("--var", trained.root, "--config", trained.root / "small.toml"),
    )
    code, out, err = shell("publish", "--store", url, *options)
    assert code == 0, err
    log = trained.event_log()
    assert f"{log.n_leads:,} leads of the event log, {log.n_leads:,} of them changed: {log.n_events:,} events" in out
    assert "scores are as of now: ingest what is newer, or score as of then with --as-of" in out
    assert "nobody has an account for the page yet: leadscore users add NAME editor" in out
    code, out, _ = shell("publish", "--store", url, *options, "--as-of", "2024-09-01", "--json")
    done = json.loads(out)
    assert (code, done["leads"], done["changed"], done["events"]) == (0, log.n_leads, 0, 0)
    with open_store(url) as store:
        page = store.worklist.page(WantedLeads("conversion"), limit=200)
        assert len(page.entries) == 200
        then = done["scoring"]["as_of"]
        later = [entry.lead_id for entry in page.entries if entry.probability is not None and entry.as_of != then]
        assert len(later) < 20
        assert all(log.find(lead).known_at.min() >= then for lead in later), "they were not there yet"
        assert store.explanations.of("conversion", page.entries[0].lead_id) is not None
    assert "holds no event log" in shell.refused(3, "publish", "--store", url, "--var", tmp_path / "none")
    shutil.copytree(trained.log_path, tmp_path / "other" / "log")
    assert "train" in shell.refused(3, "publish", "--store", url, "--var", tmp_path / "other")


def test_a_model_that_reads_what_the_store_does_not_keep_is_refused(
    shell: Shell, trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would score published leads as if the column were empty."""
    monkeypatch.setattr("serving.store.leads.profile_validation.PERSONAL", re.compile("industry"))
    options = ("--var", trained.root, "--config", trained.root / "small.toml")
    line = shell.refused(3, "publish", "--store", f"sqlite:///{tmp_path / 'store.db'}", *options)
    assert "the model reads profile column 'industry', which the store does not keep" in line
    assert "[features] drop = ['profile_industry']" in line


def test_all_open_leads_are_scored_by_the_champion(shell: Shell, url: str, trained: Workspace) -> None:
    code, out, _ = shell(
        "score", "--store", url, "--var", trained.root, "--config", trained.root / "small.toml", "--json"
    )
    assert code == 0
    done = json.loads(out)
    assert (done["scored"], done["leads"], done["resumed"]) == (1, 2, 0)
    with open_store(url) as store:
        assert [score.model_version for score in store.scores.history("L-open")] == [done["version"]]
        assert [standing.stage for standing in store.scores.standing("L-won")] == ["customer"]
        assert store.scores.history("L-objects") == []


def test_what_cannot_be_followed_is_told_in_one_line(shell: Shell, url: str, tmp_path: Path) -> None:
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    assert "nothing to ingest" in shell.refused(2, "ingest")
    assert "do not go together" in shell.refused(2, "ingest", "--store", url, "--events", "x.csv")
    assert "nowhere to write to" in shell.refused(2, "score")
    assert "holds no events" in shell.refused(3, "train", "--store", empty)
    assert "begins with 'mysql'" in shell.refused(2, "forget", "L1", "--store", "mysql://x/y")
    assert "does not answer" in shell.refused(3, "keys", "list", "--store", "postgresql://nobody@127.0.0.1:1/none")


def test_an_account_is_added_listed_changed_and_removed(
    shell: Shell, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def typed(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    typed("a long password\n")
    assert shell("users", "add", "anna", "editor", "--store", url)[0] == 0
    code, listed, _ = shell("users", "list", "--store", url, "--json")
    assert code == 0
    assert [(load["name"], load["role"]) for load in json.loads(listed)] == [("anna", "editor")]
    assert "argon2" not in listed
    typed("another password\n")
    assert shell("users", "password", "anna", "--store", url)[0] == 0
    with open_store(url) as store:
        assert store.accounts.sign_in("anna", "a long password", "", 1) is None
        assert store.accounts.sign_in("anna", "another password", "", 1)
    typed("short\n")
    assert "has 5 characters" in shell.refused(2, "users", "password", "anna", "--store", url)
    typed("a long password\n")
    assert "'boss' is none of" in shell.refused(2, "users", "add", "bob", "boss", "--store", url)
    assert shell("users", "remove", "anna", "--store", url)[0] == 0
    assert "no account 'anna'" in shell.refused(2, "users", "remove", "anna", "--store", url)
    with open_store(url) as store:
        said = [entry.action for entry in store.audit.entries()]
    assert said == ["add account anna as editor", "change password of anna", "remove account anna"]


def test_tables_are_made_by_one_role_for_another_and_shown_as_sql(shell: Shell, postgres: Postgres) -> None:
    own = f"made_{time.time_ns()}"
    url, server = postgres.database(own), postgres.url(own, f"server_{own}")
    postgres.tell(f"CREATE ROLE server_{own} LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC", database=own)
    assert "this role may not make them" in shell.refused(3, "keys", "list", "--store", server)
    code, out, _ = shell("store", "migrate", "--store", server, "--sql", "--grant", f"server_{own}")
    assert code == 0
    assert "this role may not make them" in shell.refused(3, "keys", "list", "--store", server)
    postgres.tell(out, database=own)
    assert shell("keys", "create", "read", "x", "--store", server)[0] == 0
    assert shell("store", "migrate", "--store", url, "--grant", f"server_{own}")[0] == 0
    assert shell("store", "migrate", "--store", url, "--sql")[1].strip() == ""
    assert "'nobody' is no role" in shell.refused(2, "store", "migrate", "--store", url, "--grant", "nobody")


def test_rights_of_a_file_are_not_granted(shell: Shell, tmp_path: Path) -> None:
    words = ("store", "migrate", "--store", f"sqlite:///{tmp_path / 'store.db'}", "--grant", "me")
    assert "--grant is for PostgreSQL" in shell.refused(2, *words)
