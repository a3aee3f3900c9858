"""Whom a request comes from: its key, the role that it has, and the role that a route asks for."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, Protocol

from starlette.requests import Request
from starlette.responses import Response

from serving.edge.bulkhead import Bulkhead
from serving.messages.problems import Refused
from serving.store.access.roles import KeyRole, key_allows
from serving.store.database.failures import StoreAway

Needs = Literal["anyone"] | KeyRole
KEPT_S = 5.0
"""Seconds that a verified key is remembered; while the store answers, a revoked one works no longer than that."""
AWAY_S, AGAIN_S = 3_600.0, 30.0
"""While the store is away nobody can revoke a key in it: so long after it was last good a key goes on, and so often the
store is asked again."""
MOST_KEPT = 10_000
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Caller:
    """Who asks: the public prefix of its key, and the role of that key."""

    who: str
    role: str


@dataclass(frozen=True)
class VerifiedKey:
    """Who a key's holder is. until: when the store is asked again. good_at: when it last said so."""

    caller: Caller
    until: float
    good_at: float


class Authenticator(Protocol):
    """Tells who shows a key."""

    async def caller(self, authorization: str | None) -> Caller | None:
        """The caller for a header Authorization, None for nobody that is known."""


class KeyAuthenticator:
    """Asks the store about a key, and remembers the answer for KEPT_S seconds.

    Keys that were good a moment ago wait apart from those that nobody has seen: guesses hold up no caller.
    """

    def __init__(self, verify: Callable[[str], Caller | None], clock: Callable[[], float] = time.monotonic) -> None:
        self.verify, self.clock = verify, clock
        self.known: dict[bytes, VerifiedKey] = {}
        self.again, self.first = Bulkhead("keys", 1, 512), Bulkhead("new keys", 1, 64)

    async def caller(self, authorization: str | None) -> Caller | None:
        """The caller that sends `Bearer KEY`."""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            return None
        mark = hashlib.sha256(key.encode("utf-8", "replace")).digest()
        remembered = self.known.get(mark)
        if remembered is not None and self.clock() < remembered.until:
            return remembered.caller
        line = self.first if remembered is None else self.again
        return await line.run(self._asked, mark, key.strip())

    def _asked(self, mark: bytes, key: str) -> Caller | None:
        """Who holds a key, as the store says, or said before it was away. Raises StoreAway."""
        now, remembered = self.clock(), self.known.get(mark)
        if remembered is not None and now < remembered.until:  # another request has asked meanwhile
            return remembered.caller
        try:
            verified = self.verify(key)
        except StoreAway:
            if remembered is None or now > remembered.good_at + AWAY_S:
                raise
            self.known[mark] = VerifiedKey(remembered.caller, self.clock() + AGAIN_S, remembered.good_at)
            return remembered.caller
        self._remember(mark, verified)
        return verified

    def _remember(self, mark: bytes, verified: Caller | None) -> None:
        if verified is None:
            self.known.pop(mark, None)
            return
        if len(self.known) >= MOST_KEPT:
            self.known.clear()
        self.known[mark] = VerifiedKey(verified, self.clock() + KEPT_S, self.clock())


class NoAuthentication:
    """Everybody is admin: only for a server that nobody else can reach."""

    async def caller(self, authorization: str | None) -> Caller | None:
        """Always an admin."""
        return Caller("local", "admin")


def needs(role: Needs) -> Callable[[Handler], Handler]:
    """Declares the role that a route asks for; `admin` may do everything. Without a key 401, with another role 403."""

    def declare(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(request: Request) -> Response:
            if role != "anyone":
                await _check(request, role)
            return await handler(request)

        guarded.needs = role  # type: ignore[attr-defined]
        return guarded

    return declare


def needed_by(endpoint: Any) -> str | None:
    """The role that a route's endpoint declares, None when it declares none."""
    return getattr(endpoint, "needs", None)


def caller_of(request: Request) -> Caller:
    """Who sent a request that has passed `needs`."""
    caller: Caller = request.state.caller
    return caller


async def _check(request: Request, role: str) -> None:
    authenticator: Authenticator = request.app.state.services.authenticator
    caller = await authenticator.caller(request.headers.get("authorization"))
    if caller is None:
        raise Refused("unauthorized", "send a valid key: Authorization: Bearer KEY")
    request.state.caller = caller
    if not key_allows(caller.role, role):
        raise Refused("forbidden", f"this key has the role {caller.role}; this needs {role}")
