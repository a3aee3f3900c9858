"""A backup holds what was acknowledged before it, whoever writes meanwhile; what is restored is whole, or nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

import serving.backup.backup
from data.contract import DataError, UsageError
from data.erasure.ledger import Ledger
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.sources.mapping import read_mapping
from serving.backup.backup import Installation, make_backup
from serving.backup.contents import NAME, checked
from serving.backup.drafts import MARK
from serving.backup.restore import Restored, restore
from serving.store.database.schema import events
from serving.store.events.event_validation import EventIn
from serving.store.privacy.workspace_files import WorkspaceFiles
from serving.store.store import Store, open_store
from tests.postgres import Postgres
from tests.serving.store.test_store_durability import start

NOW = 1_700_000_000_000_000
DAY = 86_400_000_000
HEAD = "lead_id,event_type,occurred_at,received_at,channel,value,source,event_id\n"


def row(lead: str, number: int) -> str:
    return (
        f"{lead},page_view,2024-05-0{1 + number % 9}T10:00:00Z,2024-05-0{1 + number % 9}T10:00:00Z,,,web,f-{number}\n"
    )


@pytest.fixture
def installation(tmp_path: Path, store_url: str) -> Installation:
    """A workspace with an event log of three leads and a store of four, on each of the two databases."""
    root = tmp_path / "var"
    exported = tmp_path / "events.csv"
    exported.write_text(HEAD + "".join(row(f"L{number % 3}", number) for number in range(30)))
    ingest(root / "log", read_mapping("simulated"), [str(exported)], [], buckets=4)
    (root / "notes").mkdir()
    (root / "notes" / "a.txt").write_text("kept")
    url = store_url if store_url.startswith("postgresql") else f"sqlite:///{root / 'store.db'}"
    with open_store(url) as store:
        add(store, [f"L{number}" for number in range(4)])
    return Installation(root, root / "log", url)


@pytest.fixture
def empty(postgres_or_none: Postgres | None, tmp_path: Path) -> Callable[[Installation], str | None]:
    """The URL to restore into: an empty database for an installation on PostgreSQL, none for one on SQLite."""

    def url(of: Installation) -> str | None:
        if postgres_or_none is None or not of.store.startswith("postgresql"):
            return None
        return postgres_or_none.database(f"restored_{time.time_ns()}")

    return url


@pytest.fixture
def postgres_or_none(request: pytest.FixtureRequest, store_url: str) -> Postgres | None:
    return request.getfixturevalue("postgres") if store_url.startswith("postgresql") else None


def add(store: Store, lead_ids: list[str], prefix: str = "e") -> None:
    """An event of each lead."""
    sent = [EventIn(lead_id, "page_view", NOW, received_at=NOW, event_id=f"{prefix}-{lead_id}") for lead_id in lead_ids]
    assert all(result.status == "accepted" for result in store.events.add(sent, NOW))


def stored(url: str) -> set[str]:
    """Ids of the events in a store."""
    with open_store(url) as store, store.database.read() as connection:
        return set(connection.scalars(select(events.c.event_id)))


def leads_of(log: Path) -> set[str]:
    opened = EventLog.open(log)
    return {str(lead) for bucket in range(opened.n_buckets) for lead in opened.bucket(bucket).lead_ids.to_pylist()}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


Empty = Callable[[Installation], str | None]


def test_what_was_there_is_there_again_and_private(installation: Installation, empty: Empty, tmp_path: Path) -> None:
    with open_store(installation.store) as store:
        secret = store.keys.create("read", "x", NOW)
    settings = tmp_path / "my.toml"
    settings.write_text("jobs = 1\n")
    of = Installation(installation.root, installation.log, installation.store, settings)
    contents = make_backup(of, tmp_path / "backup", NOW)
    assert contents.made_at == NOW
    done = restore(tmp_path / "backup", tmp_path / "new" / "var", empty(of), None, NOW + 1)
    assert (done.erased, done.made_at) == (0, NOW)
    new = tmp_path / "new" / "var"
    assert stored(done.store) == stored(of.store) == {f"e-L{number}" for number in range(4)}
    with open_store(done.store) as store:
        assert store.keys.verify(secret) is not None
        assert [entry.action for entry in store.audit.entries()] == ["restore a backup"]
    assert files(new / "log") == {name: content for name, content in files(of.log).items() if "lock" not in name}
    assert (new / "notes" / "a.txt").read_text() == "kept"
    assert (new / "settings" / "leadscore.toml").read_text() == "jobs = 1\n"
    for path in (*(tmp_path / "backup").rglob("*"), *new.rglob("*"), tmp_path / "backup", new):
        if path.name != "workspace.lock":  # which says nothing
            assert stat.S_IMODE(path.stat().st_mode) in (0o600, 0o700), path


def copied_as_a_file(source: Path, place: Path) -> None:
    """The planted fault: a copy of the database's file, as `cp` makes it."""
    shutil.copyfile(source, place)


