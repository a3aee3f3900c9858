"""A PostgreSQL of the tests' own: Debian's package, a fresh folder, a loopback port; gone when the tests are."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

STARTS_WITHIN_S = 60
PREFIX = "leadscore-tests-"
"""Of folders of servers; the number of the process that tests follows."""
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "max_wal_size": "256MB",
    "autovacuum": "off",
    "logging_collector": "off",
}


@dataclass
class Postgres:
    """A server on 127.0.0.1. fsync and synchronous_commit are as shipped: acknowledged means on disk."""

    programs: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    settings: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Starts it, and returns when it answers."""
        options = [option for name, value in (SETTINGS | self.settings).items() for option in ("-c", f"{name}={value}")]
        self.process = run_unprivileged(
            [str(self.programs / "postgres"), "-D", str(self.folder), "-p", str(self.port), "-k", "", *options],
            self.folder,
        )
        until = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                psycopg.connect(self.admin, connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops it; SIGINT ends all sessions at once, SIGQUIT leaves recovery to the next start."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    @property
    def admin(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=leadscore dbname=postgres"

    def database(self, name: str, how: str = "") -> str:
        """The URL of a new, empty database."""
        self.tell(f'CREATE DATABASE "{name}" {how}')
        return self.url(name)

    def url(self, name: str, user: str = "leadscore") -> str:
        """The URL of a database of this server's."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{name}"

    def tell(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """What the last of some statements of its administrator answers."""
        with psycopg.connect(self.admin, dbname=database, autocommit=True) as connection:
            for statement in statements:
                answer = connection.execute(statement.encode())
            return answer.fetchall() if answer.description else []


@contextmanager
def standby(primary: Postgres) -> Iterator[Postgres]:
    """A copy of a server that follows it, reads and takes no writes."""
    folder = _new_folder()
    copy = Postgres(primary.programs, folder / "data", free_port(), settings=primary.settings)
    source = f"host=127.0.0.1 port={primary.port} user=leadscore"
    command = [str(copy.programs / "pg_basebackup"), "-D", str(copy.folder), "-d", source, "-R", "-c", "fast"]
    try:
        if os.getuid() == 0:
            shutil.chown(folder, *account())
        if run_unprivileged(command, folder).wait() != 0:
            raise RuntimeError(f"pg_basebackup failed, see {folder}")
        copy.start()
        yield copy
    finally:
        copy.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(**settings: str) -> Iterator[Postgres]:
    """A server of one's own, with these settings; skips the test where PostgreSQL is not installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; apt-get install postgresql")
    folder = _new_folder()
    server = Postgres(programs, folder / "data", free_port(), settings=settings)
    try:
        if os.getuid() == 0:
            shutil.chown(folder, *account())
        made = run_unprivileged(
            [str(programs / "initdb"), "-D", str(server.folder), "-U", "leadscore", "-A", "trust", "-E", "UTF8", "-N"],
            folder,
        )
        if made.wait() != 0:
            raise RuntimeError(f"initdb failed, see {folder}")
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


def _new_folder() -> Path:
    """A folder, in memory where there is such a place: a database for each test is many small files.

    Folders of tests that were killed are removed: a server whose folder is gone ends within a minute.
    """
    place = Path("/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir())
    for left in place.glob(f"{PREFIX}*-*"):
        if not Path("/proc", left.name.removeprefix(PREFIX).partition("-")[0]).exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))


def _programs() -> Path | None:
    """The folder of the newest server that is installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parents[1].name))
    return programs[-1].parent if programs else None


def account() -> tuple[int, int]:
    """Whom to run as when root runs the tests: PostgreSQL refuses root."""
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return account.pw_uid, account.pw_gid
    raise RuntimeError("there is neither a user postgres nor nobody to run PostgreSQL as")


def run_unprivileged(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    if os.getuid() != 0:
        return subprocess.Popen(command, cwd=folder, stdout=quiet, stderr=quiet)
    user, group = account()
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=quiet,
        stderr=quiet,
        user=user,
        group=group,
        extra_groups=[],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
