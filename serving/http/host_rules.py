"""Which requests are heard at all: by whose name they ask, and whether others could have read them on their way."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from serving.edge.proxies import is_loopback
from serving.messages.problems import Refused

HOST = re.compile(r"(?:([A-Za-z0-9._-]*)|\[([0-9A-Fa-f:.]+)\])(?::[0-9]{1,5})?")
"""What may stand there: without, no address of the request could be read, and links of ours would lead elsewhere."""


@dataclass(frozen=True)
class HostRules:
    """hosts: names by which the server may be asked, beside those of this machine itself; None for any: a page of
    another site whose name leads here is then answered too. plain_http: whether keys, passwords and sessions may come
    unencrypted from other machines."""

    hosts: frozenset[str] | None = None
    plain_http: bool = False

    def check(self, scope: Scope, is_watch: bool) -> None:
        """Raises Refused. is_watch: of health or metrics, which watchers ask by address."""
        asked = HOST.fullmatch(Headers(scope=scope).get("host", ""))
        if asked is None:
            raise Refused("malformed", "the header Host names no host")
        if is_watch:
            return
        name = (asked[1] or asked[2] or "").lower()
        if self.hosts is not None and name and name not in self.hosts and not is_loopback(name):
            raise Refused("malformed", "the header Host names another host; --allowed-host says which are meant")
        client = scope.get("client")
        if scope["scheme"] != "https" and not self.plain_http and client and not is_loopback(client[0]):
            raise Refused("insecure", "ask by https; a proxy that ends TLS must send X-Forwarded-Proto")
