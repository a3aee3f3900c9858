"""What queries, forms and paths say: all of it passes `guarded`, and becomes a value here; strict, because a mistyped
name must not be ignored silently.

Hand-written, because Starlette parses without checking, and FastAPI's refusal repeats what was sent. A test sees to it
that nothing else in this folder's neighbours reads a request's parameters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request

from data.contract import NAME_LIMIT
from data.ids import SURROGATE
from data.numbers import NoNumber, number_from_text
from data.times import NoTime, time_from_text
from serving.http.answers import language_of
from serving.messages.problems import Refused
from serving.messages.schemas import Extra

Pairs = list[tuple[str, str]]
Chosen = TypeVar("Chosen", bound=str)
MOST_HORIZONS = 8
MOST_PARTS = 100
MOST_OF_ONE = 20
"""Parts of a query or form, and how often one that may be repeated may be: each is a join of tables."""
LONGEST = 16_384
"""Characters of one value, whatever it is."""


def guarded(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """Names and values of a query or form, as they were sent. Raises Refused for what no database could compare or
    keep (NUL, half a character), for too many parts, and for one that is too long."""
    parts = list(pairs)
    if len(parts) > MOST_PARTS:
        raise Refused("invalid", f"the query or form has {len(parts)} parts; {MOST_PARTS} are allowed")
    for part in parts:
        if any(len(text) > LONGEST or "\0" in text or SURROGATE.search(text) for text in part):
            raise Refused("invalid", "the query or form has a part that is too long, or characters that no text has")
    return parts


def query_pairs(request: Request) -> Pairs:
    """The parts behind the question mark, guarded. Raises Refused."""
    return guarded(request.query_params.multi_items()) if request.scope["query_string"] else []


def form_pairs(text: str) -> Pairs:
    """The parts of a form, or of a query that a form holds, guarded. Raises Refused."""
    return guarded(parse_qsl(text, keep_blank_values=True))


class Parameters:
    """Parts that are known, each once; `many` may be repeated. Each method raises Refused for what cannot be.

    >>> Parameters([("limit", "5")], "limit").whole("limit", 1, 1000, 100)
    5
    """

    def __init__(self, pairs: Pairs, *known: str, many: str | None = None) -> None:
        self.values: dict[str, str] = {}
        self.many: list[str] = []
        for name, value in pairs:
            if name == many:
                self.many.append(value)
            elif name not in known or name in self.values:
                raise Refused(
                    "invalid", f"a query parameter is unknown or repeated; there are {', '.join(known) or 'none'}"
                )
            else:
                self.values[name] = value
        if len(self.many) > MOST_OF_ONE:
            raise Refused("invalid", f"{many}: at most {MOST_OF_ONE} at once")

    def text(self, name: str) -> str | None:
        """1 to 200 characters, no control characters."""
        value = self.values.get(name)
        if value is not None and (not 0 < len(value) <= NAME_LIMIT or not value.isprintable()):
            raise Refused("invalid", f"{name}: 1 to {NAME_LIMIT} printable characters")
        return value

    def cursor(self, name: str) -> str | None:
        """Where a list goes on; what stands in it is read by `KeysetOrder.keys` alone."""
        return self.values.get(name)

    def choice(self, name: str, among: Sequence[Chosen], default: Chosen) -> Chosen:
        """One of several words."""
        value = self.values.get(name, default)
        for word in among:
            if word == value:
                return word
        raise Refused("invalid", f"{name}: one of {', '.join(among)}")

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
        value = whole_number(self.values.get(name, str(default)))
        if value is None or not low <= value <= high:
            raise Refused("invalid", f"{name}: a whole number from {low} to {high}")
        return value

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


class Query(Parameters):
    """What stands behind the question mark of a request of the API."""

    def __init__(self, request: Request, *known: str, many: str | None = None) -> None:
        super().__init__(query_pairs(request), *known, many=many)


def whole_number(text: str) -> int | None:
    """A number of up to 18 digits, which fits into 64 bits; None for any other text.

    >>> whole_number("17"), whole_number("-1"), whole_number("9" * 19), whole_number("\N{ARABIC-INDIC DIGIT ONE}")
    (17, None, None, None)
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def numbered(request: Request, name: str) -> int:
    """The number that a part of the path is; 0 for what is none, which nothing has."""
    return whole_number(request.path_params[name]) or 0


def extra_of(request: Request, query: Query) -> Extra:
    """What is wanted besides the score."""
    wanted = query.flag("reasons")
    language = language_of(request.headers.get("accept-language")) if wanted else None
    if language is None:
        return Extra(query.flag("features"), None, query.days("horizons"))
    return Extra(query.flag("features"), language, query.days("horizons"), request.app.state.services.zone)
