"""Whatever an id looks like, wherever it is, whenever an erasure dies: in the end it is nowhere, and nobody else is."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from data.erasure import ledger as ledgers
from data.erasure.ledger import Ledger
from data.ids import required_id
from serving.store.privacy import workspace_files
from serving.store.privacy.workspace_files import WorkspaceFiles
from serving.store.store import open_store
from tests.conftest import REPOSITORY
from tests.data.exports import into
from tests.whole_workspace import AT, RAW, events_of, files, fill, histories, holders, rows_in, same
from tests.written_ids import IDS


class PROOF:
    """How much the full form tries: random ids, and erasures of each that die somewhere."""

    ids, kills = 250, 8


SIGNS = "abz019-_=+@'\"\\;,|/%. <>&#?é\u0301ü😀\u200d\u3000"
NEIGHBOURS = ("1", "204", "=1+1", "'=1+1", "a/b", "a/bc", 'a"b', ";=x", "21", "x")
FORMS = {"scores.parquet", "best.csv", "leads de.csv", "leads.xlsx", "top.json", "all.jsonl", "store.db"}
NUMBERED = ("rejected", "scores", "stage_changes", "audit", "changes", "leads", "rescorings", "answers")
APART = ("erased.db", "rejected.csv", "workspace.lock")
HASHED = ("blocked", "secrets")
"""Tables of the store whose rows have numbers of their own, or are about the erasure itself."""


def random_id(draw: random.Random) -> str:
    """One that is hard to carry; now and then one of those that have been."""
    if draw.random() < 0.3:
        return required_id(draw.choice(IDS))
    text = "".join(draw.choice(SIGNS) for _ in range(draw.randint(1, 24))).strip(" \u3000\u200d")
    return required_id(text or "x")


def others_of(lead: str) -> list[str]:
    """Leads that look like it, and are not."""
    alike = [*NEIGHBOURS, f"{lead}0", f"0{lead}", lead.swapcase(), lead[: len(lead) // 2] or "y"]
    names = dict.fromkeys(required_id(name) for name in alike if len(name) <= 200)
    return [name for name in names if name != lead]


class Killer:
    """Erases in processes that die."""

    def __init__(self) -> None:
        words = [sys.executable, "-m", "tests.killed_erasure"]
        self.process = subprocess.Popen(words, cwd=REPOSITORY, text=True, bufsize=1, stdin=PIPE, stdout=PIPE)

    def __call__(self, root: Path, lead: str, deed: int) -> int:
        """Exit status: 9 for one that died."""
        asked = {
            "root": str(root),
            "log": str(root / "log"),
            "store": url_of(root),
            "lead": lead,
            "deed": deed,
            "now": AT,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        return int(self.process.stdout.readline())

    def close(self) -> None:
        """Ends it."""
        self.process.communicate()


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    killer = Killer()
    yield killer
    killer.close()


def url_of(root: Path) -> str:
    return f"sqlite:///{root / 'store.db'}"


def made(root: Path, lead: str) -> list[str]:
    """A workspace in which a lead is everywhere, and so are others; who they are."""
    others = others_of(lead)
    with open_store(url_of(root), personal_ids=True) as store:
        fill(root, store, [lead, *others], root.with_name("outside"))
    return others


def rest_of(root: Path, lead: str) -> dict[str, list[str]]:
    """All rows in all files outside of the log that are not the lead's, and are not about numbers of rows."""
    rest: dict[str, list[str]] = {}
    for path in files(root, root.with_name("outside")):
        if (
            "log" in path.parts
            or path.suffix == ".draft"
            or path.name in ("erased.db", "rejected.csv", "workspace.lock")
        ):
            continue
        rows = [row for row in rows_in(path) if not (path.suffix == ".db" and row[0] in NUMBERED + HASHED)]
        theirs = [row for row in rows if not any(same(cell, lead) for cell in row if isinstance(cell, str))]
        rest[path.name] = sorted(map(repr, theirs))
    return rest


