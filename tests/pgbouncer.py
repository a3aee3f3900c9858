"""A PgBouncer of the tests' own before a PostgreSQL: Debian's package, transaction mode, as it is shipped."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.postgres import STARTS_WITHIN_S, Postgres, account, free_port, run_unprivileged

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 3
max_client_conn = 200
"""


@contextmanager
def pooled(server: Postgres) -> Iterator[int]:
    """Its port; three connections to the server for all clients. Skips the test where it is not installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed; apt-get install pgbouncer")
    folder, port = Path(tempfile.mkdtemp(prefix="leadscore-pgbouncer-")), free_port()
    (folder / "users.txt").write_text('"leadscore" ""\n')
    (folder / "pgbouncer.ini").write_text(CONFIGURATION.format(server=server.port, port=port, folder=folder))
    if os.getuid() == 0:
        shutil.chown(folder, *account())
    process = run_unprivileged([program, "-q", str(folder / "pgbouncer.ini")], folder)
    try:
        until = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                psycopg.connect(f"host=127.0.0.1 port={port} user=leadscore dbname=postgres").close()
                break
            except psycopg.OperationalError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
