"""Each vendor's page: its commands, as printed, take an export to a full list of leads in the browser."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.app import create_app
from serving.champion.champion import Champion
from serving.http.authentication import NoAuthentication
from serving.http.services import Services
from serving.messages.limits import Limits
from serving.scoring.served_model import ServedModel
from serving.store.store import open_store
from serving.telemetry.metrics import Metrics
from serving.telemetry.server_log import ServerLog
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


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_commands_of_a_page_lead_to_a_full_list(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch, vendor: str
) -> None:
    commands = commands_of((PAGES / f"{vendor}.md").read_text(encoding="utf-8"))
    assert [words[0] for words in commands if "--check" not in words] == list(USES)
    assert commands[0][:2] == ["ingest", "--check"]
    settings_in(tmp_path)
    write(vendor, tmp_path / "exports", LEADS, UNTIL)
    for words in commands[:-1]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD))
        code, out, err = shell(*words)
        assert code == 0, out + err
    workspace = Workspace.open(tmp_path / "var" / vendor, None)
    with visitor(workspace) as somebody:
        page = somebody.get("/leads").text
        rows = page.count('role="rowheader"')
        lead = somebody.get(page.partition('href="/leads/')[2].partition('"')[0].join(("/leads/", "")))
    assert rows >= 20
    assert lead.status_code == 200
