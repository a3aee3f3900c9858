"""The example for nginx, run as it is copied: TLS ends there, the server learns who asks, floods are turned away."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from clients.leadscore_client import Client
from serving.http.lead_paths import in_path
from serving.messages.examples import LEAD
from serving.store.store import open_store
from tests.conftest import REPOSITORY
from tests.serving.conftest import Starts
from tests.serving.senders import event
from tests.serving.server_process import ServerProcess
from tests.written_ids import IDS

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PASSWORD = "correct horse battery"
WHOLE = "daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}} http {{ access_log off; {paths} {example} }}"
RESOLVED = ("../../metrics", "..%2F..", "//", "a/../b", "./a", "a//b", "sign-in", "../../../x")
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def adapted(example: str, folder: Path, upstream: int, https: int, http: int) -> str:
    """The example with the ports and the certificate of the test, and nothing else changed."""
    changes = {"127.0.0.1:8000": f"127.0.0.1:{upstream}", "listen 443 ssl": f"listen 127.0.0.1:{https} ssl"}
    changes |= {"listen 80;": f"listen 127.0.0.1:{http};", "/etc/ssl/": f"{folder}/"}
    for given, wanted in changes.items():
        assert given in example
        example = example.replace(given, wanted)
    return re.sub(r"^ *#.*\n|^ *listen \[::\].*\n", "", example, flags=re.MULTILINE)


@pytest.fixture
def proxied(start: Starts, tmp_path: Path) -> Iterator[tuple[httpx.Client, ServerProcess]]:
    """A client of nginx in front of a server."""
    if NGINX is None or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is not installed")
    store = f"sqlite:///{tmp_path / 'store.db'}"
    with open_store(store) as opened:
        opened.accounts.add("anna", PASSWORD, "editor", 1)
        key = opened.keys.create("admin", "test", 1)
    server = start("--keys", "--store", store, "--allowed-host", "leads.example.com")
    https, http = free_ports(2)
    certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=leads.example.com"]
    files = ["-keyout", f"{tmp_path}/leads.example.com.key", "-out", f"{tmp_path}/leads.example.com.pem"]
    subprocess.run([*certificate, *files], check=True, capture_output=True)
    example = (REPOSITORY / "docs" / "nginx.conf").read_text()
    paths = " ".join(f"{name}_temp_path {tmp_path}/{name};" for name in TEMPORARY)
    port = httpx.URL(server.url).port or 80
    configuration = tmp_path / "nginx.conf"
    text = WHOLE.format(folder=tmp_path, paths=paths, example=adapted(example, tmp_path, port, https, http))
    configuration.write_text(text, encoding="utf-8")
    nginx = subprocess.Popen([NGINX, "-c", str(configuration), "-p", str(tmp_path)], stderr=subprocess.PIPE)
    try:
        server.ready()
        headers = {"host": "leads.example.com", "authorization": f"Bearer {key}"}
        with httpx.Client(base_url=f"https://127.0.0.1:{https}", headers=headers, verify=False, timeout=30) as client:
            yield client, server
    finally:
        nginx.terminate()
        nginx.communicate()


def test_the_example_for_nginx_works_as_it_is_copied(proxied: tuple[httpx.Client, ServerProcess]) -> None:
    client, server = proxied
    assert client.post("/v1/score", json=LEAD).status_code == 200
    assert client.get("/metrics").status_code == 404
    # What a client says of itself is replaced: it comes by https from 127.0.0.1, whatever it claims.
    claims = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "http"}
    signed_in = client.post("/sign-in", data={"name": "anna", "password": PASSWORD}, headers=claims)
    assert signed_in.status_code == 303
    assert all("; Secure" in cookie for cookie in signed_in.headers.get_list("set-cookie"))
    assert "max-age=" in signed_in.headers["strict-transport-security"]
    tried = [client.post("/sign-in", data={"name": f"guess{n}", "password": "wrong"}).status_code for n in range(60)]
    assert tried[-1] == 429
    assert httpx.get(f"{server.url}/v1/model", headers={"host": "evil.example"}).status_code == 400


def test_every_lead_is_reached_behind_nginx(
    proxied: tuple[httpx.Client, ServerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It resolves dots and decodes slashes before it looks where to send a request; the client has no part in that."""
    proxy, _ = proxied
    with Client(str(proxy.base_url)) as client:
        client.http.close()
        monkeypatch.setattr(client, "http", proxy)
        for number, lead_id in enumerate(dict.fromkeys((*IDS, *RESOLVED))):
            [result] = proxy.post("/v1/events", json={"events": [event(number, lead_id)]}).json()["results"]
            assert result["status"] == "accepted", lead_id
            assert client.score(lead_id).answer["score"]["events_counted"] == 1, lead_id
            assert client.forget(lead_id)["removed"]["leads"] == 1, lead_id


def test_a_path_alone_would_not_reach_every_lead(proxied: tuple[httpx.Client, ServerProcess]) -> None:
    """The planted fault: the same id as a part of the path, which nginx takes for its own /metrics."""
    proxy, _ = proxied
    assert proxy.post("/v1/events", json={"events": [event("e", "../../metrics")]}).status_code == 200
    assert "<html>" in proxy.get(f"/v1/leads/{in_path('../../metrics')}").text