def backed_up_under_load(url: str, root: Path, place: Path, full: bool) -> tuple[set[str], float]:
    """Takes a backup while a writer adds events; those that were acknowledged before, and how many a second."""
    root.mkdir(exist_ok=True)
    process, acknowledged = start(url, "honest"), list[str]()
    if process.stdout is None:
        raise RuntimeError("the writer has no standard output")
    enough, went_on, out = threading.Event(), threading.Event(), process.stdout

    began = [0.0]

    def read() -> None:
        for line in out:
            began[0] = began[0] or time.monotonic()
            acknowledged.extend(line.decode().split()[1:])
            if len(acknowledged) >= (5_000 if full else 500):
                (went_on if enough.is_set() else enough).set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert enough.wait(600)
        before, rate = set(acknowledged), len(acknowledged) / (time.monotonic() - began[0])
        went_on.clear()
        make_backup(Installation(root, root / "log", url), place, time.time_ns() // 1000)
        assert process.poll() is None, "it was written to all the time"
        assert went_on.wait(60), "the writer goes on, however little of the processor it gets meanwhile"
    finally:
        process.kill()
        reader.join()
        process.wait()
        out.close()
    assert len(acknowledged) > len(before)
    return before, rate


@pytest.mark.proof("backup")
def test_nothing_acknowledged_before_is_missing(
    installation: Installation, empty: Empty, tmp_path: Path, full: bool
) -> None:
    for number in range(10 if full else 1):
        place, new = tmp_path / f"backup-{number}", tmp_path / f"new-{number}"
        before, rate = backed_up_under_load(installation.store, installation.root, place, full)
        made = restore(place, new, empty(installation), None, NOW)
        assert before <= stored(made.store)
        print(f"{len(before)} acknowledged before, none missing; {rate:.0f} events a second")  # noqa: T201 -- a proof


@pytest.mark.proof("backup")
def test_a_copied_file_would_be_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.backup.backup, "copy_sqlite", copied_as_a_file)
    root, url = tmp_path / "var", f"sqlite:///{tmp_path / 'var' / 'store.db'}"
    for number in range(10):
        before, _ = backed_up_under_load(url, root, tmp_path / f"backup-{number}", full=False)
        try:
            made = restore(tmp_path / f"backup-{number}", tmp_path / f"new-{number}", None, None, NOW)
            lost = before - stored(made.store)
        except Exception:
            return  # it does not even open
        if lost:
            return
    pytest.fail("copies of the file had all that was acknowledged")


@pytest.mark.proof("backup")
def test_who_was_erased_before_or_after_stays_erased(installation: Installation, empty: Empty, tmp_path: Path) -> None:
    with open_store(installation.store) as store:
        store.erasure.forget("L0", "test", NOW)  # of the store alone: the log holds it still
        make_backup(installation, tmp_path / "backup", NOW)
        store.erasure.forget("L1", "test", NOW)
        store.erasure.forget("L-never-seen", "test", NOW)
    assert "L1" in leads_of(installation.log)
    done = restore(tmp_path / "backup", tmp_path / "new", empty(installation), installation.store, NOW + 1)
    assert done.erased == 2
    assert stored(done.store) == {"e-L2", "e-L3"}
    assert leads_of(tmp_path / "new" / "log") == {"L2"}
    with open_store(done.store) as store:
        for lead_id in ("L0", "L1", "L-never-seen"):
            [result] = store.events.add([EventIn(lead_id, "page_view", NOW, received_at=NOW)], NOW)
            assert result.status == "rejected", lead_id


def test_without_the_ledger_only_those_of_the_backup_are_known(
    installation: Installation, empty: Empty, tmp_path: Path
) -> None:
    """What the ledger is for: the same, without it, brings back who was erased after the backup."""
    make_backup(installation, tmp_path / "backup", NOW)
    with open_store(installation.store) as store:
        store.erasure.forget("L1", "test", NOW)
    done = restore(tmp_path / "backup", tmp_path / "new", empty(installation), None, NOW + 1)
    assert done.erased == 0
    assert "e-L1" in stored(done.store)


