"""How long a vendor asks to be left alone, by what its headers say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST = 600.0
"""Seconds that a pull waits at most; who asks for more is told to run it again later."""
TRIES = 8
SLOWEST = 60.0
"""Seconds between two tries at most where the vendor does not say how many."""


def asked_wait(status: int, headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until the next request may be made, None where nothing is said. headers: without regard to case. now: the
    vendor's clock, so that a wrong one of ours does not matter.

    `Retry-After` counts first (seconds, or a date). Else, where too much was asked (429) or nothing is left, until the
    window begins anew: Pipedrive's `x-ratelimit-reset`, HubSpot's `X-HubSpot-RateLimit-Interval-Milliseconds`.
    """
    after = _retry_after(headers.get("retry-after"), now)
    if after is not None:
        return after
    left = (headers.get("x-ratelimit-remaining"), headers.get("x-hubspot-ratelimit-remaining"))
    if status != 429 and "0" not in left:
        return None
    reset, window = headers.get("x-ratelimit-reset"), headers.get("x-hubspot-ratelimit-interval-milliseconds")
    waits = [wait for wait in (_number(reset), _number(window, 1000.0)) if wait is not None]
    return max(waits, default=None)


def patience_s(tried: int) -> float:
    """Seconds before the next try where the vendor does not say how many; tried: how often, 1 or more.

    >>> [patience_s(tried) for tried in (1, 2, 3, 12)]
    [0.5, 1.0, 2.0, 60.0]
    """
    return float(min(SLOWEST, 0.5 * 2 ** (tried - 1)))


def _retry_after(text: str | None, now: datetime) -> float | None:
    if text is None or _number(text) is not None:
        return _number(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def _number(text: str | None, per: float = 1.0) -> float | None:
    """A number that is not negative, else None."""
    try:
        value = float(text or "") / per
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None
