"""Keyset cursors: how a long list is walked. A page ends with the keys of its last row; the next begins after them."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, tuple_

from data.contract import UsageError

Key = int | float | str
LONGEST = 8_000
"""Characters of a cursor: two names of the longest kind, each sign written as JSON writes it, fit."""


@dataclass(frozen=True)
class KeysetOrder:
    """By what a list is ordered.

    name: a cursor of one order is refused by any other. columns: the last of them makes rows differ; all ascend, or all
    descend. kinds: what the columns hold, int, float or str.
    """

    name: str
    columns: Sequence[ColumnElement[Any]]
    kinds: Sequence[type]
    descending: bool = False

    def cursor(self, keys: Sequence[Any]) -> str:
        """Where the list goes on after a row with these keys."""
        return base64.urlsafe_b64encode(json.dumps([self.name, *keys]).encode()).decode()

    def keys(self, cursor: str) -> list[Key]:
        """The keys that a cursor holds. Raises UsageError for one that no list in this order has given."""
        keys: list[Any] = []
        try:
            name, *keys = json.loads(base64.urlsafe_b64decode(cursor[: LONGEST + 1].encode("ascii", "replace")))
        except (ValueError, TypeError, RecursionError):
            name = None
        if name != self.name or len(keys) != len(self.kinds) or not all(map(_holds, self.kinds, keys)):
            raise UsageError(f"the cursor is none that a list by {self.name} has given; begin without one")
        return keys

    def sorted(self, query: Select[Any], cursor: str | None = None) -> Select[Any]:
        """The rows in order, those after a cursor where one is given. Raises UsageError as `keys` does."""
        if cursor is not None:
            keys = self.keys(cursor)
            place, after = tuple_(*self.columns), tuple_(*keys)
            query = query.where(place < after if self.descending else place > after)
            if self.descending:
                # Said twice: the first column alone is what an index understands everywhere.
                query = query.where(self.columns[0] <= keys[0])
        return query.order_by(*(column.desc() if self.descending else column.asc() for column in self.columns))

    def up_to(self, query: Select[Any], keys: Sequence[Any]) -> Select[Any]:
        """The rows up to and with the one that has these keys."""
        place, end = tuple_(*self.columns), tuple_(*keys)
        return query.where(place >= end if self.descending else place <= end)


def _holds(kind: type, key: Any) -> bool:
    """Whether a database can compare a column of a kind with it: 64 bits, finite, no NUL, no lone surrogate."""
    if kind is str:
        return isinstance(key, str) and "\0" not in key and not any("\ud800" <= sign <= "\udfff" for sign in key)
    if isinstance(key, bool) or not isinstance(key, int | float):
        return False
    if isinstance(key, int):
        return -(2**63) <= key < 2**63
    return kind is float and math.isfinite(key)
