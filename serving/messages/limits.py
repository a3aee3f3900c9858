"""How much a server takes on at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """body: bytes of a request. body_s: seconds that it may take to arrive. bodies, bodies_bytes: how many may be on
    their way, and bytes of all of them that have arrived.

    head, headers: bytes of a request before its body, and headers in it. head_s: seconds that it may take to arrive.
    idle_s: seconds between two requests. reading_s: seconds that a client may take to go on reading an answer.
    connections: at most, as far as the machine has descriptors. per_address: of them from one address; a proxy's do not
    count.
    inline_events: histories up to this length are scored on the event loop, longer ones in a thread.
    stored_events: events of one stored lead that are read for a score.
    """

    body: int = 8 * 2**20
    body_s: float = 20.0
    bodies: int = 512
    bodies_bytes: int = 64 * 2**20
    head: int = 32 * 2**10
    headers: int = 100
    head_s: float = 10.0
    idle_s: float = 30.0
    reading_s: float = 30.0
    connections: int = 4096
    per_address: int = 256
    inline_events: int = 1_000
    stored_events: int = 2_000_000