def erased(root: Path, lead: str) -> None:
    """Erases it, and says what must hold then."""
    with open_store(url_of(root)) as store:
        receipt = store.erasure.forget(lead, "test", AT, WorkspaceFiles(root, root / "log"))
        assert store.erasure.verify(receipt, lead)
        assert receipt.limits == ()
        assert len(lead) < 4 or lead not in str(receipt)


@pytest.mark.proof("erasure")
def test_whatever_dies_an_erasure_that_is_repeated_leaves_nothing_and_takes_nobody_elses(
    killer: Killer, tmp_path: Path, full: bool
) -> None:
    draw, kills = random.Random(11), 0
    for number in range(PROOF.ids if full else 3):
        lead = random_id(draw) if number else 'Zaphod/4;2"é'
        base = tmp_path / f"{number}"
        base.mkdir()
        others = made(base / "var", lead)
        assert holders(lead, base / "var").keys() >= FORMS
        before, told = rest_of(base / "var", lead), histories(base / "var" / "log", others)
        for _ in range(PROOF.kills if full else 3):
            copy = tmp_path / "copy"
            shutil.copytree(base, copy)
            kills += killer(copy / "var", lead, draw.randint(1, 90)) == 9
            erased(copy / "var", lead)
            assert holders(lead, copy / "var") == {}
            assert holders(lead, base / "outside") == {}, "a list that was written outside the workspace"
            assert rest_of(copy / "var", lead) == before
            assert histories(copy / "var" / "log", others) == told
            into(copy / "var" / "log", events_of(copy / "again.parquet", [lead, others[0]]), mapping=RAW)
            assert holders(lead, copy / "var") == {}
            shutil.rmtree(copy)
        shutil.rmtree(base)
    assert kills >= (PROOF.ids * PROOF.kills // 2 if full else 3)


@pytest.mark.parametrize("fault", ["no ledger", "drafts stay", "one form is not known", "the store forgets a position"])
def test_each_measure_is_needed(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted faults: each of them leaves something, or lets it return."""
    lead, root = "Zaphod-42", tmp_path / "var"
    others = made(root, lead)
    if fault == "no ledger":
        monkeypatch.setattr(ledgers.Known, "erased", lambda self, lead_ids: set())
    elif fault == "drafts stay":
        monkeypatch.setattr(workspace_files, "_remove_drafts", lambda root: None)
    elif fault == "one form is not known":
        monkeypatch.setattr(workspace_files, "can_clean", lambda path: path.suffix != ".xlsx")
    else:
        monkeypatch.setattr("serving.store.privacy.erasure._step_back", lambda connection, lead_ids: None)
    with open_store(url_of(root)) as store:
        receipt = store.erasure.forget(lead, "test", AT, WorkspaceFiles(root, root / "log"))
    assert (receipt.limits != ()) == (fault in ("drafts stay", "one form is not known"))
    into(root / "log", events_of(tmp_path / "again.parquet", [lead, others[0]]), mapping=RAW)
    assert holders(lead, root)


def test_a_restore_brings_nobody_back(tmp_path: Path) -> None:
    """Store, log and lists of before an erasure, with the ledger of after it."""
    lead, root = "Zaphod-42", tmp_path / "var"
    others = made(root, lead)
    shutil.copytree(root, tmp_path / "backup")
    erased(root, lead)
    Ledger.beside(root / "log").path.rename(tmp_path / "survives.db")
    shutil.rmtree(root)
    shutil.copytree(tmp_path / "backup", root)
    assert holders(lead, root)
    with open_store(url_of(root)) as store:
        files = WorkspaceFiles(root, root / "log")
        files.ledger.take_over(Ledger(tmp_path / "survives.db").known())
        assert store.erasure.forget_returned("restore", AT, files).counts["event log"] > 3
        assert holders(lead, root) == {}
        assert all(store.leads.get(other) for other in others)
        assert sum(store.erasure.forget_returned("restore", AT, files).counts.values()) == 0
