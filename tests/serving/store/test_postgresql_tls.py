"""A PostgreSQL with a certificate: who is at the other end is checked, and each way to fail that has its words."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.store.database.failures import StoreAway
from serving.store.events.event_validation import EventIn
from serving.store.store import open_store
from tests.postgres import Postgres, account, running

NOW = 1_700_000_000_000_000


def openssl(*words: str, cwd: Path) -> None:
    """Runs it; skips where it is not installed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(["openssl", *words], cwd=cwd, check=True, capture_output=True)


def authority(folder: Path, name: str) -> None:
    """NAME.pem and NAME.key of an authority."""
    made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
    openssl("req", "-x509", *made, "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={name}", cwd=folder)


def certify(folder: Path, by: str) -> None:
    """server.crt and server.key for the host localhost, signed by an authority."""
    made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key")
    openssl("req", *made, "-out", "server.csr", "-subj", "/CN=localhost", cwd=folder)
    (folder / "names").write_text("subjectAltName=DNS:localhost\n", encoding="ascii")
    signed = ("-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial", "-out", "server.crt", "-days", "2")
    openssl("x509", "-req", "-in", "server.csr", *signed, "-extfile", "names", cwd=folder)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ours", "another"):
        authority(folder, name)
    certify(folder, "ours")
    return folder


@pytest.fixture(scope="module")
def certified(certificates: Path) -> Iterator[Postgres]:
    """A server that lets in by TLS alone, but for its administrator."""
    with running(autovacuum="off") as server:
        for name in ("server.crt", "server.key"):
            copy = shutil.copy(certificates / name, server.folder / name)
            os.chmod(copy, 0o600)
            if os.getuid() == 0:
                shutil.chown(copy, *account())
        rules = server.folder / "pg_hba.conf"
        rules.write_text(f"hostssl all careful all trust\nhost all careful all reject\n{rules.read_text()}")
        server.tell("CREATE ROLE careful LOGIN SUPERUSER", "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
        yield server


def url(server: Postgres, host: str, words: str) -> str:
    return f"postgresql://careful@{host}:{server.port}/postgres?{words}"


def test_who_is_at_the_other_end_is_checked_and_the_store_works(certified: Postgres, certificates: Path) -> None:
    words = f"sslmode=verify-full&sslrootcert={certificates / 'ours.pem'}"
    with open_store(url(certified, "localhost", words)) as store:
        assert [result.status for result in store.events.add([EventIn("L1", "x", NOW)], NOW)] == ["accepted"]
        with store.database.read() as connection:
            encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            assert connection.exec_driver_sql(encrypted).scalar_one() is True


@pytest.mark.parametrize(
    ("host", "words", "message"),
    [
        ("localhost", "sslmode=verify-full&sslrootcert={}/another.pem", "not signed by the authority of sslrootcert"),
        ("127.0.0.1", "sslmode=verify-full&sslrootcert={}/ours.pem", "for another host than the store's URL names"),
        ("localhost", "sslmode=verify-full&sslrootcert={}/nowhere.pem", "the file of sslrootcert .* is not there"),
        ("localhost", "sslmode=disable", "does not let this role in"),
    ],
    ids=["another authority", "another host", "no file", "no TLS"],
)
def test_each_way_in_which_that_fails_has_words_of_its_own(
    certified: Postgres, certificates: Path, host: str, words: str, message: str
) -> None:
    with pytest.raises(StoreAway, match=message) as caught:
        open_store(url(certified, host, words.format(certificates)))
    assert str(certificates) not in str(caught.value)
