"""Each vendor's page: its commands, as printed, take an export to a full list of leads in the browser."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from data.sources.mapping import read_mapping
from serving.app import create_app
from serving.champion.champion import Champion
from serving.http.authentication import NoAuthentication
from serving.http.services import Services
from serving.messages.limits import Limits
from serving.scoring.served_model import ServedModel
from serving.store.store import open_store
from serving.telemetry.metrics import Metrics
from serving.telemetry.server_log import ServerLog
from tests.conftest import REPOSITORY
from tests.crm.__main__ import write
from tests.crm.exports import PAGES, UNTIL, VENDORS, commands_of, settings_in
from tests.serving.pages.browser import PASSWORD, Visitor
from tests.test_cli import Shell
from workspace import Workspace

LEADS = 500
USES = ("ingest", "train", "publish", "users", "serve")
"""What a page must print, in this order; the check before it is asked for in each."""


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", os.environ.copy())
    return Shell(capsys, monkeypatch)


@contextmanager
def visitor(workspace: Workspace) -> Iterator[Visitor]:
    """Somebody who signs in at the workspace's server as `me`."""
    champion, metrics, registered = Champion(), Metrics(), workspace.champion()
    champion.swap(ServedModel.load(registered.folder, registered.name, registered.version))
    with open_store(f"sqlite:///{workspace.root / 'store.db'}") as store:
        parts = Services(champion, store, NoAuthentication(), metrics, ServerLog(io.StringIO()), Limits())
        somebody = Visitor(create_app(parts))
        assert somebody.sign_in("me").status_code == 303
        yield somebody
        somebody.close()


def own_data() -> str:
    """The section of the README that a company with an export follows."""
    return (
        (REPOSITORY / "README.md")
        .read_text(encoding="utf-8")
        .partition("\n## Your own data\n")[2]
        .partition("\n## ")[0]
    )


@pytest.mark.parametrize("page", [*VENDORS, "README"])
def test_the_commands_of_a_page_lead_to_a_full_list(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    text = own_data() if page == "README" else (PAGES / f"{page}.md").read_text(encoding="utf-8")
    commands, vendor = commands_of(text), "hubspot" if page == "README" else page
    assert [words[0] for words in commands if "--check" not in words] == list(USES)
    assert commands[0][:2] == ["ingest", "--check"]
    settings_in(tmp_path, vendor)
    write(vendor, tmp_path / "exports", LEADS, UNTIL)
    for words in commands[:-1]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD))
        code, out, err = shell(*words)
        assert code == 0, out + err
    workspace = Workspace.open(tmp_path / "var" / ("mine" if page == "README" else page), None)
    with visitor(workspace) as somebody:
        shown = somebody.get("/leads").text
        first = re.search(r'href="(/leads/[^"?]+)"', shown)
        assert first
        assert somebody.get(first[1]).status_code == 200
    assert shown.count('role="rowheader"') >= 20


def test_a_printed_mapping_is_the_shipped_one(shell: Shell, tmp_path: Path) -> None:
    code, listed, _ = shell("mappings")
    assert code == 0
    assert all(vendor in listed for vendor in VENDORS)
    for vendor in VENDORS:
        code, printed, err = shell("mappings", vendor)
        (tmp_path / "mine.toml").write_text(printed, encoding="utf-8")
        assert (code, err) == (0, "")
        assert read_mapping(tmp_path / "mine.toml") == read_mapping(vendor)
    assert "there are bpic2012, ga4" in shell.refused(2, "mappings", "hubsport")


def test_what_stands_in_brackets_is_shown(shell: Shell, tmp_path: Path) -> None:
    """A terminal's own marks of style must not eat what a company calls its events."""
    (tmp_path / "e.csv").write_text("id,type,at\n1,Seite [/preise],2024-01-02T10:00:00Z\n")
    names = 'lead_id = "id"\nevent_type = "type"\noccurred_at = "at"\n'
    (tmp_path / "m.toml").write_text(f'name = "m"\n[[events]]\n{names}query = "SELECT * FROM events"\n')
    code, out, err = shell("ingest", "--check", "--var", "v", "--mapping", "m.toml", "--events", "e.csv")
    assert code == 0, err
    assert "Seite [/preise]" in out
    assert "the query of [events]" in out
