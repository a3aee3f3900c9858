"""Whose word counts about where a request comes from: proxies that are named, nobody else."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from data.contract import UsageError


class Proxies:
    """Addresses or networks of proxies that say in X-Forwarded-For and X-Forwarded-Proto who asks, and how.

    Raises UsageError for what is neither.

    >>> Proxies(["10.0.0.0/8"]).trusts("10.1.2.3"), Proxies(["10.0.0.1"]).trusts("10.0.0.2")
    (True, False)
    """

    def __init__(self, given: Sequence[str]) -> None:
        self.given = list(given)
        try:
            self.networks = [ipaddress.ip_network(address) for address in given]
        except ValueError as error:
            raise UsageError(f"--trusted-proxy: {error}; write an address or a network, such as 10.0.0.0/8") from None

    def trusts(self, peer: str) -> bool:
        """Whether a peer's word counts."""
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self.networks)


@lru_cache(1024)
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("example.org")
    (True, True, False, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
