"""The file of a store is private from its first byte; when it goes or breaks below a running server, nothing is
acknowledged."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from serving.app import create_app
from serving.http.services import Services
from serving.store.database.failures import StoreAway, StoreDamaged
from serving.store.database.store_file import StoreFile
from serving.store.events.event_validation import EventIn
from serving.store.store import Store, open_store
from tests.conftest import REPOSITORY
from tests.serving.inside import Inside
from tests.serving.senders import event

NOW = 1_700_000_000_000_000


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.fixture
def no_umask() -> Iterator[None]:
    """Everybody may read what is made, unless it is made otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "store.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{path}") as store:
        store.events.add([EventIn("L", "visit", NOW)], NOW)
        yield store


@pytest.mark.usefixtures("no_umask")
def test_every_file_is_private_from_its_first_byte(path: Path) -> None:
    path.parent.mkdir()
    StoreFile(path).make()
    assert modes(path.parent) == {"store.db": 0o600}
    with open_store(f"sqlite:///{path}") as store:
        store.events.add([EventIn("L", "visit", NOW)], NOW)
        assert modes(path.parent) == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm"), 0o600)


@pytest.mark.usefixtures("no_umask")
def test_files_of_an_earlier_version_become_private(opened: Store, path: Path) -> None:
    for file in path.parent.iterdir():
        file.chmod(0o644)
    with open_store(f"sqlite:///{path}"):
        assert set(modes(path.parent).values()) == {0o600}


def removed(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()


def replaced(path: Path) -> None:
    shutil.copy(path, path.with_name("copy.db"))
    path.with_name("copy.db").rename(path)


def without_log(path: Path) -> None:
    path.with_name("store.db-wal").unlink()


def log_cut(path: Path) -> None:
    os.truncate(path.with_name("store.db-wal"), 0)


def cut(path: Path) -> None:
    os.truncate(path, 4096)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * 8192)


HAPPENED: tuple[Callable[[Path], None], ...] = (removed, replaced, without_log, log_cut, cut, emptied, overwritten)


@pytest.mark.parametrize("happen", HAPPENED)
def test_what_goes_wrong_below_a_server_is_noticed_before_it_acknowledges(
    services: Services, opened: Store, path: Path, happen: Callable[[Path], None]
) -> None:
    if happen is not log_cut:  # once all of it is in the file, an empty log is none that lacks anything
        with opened.database.maintain() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
    happen(path)
    with closing(Inside(create_app(replace(services, store=opened)))) as asked:
        for number in range(3):
            answer = asked.post("/v1/events", json={"events": [event(number)]})
            assert (answer.status_code, answer.json()["error"]) == (503, "store_away")
            assert "docs/operations.md" in answer.json()["detail"]
    assert path.exists() == (happen is not removed), "no empty store is put in its place"


@pytest.mark.parametrize("happen", [removed, replaced, emptied])
def test_without_the_look_it_would_be_acknowledged(
    opened: Store, path: Path, happen: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted fault: nobody looks which file a transaction went to."""
    monkeypatch.setattr(StoreFile, "check", lambda *_: None)
    monkeypatch.setattr(StoreFile, "check_content", lambda *_: None)
    happen(path)
    assert opened.events.add([EventIn("L", "visit", NOW + 1)], NOW)[0].status == "accepted"


def test_a_store_that_is_put_back_goes_on(opened: Store, path: Path) -> None:
    path.rename(path.with_name("away.db"))
    for ask in (opened.ping, lambda: opened.events.add([EventIn("L", "visit", NOW + 1)], NOW)):
        with pytest.raises(StoreDamaged, match="removed or replaced"):
            ask()
    path.with_name("away.db").rename(path)
    assert opened.events.add([EventIn("L", "visit", NOW + 2)], NOW)[0].status == "accepted"


def test_other_processes_and_checkpoints_are_no_damage(opened: Store, path: Path) -> None:
    for number in range(5):
        with open_store(f"sqlite:///{path}") as other:
            sent = [EventIn("L", "visit", NOW, event_id=f"{number}-{n}") for n in range(500)]
            assert {result.status for result in other.events.add(sent, NOW)} == {"accepted"}
        with opened.database.maintain() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        assert opened.events.add([EventIn("L", "visit", NOW + number + 1)], NOW)[0].status == "accepted"


def test_the_command_line_says_it_in_one_line(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 500)
    command = [sys.executable, "leadscore.py", "keys", "list", "--store", f"sqlite:///{path}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "damaged" in done.stderr
    assert "put a backup in its place" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_damage_is_away_to_whoever_asks_over_http() -> None:
    assert issubclass(StoreDamaged, StoreAway)


ANOTHER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM leads").fetchone()
connection.close()
"""


@pytest.mark.parametrize("closes", [False, True])
def test_an_erasure_leaves_the_process_its_locks(tmp_path: Path, closes: bool) -> None:
    """Else a command that closes the store removes the log that this process writes to. closes: the planted fault."""
    path = tmp_path / "store.db"
    with open_store(f"sqlite:///{path}") as store:
        store.events.add([EventIn("L1", "page_view", NOW), EventIn("L2", "page_view", NOW)], NOW)
        store.erasure.forget("L1", "test", NOW)
        store.events.add([EventIn("L3", "page_view", NOW)], NOW)
        if closes:
            path.open("rb").close()
        subprocess.run([sys.executable, "-c", ANOTHER, str(path)], check=True)
        assert path.with_name("store.db-wal").exists() is not closes
        with pytest.raises(StoreDamaged) if closes else nullcontext():
            store.events.add([EventIn("L4", "page_view", NOW)], NOW)


@pytest.mark.parametrize("cut", [False, True])
def test_a_checkpoint_that_a_reader_holds_up_is_no_damage(tmp_path: Path, cut: bool) -> None:
    """It has written how many pages there are, and left the last one in the log; planted: the file was cut as well."""
    file = StoreFile(tmp_path / "store.db")
    file.make()
    with closing(sqlite3.connect(file.path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = wal")
        writer.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, text)")
        writer.executemany("INSERT INTO rows VALUES (?, ?)", [(number, "x" * 900) for number in range(50)])
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer.execute("BEGIN")
        writer.executemany("INSERT INTO rows VALUES (?, ?)", [(number, "y" * 900) for number in range(50, 80)])
        writer.execute("COMMIT")
        with closing(sqlite3.connect(file.path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM rows").fetchone() == (80,)
            writer.execute("UPDATE rows SET text = ? WHERE id = 79", ("z" * 900,))
            writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
            url = f"{file.path.as_uri()}?mode=ro&immutable=1"
            with closing(sqlite3.connect(url, uri=True)) as fresh, pytest.raises(sqlite3.DatabaseError):
                fresh.execute("PRAGMA schema_version")
            if cut:
                os.truncate(file.path, 2 * 4096)
            with pytest.raises(StoreDamaged) if cut else nullcontext():
                file.check_content(file.files())
    file.close()
