"""What people wish of a threshold, as it stands in addresses and forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args
from urllib.parse import urlencode

from data.numbers import NoNumber, number_from_text
from serving.http.queries import Parameters
from serving.messages.problems import Refused
from serving.pages.rendering.page_context import PageContext
from serving.scoring.what_if import LIMITS, Brings, By
from training.thresholds.threshold_evidence import ThresholdEvidence

ADDRESS = "/thresholds"
NAMES = ("stage", "by", "value", "capacity", "published")


def start_of(held: Brings | None, by: By, grounds: ThresholdEvidence) -> str:
    """Where the boxes begin: at what holds now."""
    if held is None:
        return f"{LIMITS[by][0]:g}"
    values = {"chance": 100 * held.probability, "share": 100 * (held.low or 0), "week": held.leads}
    low, high = bounds_of(by, grounds)
    return f"{min(max(round(values[by], 1), low), high):g}"


def bounds_of(by: By, grounds: ThresholdEvidence | None) -> tuple[float, float]:
    """Between which values a slider makes sense."""
    low, high = LIMITS[by]
    if grounds is None:
        return low, high
    most = {
        "chance": 100 * float(grounds.labels.p.max()),
        "share": 100 * float(grounds.curve.high.max()),
        "week": grounds.volume.per_week,
    }
    return low, min(high, max(float(round(most[by])), 1.0))


def asked_of(context: PageContext, more: Sequence[str] = ()) -> dict[str, str]:
    """What the address says, without what is empty. more: names beside NAMES. Raises Refused for what there is not."""
    return Parameters([(name, value) for name, value in context.asked if value], *NAMES, *more).values


def by_of(values: Mapping[str, str]) -> By:
    """What a wish goes by, a chance where nothing is said. Raises Refused for what there is not."""
    by: Any = values.get("by", "chance")
    if by not in get_args(By):
        raise Refused("invalid", "there is no such way to wish")
    chosen: By = by
    return chosen


def number_of(values: Mapping[str, str], name: str, least: float = 1e-9) -> float | None:
    """A number from `least` on; a decimal comma is read too. Raises Refused for anything else."""
    text = values.get(name, "").strip().replace(",", ".")
    if not text:
        return None
    try:
        number = number_from_text(text)
    except NoNumber:
        number = -1.0
    if not least <= number <= 1e9:
        raise Refused("invalid", f"{name} is no number that can be")
    return number


def address_of(**values: str) -> str:
    """The address of the page at its what-if."""
    return f"{ADDRESS}?{urlencode(values)}#what-if"
