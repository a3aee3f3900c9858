"""Who is locked out after failures to sign in: counted by address, account and device, under keyed hashes of them."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, update

from data.contract import US_PER_SECOND, UsageError
from data.erasure.seal import Seal
from serving.store.database.connection import insert
from serving.store.database.schema import attempts

LOCKED_MINUTES = 15
WINDOW = LOCKED_MINUTES * 60 * US_PER_SECOND
"""Failures are counted within such a time from the first one on; a lock ends with it."""
MOST_OF_PAIR, MOST_OF_ADDRESS, MOST_OF_ACCOUNT, MOST_OF_DEVICE = 5, 30, 100, 10
"""Failures that are allowed: from one address for one account, from one address for any account, for one account from
anywhere, and of a device on which the account's owner has signed in before. What strangers do never counts for such a
device, so they can lock nobody out who has been here before."""


class Locked(UsageError):
    """Too many failures: this address is not let in until WINDOW has passed since the first of them."""


@dataclass(frozen=True)
class Lockout:
    """Counts attempts, and knows devices on which somebody has signed in before."""

    _seal: Seal

    def count(self, connection: Connection, name: str, address: str, device: str, now: int) -> Sequence[str] | None:
        """Counts an attempt; under which subjects, the narrowest first, None when there were too many already."""
        connection.execute(delete(attempts).where(attempts.c.since <= now - WINDOW))
        where, account = network_of(address), self._account(name)
        if self.knows(device, name):
            mark = device.partition(".")[0]
            subject = self._seal.of("attempt", f"device {mark}")
            if _count(connection, subject, account, now) <= MOST_OF_DEVICE:
                return [subject]
        allowed = {
            self._seal.of("attempt", f"address {where} {name}"): (account, MOST_OF_PAIR),
            self._seal.of("attempt", f"address {where}"): (None, MOST_OF_ADDRESS),
            self._seal.of("attempt", f"account {name}"): (account, MOST_OF_ACCOUNT),
        }
        for subject, (of, most) in allowed.items():
            # Who is not heard counts no further: an address that is locked out can lock out nobody else.
            if _count(connection, subject, of, now) > most:
                return None
        return tuple(allowed)

    def forgive(self, connection: Connection, counted: Sequence[str]) -> None:
        """Takes an attempt that was none of a stranger's back; the narrowest subject begins anew."""
        own, *others = counted
        connection.execute(delete(attempts).where(attempts.c.subject == own))
        less = update(attempts).where(attempts.c.subject.in_(others)).values(count=attempts.c.count - 1)
        connection.execute(less)

    def forget(self, connection: Connection, name: str | None) -> None:
        """Forgets failures for an account, or all failures."""
        rows = delete(attempts) if name is None else delete(attempts).where(attempts.c.account == self._account(name))
        connection.execute(rows)

    def device(self, name: str) -> str:
        """What a browser keeps that has signed in, so that it is known again; it opens nothing."""
        mark = secrets.token_urlsafe(16)
        return f"{mark}.{self._seal.of('device', self._of_device(name, mark))}"

    def knows(self, device: str, name: str) -> bool:
        """Whether `device` gave that to a browser on which this account has signed in; nothing is read."""
        mark, _, proof = device.partition(".")
        return device.isascii() and self._seal.fits("device", self._of_device(name, mark), proof)

    def _account(self, name: str) -> str:
        return self._seal.of("attempt", f"of {name}")

    def _of_device(self, name: str, mark: str) -> str:
        return f"{name}\x1f{mark}"


def network_of(address: str) -> str:
    """By what an address counts: one of IPv6 by the network that a household or machine has of them.

    >>> network_of("10.0.0.1"), network_of("2001:db8::17"), network_of("2001:db8::18"), network_of("somewhere")
    ('10.0.0.1', '2001:db8::/64', '2001:db8::/64', 'somewhere')
    """
    try:
        network = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(network, ipaddress.IPv6Address):
        return str(network.ipv4_mapped or ipaddress.ip_network((network, 64), strict=False))
    return str(network)


def _count(connection: Connection, subject: str, account: str | None, now: int) -> int:
    """One more attempt; how many there were since the first one within the window."""
    statement = insert(connection, attempts).values(subject=subject, account=account, count=1, since=now)
    more = {"count": attempts.c.count + 1}
    statement = statement.on_conflict_do_update(index_elements=[attempts.c.subject], set_=more)
    return int(connection.execute(statement.returning(attempts.c.count)).scalar_one())
