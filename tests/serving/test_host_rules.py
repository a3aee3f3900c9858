"""Who is heard: by which name, by which way, and on whose word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from data.contract import UsageError
from serving.app import create_app
from serving.champion.artifact_sources import FolderSource
from serving.edge.proxies import Proxies
from serving.http.host_rules import HostRules
from serving.http.services import Services
from serving.server import Options, serve
from serving.store.access.lockout import MOST_OF_PAIR
from serving.store.store import open_store
from tests.serving.conftest import Starts
from tests.serving.inside import Inside
from tests.serving.server_process import ServerProcess

STRANGER = ("203.0.113.9", 4711)


class Asks:
    """Asks servers with another door, as somebody from elsewhere."""

    def __init__(self, services: Services, stack: ExitStack) -> None:
        self.services, self.stack = services, stack

    def __call__(
        self, rules: HostRules, path: str, url: str = "http://leads.example.com", client: str = STRANGER[0]
    ) -> int:
        app = create_app(replace(self.services, host_rules=rules))
        inside = self.stack.enter_context(closing(Inside(app)))
        inside.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app, client=(client, 1)), base_url=url)
        return inside.get(path).status_code


@pytest.fixture
def asks(services: Services) -> Iterator[Asks]:
    with ExitStack() as stack:
        yield Asks(services, stack)


def test_what_others_could_have_read_is_refused_unless_that_is_meant(asks: Asks) -> None:
    assert asks(HostRules(), "/v1/model") == 403
    assert asks(HostRules(), "/sign-in") == 403
    assert asks(HostRules(), "/v1/model", "https://leads.example.com") == 200
    assert asks(HostRules(), "/v1/model", client="127.0.0.1") == 200
    assert asks(HostRules(plain_http=True), "/v1/model") == 200
    assert asks(HostRules(), "/v2/health/live") == 200


def test_by_another_name_the_server_is_not_there(asks: Asks) -> None:
    """As a page of another site would ask whose name leads to this machine."""
    ours, nobody = HostRules(frozenset({"leads.example.com"})), HostRules(frozenset())
    assert asks(ours, "/v1/model", "https://leads.example.com") == 200
    assert asks(ours, "/v1/model", "https://Leads.Example.Com:8443") == 200
    assert asks(ours, "/v1/model", "https://evil.example") == 400
    assert asks(nobody, "/v1/model", "http://evil.example", "127.0.0.1") == 400
    for name in ("localhost:8000", "127.0.0.1", "[::1]:80"):
        assert asks(nobody, "/v1/model", f"http://{name}", "127.0.0.1") == 200
    assert asks(ours, "/v2/health/ready", "http://10.1.2.3:8000") == 200


def test_without_a_way_for_secrets_the_server_does_not_start(tmp_path: Path) -> None:
    options = Options(FolderSource(tmp_path, "m"), tmp_path, "sqlite:///x", host="0.0.0.0")
    with pytest.raises(UsageError, match=r"--trusted-proxy ADDRESS .*--plain-http"):
        serve(options)
    with pytest.raises(UsageError, match=r"--trusted-proxy: .* write an address or a network"):
        serve(replace(options, trusted_proxies=("proxy.example.com",)))


def test_only_the_word_of_a_named_proxy_counts() -> None:
    proxies = Proxies(["10.0.0.0/8", "2001:db8::/32"])
    trusted = {"10.1.2.3": True, "2001:db8::1": True, "11.0.0.1": False, "unix": False, "": False}
    assert {peer: proxies.trusts(peer) for peer in trusted} == trusted


def test_with_no_key_asked_for_only_this_machine_is_answered_by_its_own_name(start: Starts) -> None:
    server = start()
    assert httpx.get(f"{server.url}/v1/model", headers={"host": "evil.example"}).status_code == 400
    assert httpx.get(f"{server.url}/v1/model").status_code in (200, 503)


PASSWORD = "correct horse battery"


def sign_in(server: ServerProcess, peer: str, said: str, password: str) -> int:
    """The answer to Anna's name and a password, from an address that says for whom it asks."""
    asker = httpx.HTTPTransport(local_address=peer)
    with httpx.Client(base_url=server.url, transport=asker, headers={"x-forwarded-for": said}, timeout=60) as client:
        return client.post("/sign-in", data={"name": "anna", "password": password}).status_code


def test_a_stranger_behind_a_proxy_locks_out_nobody_else_and_cannot_pass_for_one(start: Starts, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    with open_store(store) as opened:
        opened.accounts.add("anna", PASSWORD, "viewer", 1)
    server = start("--keys", "--plain-http", "--store", store, "--trusted-proxy", "127.0.0.2")
    guesses = [sign_in(server, "127.0.0.2", "203.0.113.9", "wrong") for _ in range(MOST_OF_PAIR + 1)]
    assert guesses == [401] * MOST_OF_PAIR + [429]
    assert sign_in(server, "127.0.0.2", "203.0.113.10", PASSWORD) == 303, "Anna, by the same proxy"
    claims = [sign_in(server, "127.0.0.3", f"203.0.113.{20 + n}", "wrong") for n in range(MOST_OF_PAIR + 1)]
    assert claims == [401] * MOST_OF_PAIR + [429], "it is no proxy, whatever it says"
