"""What people wish of a threshold, as it stands in addresses and forms."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, get_args
from urllib.parse import urlencode

from serving.messages.problems import Refused
from serving.pages.rendering.page_context import PageContext
from serving.scoring.what_if import LIMITS, Brings, By
from training.thresholds.threshold_evidence import Grounds

ADDRESS = "/thresholds"
NAMES = ("stage", "by", "value", "capacity", "published")


def start_of(held: Brings | None, by: By, grounds: Grounds) -> str:
    """Where the boxes begin: at what holds now."""
    if held is None:
        return f"{LIMITS[by][0]:g}"
    values = {"chance": 100 * held.probability, "share": 100 * (held.low or 0), "week": held.leads}
    low, high = bounds_of(by, grounds)
    return f"{min(max(round(values[by], 1), low), high):g}"


def bounds_of(by: By, grounds: Grounds | None) -> tuple[float, float]:
    """Between which values a slider makes sense."""
    low, high = LIMITS[by]
    if grounds is None:
        return low, high
    most = {
        "chance": 100 * float(grounds.labels.p.max()),
        "share": 100 * float(grounds.curve.high.max()),
        "week": grounds.flow.per_week,
    }
    return low, min(high, max(float(round(most[by])), 1.0))


def asked_of(context: PageContext) -> dict[str, str]:
    """What the address says, without what is empty. Raises Refused for what the page does not have."""
    values: dict[str, str] = {}
    for name, value in context.request.query_params.multi_items():
        if name not in NAMES or name in values or len(value) > 100:
            raise Refused("invalid", "the address has a part that is unknown, repeated or too long")
        if value:
            values[name] = value
    return values


def by_of(values: Mapping[str, str]) -> By:
    """What a wish goes by, a chance where nothing is said. Raises Refused for what there is not."""
    by: Any = values.get("by", "chance")
    if by not in get_args(By):
        raise Refused("invalid", "there is no such way to wish")
    chosen: By = by
    return chosen


def number_of(values: Mapping[str, str], name: str) -> float | None:
    """A positive number; a decimal comma is read too. Raises Refused for anything else."""
    text = values.get(name, "").strip().replace(",", ".")
    if not text:
        return None
    try:
        number = float(text) if text.isascii() and "_" not in text else float("nan")
    except ValueError:
        number = float("nan")
    if not (isfinite(number) and 0 < number <= 1e9):
        raise Refused("invalid", f"{name} is no number that can be")
    return number


def address_of(**values: str) -> str:
    """The address of the page at its what-if."""
    return f"{ADDRESS}?{urlencode(values)}#what-if"
