"""Whatever an id looks like, wherever it is, whenever an erasure dies: in the end it is nowhere, and nobody else is."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import pytest

from data.erasure import ledger as ledgers
from data.erasure.ledger import Ledger
from data.ids import required_id
from serving.store.events.event_validation import EventIn
from serving.store.privacy import workspace_files
from serving.store.privacy.erasure import POSTGRESQL_LIMIT
from serving.store.privacy.workspace_files import WorkspaceFiles
from serving.store.store import Store, open_store
from tests.conftest import REPOSITORY
from tests.data.exports import into
from tests.postgres import Postgres
from tests.rounds import Rounds
from tests.whole_workspace import (
    AT,
    RAW,
    events_of,
    files,
    fill,
    histories,
    holders,
    ids_of_row,
    rows_in,
    rows_of_store,
    said_in,
)
from tests.written_ids import IDS

PER_ROUND = 20
"""Leads in one workspace that are erased one after the other, each by two erasures of which the first one dies."""
SIGNS = "abz019-_=+@'\"\\;,|/%. <>&#?é\u0301ü😀\u200d\u3000"
NEIGHBOURS = ("1", "204", "=1+1", "'=1+1", "a/b", "a/bc", 'a"b', ";=x", "21", "x")
FORMS = {"scores.parquet", "best.csv", "leads de.csv", "leads.xlsx", "top.json", "all.jsonl", "store"}
NUMBERED = ("rejected", "scores", "stage_changes", "audit", "changes", "leads", "rescorings", "answers", "trail_head")
APART = ("erased.db", "rejected.csv", "workspace.lock", "store.db")
HASHED = ("blocked", "secrets")
"""Tables of the store whose rows have numbers of their own, or are about the erasure itself."""
Row = tuple[frozenset[str], str]
"""The ids that are values of a row, and what it says."""


def random_id(draw: random.Random) -> str:
    """One that is hard to carry; now and then one of those that have been."""
    if draw.random() < 0.3:
        return required_id(draw.choice(IDS))
    text = "".join(draw.choice(SIGNS) for _ in range(draw.randint(1, 24))).strip(" \u3000\u200d")
    return required_id(text or "x")


def others_of(leads: Sequence[str]) -> list[str]:
    """Leads that look like these, and are not."""
    alike = [form for lead in leads for form in (f"{lead}0", f"0{lead}", lead.swapcase(), lead[: len(lead) // 2])]
    names = dict.fromkeys(required_id(name) for name in (*NEIGHBOURS, *alike) if 0 < len(name.strip()) <= 200)
    return [name for name in names if name not in leads]


class Killer:
    """Erases in processes that die."""

    def __init__(self) -> None:
        words = [sys.executable, "-m", "tests.killed_erasure"]
        self.process = subprocess.Popen(words, cwd=REPOSITORY, text=True, bufsize=1, stdin=PIPE, stdout=PIPE)

    def __call__(self, root: Path, url: str, lead: str, deed: int) -> tuple[int, int]:
        """Exit status, 9 for one that died, and how many deeds were done by one that did not."""
        asked = {"root": str(root), "log": str(root / "log"), "store": url, "lead": lead, "deed": deed, "now": AT}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        status, deeds = map(int, self.process.stdout.readline().split())
        return status, deeds

    def close(self) -> None:
        """Ends it."""
        self.process.communicate()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest) -> Callable[[Path], str]:
    """Names a new store for a workspace: its own file, or a database."""
    if request.param == "sqlite":
        return url_of
    server: Postgres = request.getfixturevalue("postgres")
    return lambda root: server.database(f"erasure_{uuid.uuid4().hex}")


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    killer = Killer()
    yield killer
    killer.close()


def url_of(root: Path) -> str:
    return f"sqlite:///{root / 'store.db'}"


def made(root: Path, store: Store, leads: Sequence[str]) -> list[str]:
    """A workspace in which leads are everywhere, and so are others; who those are."""
    others = others_of(leads)
    fill(root, store, [*leads, *others], root.with_name("outside"))
    return others


def everything(root: Path, store: Store) -> dict[str, list[Row]]:
    """All rows outside of the log, file by file."""
    outside = root.with_name("outside")
    content = {path.name: rows_in(path) for path in files(root, outside) if "log" not in path.parts}
    content["store"] = rows_of_store(store.database)
    return {name: [(ids_of_row(row, said_in(name)), repr(row)) for row in rows] for name, rows in content.items()}


def places_of(lead: str, content: dict[str, list[Row]]) -> set[str]:
    return {name for name, rows in content.items() if any(lead in ids for ids, _ in rows)}


def rest_of(content: dict[str, list[Row]], gone: set[str]) -> dict[str, list[str]]:
    """What all others have, but for rows about their own numbers."""
    tables = tuple(f"('{name}'" for name in NUMBERED + HASHED)
    return {
        name: sorted(text for ids, text in rows if not ids & gone and not (name == "store" and text.startswith(tables)))
        for name, rows in content.items()
        if name not in APART and not name.endswith((".draft", "-wal", "-shm"))
    }


def erased(root: Path, store: Store, lead: str) -> None:
    """Erases it, and says what must hold of the receipt."""
    receipt = store.erasure.forget(lead, "test", AT, WorkspaceFiles(root, root / "log"))
    assert store.erasure.verify(receipt, lead)
    assert receipt.limits == (() if store.database.is_sqlite else (POSTGRESQL_LIMIT,))
    assert len(lead) < 4 or lead not in str(receipt)


def refused(root: Path, store: Store, gone: set[str], other: str) -> None:
    """No door lets them in again: the API, and files."""
    sent = [EventIn(lead, "page_view", AT, event_id=f"again {lead}") for lead in sorted(gone)]
    assert {result.status for result in store.events.add(sent, AT)} == {"rejected"}
    into(
        root / "log",
        events_of(root.with_name("again.parquet"), [*sorted(gone), other], "2024-05-03T12:00:00Z"),
        mapping=RAW,
    )


def random_ids(draw: random.Random, count: int, words: frozenset[str] = frozenset()) -> list[str]:
    """Different ones that are none of some words, first one that every form of file writes in its own way."""
    leads = {'Zaphod/4;2"é': None}
    while len(leads) < count:
        if (lead := random_id(draw)) not in words:
            leads[lead] = None
    return list(leads)


def own_words(root: Path) -> frozenset[str]:
    """What a workspace says of any lead, as the version of its model: a lead of that name cannot be told from it."""
    root.mkdir(parents=True)
    with open_store(url_of(root), personal_ids=True) as store:
        fill(root, store, ["somebody"], root.with_name("outside"))
        content = everything(root, store)
    return frozenset[str]().union(*(ids for rows in content.values() for ids, _ in rows)) - {"somebody"}


@dataclass(frozen=True)
class Scene:
    """A workspace with its store, and who erases in it."""

    root: Path
    url: str
    store: Store
    killer: Killer
    draw: random.Random


def play(scene: Scene, leads: list[str], others: list[str], seen: Counter[str]) -> None:
    """Leads are erased one after the other, first by a process that dies; then what must hold, and comes no more."""
    root, store = scene.root, scene.store
    before, stories = everything(root, store), histories(root / "log", others)
    assert all(places_of(lead, before) >= FORMS for lead in leads)
    _, deeds = scene.killer(root, scene.url, "nobody", 0)
    gone = set[str]()
    for lead in leads:
        status, _ = scene.killer(root, scene.url, lead, scene.draw.randint(1, 2 * deeds))
        assert status in (0, 9)
        erased(root, store, lead)
        gone.add(lead)
        now = everything(root, store)
        assert places_of(lead, now) == set()
        assert rest_of(now, gone) == rest_of(before, gone)
        seen.update(ids=1, died=status == 9)
    assert histories(root / "log", others) == stories
    refused(root, store, gone, others[0])
    now = everything(root, store)
    assert not any(places_of(lead, now) for lead in leads)
    assert not any(holders(lead, root / "log") for lead in leads)


@pytest.mark.proof("erasure")
def test_whatever_dies_an_erasure_that_is_repeated_leaves_nothing_and_takes_nobody_elses(
    killer: Killer, new_url: Callable[[Path], str], tmp_path: Path, rounds: Callable[..., Rounds], full: bool
) -> None:
    """In full 1,000 ids on each database, in each round as many as share a workspace; most erasures die first."""
    proof, words = rounds(cheap=1, full=1_000 // PER_ROUND), own_words(tmp_path / "words" / "var")
    assert "1" in words
    for number in proof:
        draw = random.Random(number)
        leads = random_ids(draw, PER_ROUND if full else 4, words)
        root = tmp_path / f"{number}" / "var"
        root.mkdir(parents=True)
        url = new_url(root)
        with open_store(url, personal_ids=True) as store:
            others = made(root, store, leads)
            play(Scene(root, url, store, killer, draw), leads, others, proof.seen)
        shutil.rmtree(root.parent)
    assert proof.seen["died"] >= proof.seen["ids"] / 2


@pytest.mark.parametrize("fault", ["no ledger", "drafts stay", "one form is not known", "the store forgets a position"])
def test_each_measure_is_needed(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted faults: each of them leaves something, or lets it return."""
    lead, root = "Zaphod-42", tmp_path / "var"
    with open_store(url_of(root)) as store:
        others = made(root, store, [lead])
    if fault == "no ledger":
        monkeypatch.setattr(ledgers.ErasedAndObjecting, "erased", lambda self, lead_ids: set())
    elif fault == "drafts stay":
        monkeypatch.setattr(workspace_files, "_remove_drafts", lambda root, log_path, lists: None)
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
    with open_store(url_of(root)) as store:
        others = made(root, store, [lead])
    shutil.copytree(root, tmp_path / "backup")
    with open_store(url_of(root)) as store:
        erased(root, store, lead)
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
