"""How much a server takes on at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """body: bytes of a request. body_s: seconds that it may take to arrive. at_once: requests in work.

    inline_events: histories up to this length are scored on the event loop, longer ones in a thread.
    stored_events: events of one stored lead that are read for a score.
    """

    body: int = 8 * 2**20
    body_s: float = 20.0
    at_once: int = 256
    inline_events: int = 1_000
    stored_events: int = 2_000_000
