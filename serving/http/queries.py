"""What stands behind the question mark of a URL: strict, because a mistyped name must not be ignored silently.

Hand-written, because Starlette parses without checking, and FastAPI's refusal repeats what was sent.
"""

from __future__ import annotations

import math
import re

from starlette.requests import Request

from data.contract import NAME_LIMIT
from data.numbers import NoNumber, number_from_text
from data.times import NoTime, time_from_text
from serving.http.answers import language_of
from serving.messages.problems import Refused
from serving.messages.schemas import Extra

MOST_HORIZONS = 8


class Query:
    """The parameters of one request. Raises Refused for one that the route does not have, or given twice."""

    def __init__(self, request: Request, *known: str, many: str | None = None) -> None:
        self.values: dict[str, str] = {}
        self.many: list[str] = []
        if not request.scope["query_string"]:
            return
        for name, value in request.query_params.multi_items():
            if name == many:
                self.many.append(value)
            elif name not in known or name in self.values:
                raise Refused(
                    "invalid", f"a query parameter is unknown or repeated; there are {', '.join(known) or 'none'}"
                )
            else:
                self.values[name] = value

    def text(self, name: str) -> str | None:
        """1 to 200 characters, no control characters."""
        value = self.values.get(name)
        if value is not None and (not 0 < len(value) <= NAME_LIMIT or not value.isprintable()):
            raise Refused("invalid", f"{name}: 1 to {NAME_LIMIT} printable characters")
        return value

    def flag(self, name: str) -> bool:
        """true or false, false by default."""
        value = self.values.get(name, "false")
        if value not in ("true", "false"):
            raise Refused("invalid", f"{name}: true or false")
        return value == "true"

    def number(self, name: str, low: float, high: float) -> float | None:
        """A number within limits."""
        value = self.values.get(name)
        if value is None:
            return None
        try:
            number = number_from_text(value)
        except NoNumber:
            number = math.nan
        if not low <= number <= high:
            raise Refused("invalid", f"{name}: a number from {low:g} to {high:g}")
        return number

    def whole(self, name: str, low: int, high: int, default: int) -> int:
        """A whole number within limits."""
        value = self.values.get(name, str(default))
        if not (value.isascii() and value.isdecimal() and len(value) < 19 and low <= int(value) <= high):
            raise Refused("invalid", f"{name}: a whole number from {low} to {high}")
        return int(value)

    def days(self, name: str) -> tuple[int, ...]:
        """Numbers of days, parted by commas: up to MOST_HORIZONS, ascending, each once; none by default."""
        parts = [] if name not in self.values else self.values[name].split(",")
        if len(parts) > MOST_HORIZONS or not all(re.fullmatch("[1-9][0-9]{0,3}", part) for part in parts):
            raise Refused("invalid", f"{name}: up to {MOST_HORIZONS} whole numbers of days, such as 7,30")
        return tuple(sorted({int(part) for part in parts}))

    def time(self, name: str) -> int | None:
        """µs UTC of a written time with a zone."""
        value = self.values.get(name)
        if value is None:
            return None
        try:
            return time_from_text(value)
        except NoTime as error:
            raise Refused("invalid", f"{name} {error} (a + is written %2B)") from None


def extra_of(request: Request, query: Query) -> Extra:
    """What is wanted besides the score."""
    wanted = query.flag("reasons")
    language = language_of(request.headers.get("accept-language")) if wanted else None
    return Extra(query.flag("features"), language, query.days("horizons"))