def test_the_ledger_of_another_installation_is_refused(
    installation: Installation, empty: Empty, tmp_path: Path
) -> None:
    make_backup(installation, tmp_path / "backup", NOW)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    with open_store(other) as store:
        store.erasure.forget("L1", "test", NOW)
    target = empty(installation)
    with pytest.raises(DataError, match="another installation"):
        restore(tmp_path / "backup", tmp_path / "new", target, other, NOW)
    assert not (tmp_path / "new").exists()
    if target is not None:
        with pytest.raises(DataError, match="not restored to its end"):
            open_store(target)


def test_a_ledger_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    make_backup(simple(tmp_path), tmp_path / "backup", NOW)
    with pytest.raises(UsageError, match="there is no store at"):
        restore(tmp_path / "backup", tmp_path / "new", None, f"sqlite:///{tmp_path / 'none.db'}", NOW)
    (tmp_path / "damaged.db").write_bytes(os.urandom(9000))
    with pytest.raises(DataError, match="the ledger cannot be read"):
        restore(tmp_path / "backup", tmp_path / "new", None, f"sqlite:///{tmp_path / 'damaged.db'}", NOW)
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "none.db").exists()


def test_sessions_and_kept_answers_do_not_come_back(installation: Installation, empty: Empty, tmp_path: Path) -> None:
    with open_store(installation.store) as store:
        store.accounts.add("anna", "a long password", "viewer", NOW)
        token = store.accounts.sign_in("anna", "a long password", "", NOW)
        assert token is not None
        make_backup(installation, tmp_path / "backup", NOW)
    done = restore(tmp_path / "backup", tmp_path / "new", empty(installation), None, NOW)
    with open_store(done.store) as store:
        assert store.accounts.visitor(token, NOW) is None
        assert store.accounts.sign_in("anna", "a long password", "", NOW) is not None


