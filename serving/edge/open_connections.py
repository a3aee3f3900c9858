"""Who is connected, who keeps the server waiting for how long, and who goes when there is no more room."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from serving.messages.limits import Limits

KEPT_BACK = 128
"""Descriptors that connections leave to the store, the log, models and files."""


class Client(Protocol):
    """A connection. address: of the peer, "" for one that does not count by its address."""

    address: str

    def overdue(self, waited_s: float) -> bool:
        """Whether it has kept the server waiting for too long."""

    def send_away(self) -> None:
        """Ends it; its client learns why, where it can still be told."""


class OpenConnections:
    """All connections. Whoever has kept the server waiting for longest goes first: idle between two requests, silent,
    or with half a request. Nobody whose request is whole is sent away.

    clock: seconds, of any origin.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.most, self.per_address, self.clock = most_connections(limits), limits.per_address, clock
        self.clients: set[Client] = set()
        self.waiting: dict[Client, float] = {}
        self.addresses: Counter[str] = Counter()
        self.sent_away = 0

    def let_in(self, client: Client) -> bool:
        """Whether another client may come in; where there is no room, it is made."""
        address = client.address
        if address and self.addresses[address] >= self.per_address and not self.make_room(1, address):
            return False
        if len(self.clients) >= self.most and not self.make_room(1):
            return False
        self.clients.add(client)
        self.addresses[address] += bool(address)
        self.waits(client)
        return True

    def make_room(self, many: int, address: str = "") -> bool:
        """Sends those away who have waited longest, of an address or of all. False: all of them are being served."""
        going = [client for client, _ in zip(self._longest(address), range(many), strict=False)]
        for client in going:
            self.leave(client)
            client.send_away()
        self.sent_away += len(going)
        return bool(going)

    def waits(self, client: Client) -> None:
        """From now on the server waits for this client."""
        if client in self.clients:
            self.waiting.pop(client, None)
            self.waiting[client] = self.clock()

    def is_served(self, client: Client) -> None:
        """The request is whole: now the client waits for the server."""
        self.waiting.pop(client, None)

    def leave(self, client: Client) -> None:
        """A connection has ended; may be told twice."""
        self.waiting.pop(client, None)
        if client in self.clients:
            self.clients.remove(client)
            self.addresses[client.address] -= 1
            if self.addresses[client.address] <= 0:
                del self.addresses[client.address]

    def sweep(self) -> None:
        """Sends away all that are overdue."""
        now = self.clock()
        for client in [client for client, since in self.waiting.items() if client.overdue(now - since)]:
            self.leave(client)
            client.send_away()
            self.sent_away += 1

    def _longest(self, address: str) -> Iterator[Client]:
        return (client for client in self.waiting if not address or client.address == address)


def most_connections(limits: Limits) -> int:
    """How many connections there may be, so that descriptors are left for everything else."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(8, min(limits.connections, descriptors - KEPT_BACK))