def damage(backup: Path) -> None:
    path = next(path for path in sorted(backup.rglob("*.parquet")) if path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def remove(backup: Path) -> None:
    (backup / "workspace" / "notes" / "a.txt").unlink()


def escape(backup: Path) -> None:
    about = json.loads((backup / NAME).read_text())
    about["files"]["../../outside"] = "0" * 64
    (backup / NAME).write_text(json.dumps(about))


def forge(backup: Path) -> None:
    about = json.loads((backup / NAME).read_text())
    (backup / NAME).write_text(json.dumps(about | {"made_at": "today"}))


def link(backup: Path) -> None:
    path = backup / "workspace" / "notes" / "a.txt"
    path.rename(backup.parent / "elsewhere")
    path.symlink_to(backup.parent / "elsewhere")


def unname(backup: Path) -> None:
    (backup / NAME).unlink()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (damage, "is not as it was backed up"),
        (remove, "a.txt is not as it was backed up"),
        (escape, "outside is not as it was backed up"),
        (forge, "made_at"),
        (link, "a.txt is not as it was backed up"),
        (unname, "is no backup"),
    ],
)
def test_a_damaged_backup_is_refused_before_anything_is_made(
    fault: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    place, of = tmp_path / "backup", simple(tmp_path)
    make_backup(of, place, NOW)
    fault(place)
    with pytest.raises(DataError, match=said):
        restore(place, tmp_path / "new", None, None, NOW)
    assert not (tmp_path / "new").exists()


def simple(tmp_path: Path) -> Installation:
    """An installation on SQLite with an event log of one lead."""
    root = tmp_path / "var"
    exported = tmp_path / "events.csv"
    exported.write_text(HEAD + row("L1", 1))
    ingest(root / "log", read_mapping("simulated"), [str(exported)], [], buckets=2)
    (root / "notes").mkdir()
    (root / "notes" / "a.txt").write_text("kept")
    with open_store(f"sqlite:///{root / 'store.db'}") as store:
        add(store, ["L1"])
    return Installation(root, root / "log", f"sqlite:///{root / 'store.db'}")


def test_nothing_is_written_over_and_no_backup_lies_in_what_it_is_of(tmp_path: Path) -> None:
    of, place = simple(tmp_path), tmp_path / "backup"
    with pytest.raises(UsageError, match="which it is a backup of"):
        make_backup(of, of.root / "backup", NOW)
    make_backup(of, place, NOW)
    before = files(place)
    with pytest.raises(UsageError, match="is not empty"):
        make_backup(of, place, NOW)
    with pytest.raises(UsageError, match="is not empty"):
        restore(place, of.root, None, None, NOW)
    with pytest.raises(UsageError, match="leave --store out"):
        restore(place, tmp_path / "new", of.store, None, NOW)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        make_backup(of, tmp_path / "file", NOW)
    assert files(place) == before
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_is_told_before_and_leaves_nothing(small_disk: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="MB of free disk"):
        make_backup(simple(tmp_path), small_disk / "backup", NOW)
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = simple(tmp_path)
    (of.root / "large").write_bytes(bytes(4 << 20))
    monkeypatch.setattr(serving.backup.backup, "check_room", lambda place, size: None)
    with pytest.raises(OSError, match="No space left"):
        make_backup(of, small_disk / "backup", NOW)
    assert list(small_disk.iterdir()) == []


HANGS = """
import sys, time
from pathlib import Path
import serving.backup.backup as module
def hang(draft, contents):
    print("now", flush=True)
    time.sleep(600)
module.write_contents = hang
root = Path(sys.argv[1])
module.make_backup(module.Installation(root, root / "log", f"sqlite:///{root / 'store.db'}"), Path(sys.argv[2]), 1)
"""


def test_a_killed_backup_is_none_and_is_swept_by_the_next_one(tmp_path: Path) -> None:
    of, place = simple(tmp_path), tmp_path / "kept" / "backup"
    words = [sys.executable, "-c", HANGS, str(of.root), str(place)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    if process.stdout is None:
        raise RuntimeError("the process has no standard output")
    assert process.stdout.readline() == b"now\n"
    make_backup(of, tmp_path / "kept" / "other", NOW)
    assert len(list(place.parent.glob(f"{MARK}*"))) == 1, "that of a process that lives is left alone"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not place.exists()
    make_backup(of, place, NOW)
    assert sorted(path.name for path in place.parent.iterdir()) == ["backup", "other"]
    assert checked(place).files


def test_a_log_that_is_written_meanwhile_is_copied_as_of_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ingest replaces the base just when half of it is copied."""
    of = simple(tmp_path)
    exported = tmp_path / "more.csv"
    exported.write_text(HEAD + "".join(row(f"M{number}", number) for number in range(40)))
    copy, calls = serving.backup.living_files.write_private, []

    def interrupted(place: Path, chunks: object) -> str:
        calls.append(place)
        if len(calls) == 3:
            ingest(of.log, read_mapping("simulated"), [str(exported)], [])
            (of.log / "log.json").touch()
        return copy(place, chunks)  # type: ignore[arg-type]

    monkeypatch.setattr(serving.backup.living_files, "write_private", interrupted)
    make_backup(of, tmp_path / "backup", NOW)
    monkeypatch.undo()
    restore(tmp_path / "backup", tmp_path / "new", None, None, NOW)
    assert leads_of(tmp_path / "new" / "log") == leads_of(of.log)
    assert len(leads_of(of.log)) == 41


def test_what_never_holds_still_is_left_out_and_told_and_a_log_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, copy = simple(tmp_path), serving.backup.living_files.write_private

    def restless(name: str) -> Callable[[Path, object], str]:
        def copied(place: Path, chunks: object) -> str:
            with (of.root / name).open("a") as file:
                file.write("\n")
            return copy(place, chunks)  # type: ignore[arg-type]

        return copied

    monkeypatch.setattr(serving.backup.living_files, "write_private", restless("notes/a.txt"))
    contents = make_backup(of, tmp_path / "backup", NOW)
    assert "notes/a.txt: it changed all the time" in contents.lacks
    assert not (tmp_path / "backup" / "workspace" / "notes" / "a.txt").exists()
    monkeypatch.setattr(serving.backup.living_files, "write_private", restless("log/log.json"))
    with pytest.raises(DataError, match="changes faster than it can be copied"):
        make_backup(of, tmp_path / "second", NOW)
    assert not (tmp_path / "second").exists()


def test_databases_in_the_workspace_are_copied_as_databases_and_links_are_told(tmp_path: Path) -> None:
    of = simple(tmp_path)
    connection = sqlite3.connect(of.root / "notes" / "other.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE numbers AS SELECT 7 AS number")
    connection.commit()
    (of.root / "shortcut").symlink_to(tmp_path)
    contents = make_backup(of, tmp_path / "backup", NOW)
    copy = tmp_path / "backup" / "workspace" / "notes" / "other.sqlite"
    connection.close()
    assert sqlite3.connect(copy).execute("SELECT number FROM numbers").fetchall() == [(7,)]
    assert "shortcut: links are not followed" in contents.lacks
    assert not any(name.endswith(("-wal", "-shm", ".lock")) for name in contents.files)


def test_a_damaged_store_is_told_instead_of_kept(tmp_path: Path) -> None:
    of = simple(tmp_path)
    path = of.root / "store.db"
    content = bytearray(path.read_bytes())
    content[8192:40_000] = os.urandom(40_000 - 8192)
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        make_backup(of, tmp_path / "backup", NOW)
    assert not (tmp_path / "backup").exists()


def test_a_workspace_without_a_store_is_backed_up_too(tmp_path: Path) -> None:
    of = simple(tmp_path)
    with open_store(of.store) as store:
        store.erasure.forget("L1", "test", NOW)
    (of.root / "store.db").rename(tmp_path / "ledger.db")
    contents = make_backup(of, tmp_path / "backup", NOW)
    assert contents.store == "none"
    assert any("a store: there is none at" in sentence for sentence in contents.lacks)
    done: Restored = restore(tmp_path / "backup", tmp_path / "new", None, f"sqlite:///{tmp_path / 'ledger.db'}", NOW)
    assert (done.store, done.erased) == ("", 1)
    assert leads_of(tmp_path / "new" / "log") == set()


def test_a_dump_needs_an_empty_database_and_postgresqls_programs(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, url = simple(tmp_path), postgres.database(f"full_{time.time_ns()}")
    with open_store(url) as store:
        add(store, ["L9"])
    on_postgresql = Installation(of.root, of.log, url)
    make_backup(on_postgresql, tmp_path / "backup", NOW)
    with pytest.raises(UsageError, match="name an empty database"):
        restore(tmp_path / "backup", tmp_path / "new", None, None, NOW)
    with pytest.raises(UsageError, match="the database is not empty"):
        restore(tmp_path / "backup", tmp_path / "new", url, None, NOW)
    assert stored(url) == {"e-L9"}
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="pg_dump is not installed"):
        make_backup(on_postgresql, tmp_path / "second", NOW)
    assert not (tmp_path / "second").exists()


def test_a_store_in_a_schema_of_its_own_is_backed_up_alone_and_restored_there(
    postgres: Postgres, tmp_path: Path
) -> None:
    of, own = simple(tmp_path), f"shared_{time.time_ns()}"
    url = postgres.database(own)
    postgres.tell("CREATE SCHEMA crm", "CREATE TABLE public.others (x int)", database=own)
    with open_store(f"{url}?schema=crm") as store:
        add(store, ["L9"])
    make_backup(Installation(of.root, of.log, f"{url}?schema=crm"), tmp_path / "backup", NOW)
    new = postgres.database(f"{own}_new")
    restore(tmp_path / "backup", tmp_path / "new", f"{new}?schema=crm", None, NOW)
    assert stored(f"{new}?schema=crm") == {"e-L9"}
    assert not postgres.tell("SELECT 1 FROM pg_tables WHERE schemaname = 'public'", database=f"{own}_new")


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of its own, as a container's volume is, with what some bring along."""
    place = tmp_path / "volume"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("only root may mount a file system")
    (place / "lost+found").mkdir()
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_volume_that_is_empty_is_restored_into(tmp_path: Path, volume: Path) -> None:
    of = simple(tmp_path)
    make_backup(of, tmp_path / "backup", NOW)
    (volume / f"{MARK}of-one-that-was-killed").mkdir()
    done = restore(tmp_path / "backup", volume, None, None, NOW)
    assert stored(done.store) == {"e-L1"}
    assert leads_of(volume / "log") == {"L1"}
    assert not list(volume.glob(f"{MARK}*"))
    with pytest.raises(UsageError, match="is not empty"):
        restore(tmp_path / "backup", volume, None, None, NOW)


def test_what_is_cut_off_in_a_volume_knows_who_was_erased_and_is_not_gone_on_with(
    tmp_path: Path, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, moved = simple(tmp_path), list[str]()
    with open_store(of.store) as store:
        store.erasure.forget("L-gone", "test", NOW, WorkspaceFiles(of.root, of.log))
    make_backup(of, tmp_path / "backup", NOW)
    rename = os.rename

    def cut_off(source: Path, place: Path) -> None:
        if len(moved) == 2:
            raise KeyboardInterrupt
        rename(source, place)
        moved.append(place.name)

    monkeypatch.setattr("serving.backup.drafts.os.rename", cut_off)
    with pytest.raises(KeyboardInterrupt):
        restore(tmp_path / "backup", volume, None, None, NOW)
    assert moved == ["erased.db", "store.db"]
    assert Ledger(volume / "erased.db").known().erased({"L-gone", "L1"}) == {"L-gone"}
    with pytest.raises(UsageError, match="is not empty"):
        restore(tmp_path / "backup", volume, None, None, NOW)
