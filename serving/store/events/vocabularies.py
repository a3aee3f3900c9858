"""How many names a key may bring: types, sources, channels, attributes and their categories; each is told by name.

A sender that puts an id or a time where a name belongs would else fill indexes, choices and metrics without end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256

from sqlalchemy import Connection, func, select

from features.numbers_in_words import number
from serving.store.database.connection import chunks, insert
from serving.store.database.schema import vocabularies
from serving.store.events.event_validation import InvalidInput, ValidEvent

MOST = {"event_type": 500, "source": 200, "channel": 500, "attribute": 500, "category": 20_000}
"""Names of each kind that one key may bring; a category is a text that an attribute has."""
Name = tuple[str, str]
"""Kind and name."""
KNOWN = 100_000
"""Names that are remembered, so that they are not looked up again."""


class Vocabularies:
    """Which names each key has brought, as hashes: a category may be anything. most: by kind."""

    def __init__(self, most: Mapping[str, int] = MOST) -> None:
        self._most = most
        self._known: set[str] = set()

    def beyond(self, connection: Connection, key: str, names: Collection[Name]) -> dict[Name, InvalidInput]:
        """Those names that are too many for a key, with the reason; the others are its own from now on."""
        digests = {_digest(key, name): name for name in sorted(names)}
        new = [digest for digest in digests if digest not in self._known]
        if not key or not new:
            return {}
        stored = set(_stored(connection, new))
        if len(self._known) > KNOWN:
            self._known.clear()
        self._known |= stored
        refused = dict(self._refused(connection, key, {d: digests[d] for d in new if d not in stored}))
        return {digests[digest]: reason for digest, reason in refused.items()}

    def _refused(self, connection: Connection, key: str, new: Mapping[str, Name]) -> Iterator[tuple[str, InvalidInput]]:
        if not new:
            return
        counted = select(vocabularies.c.kind, func.count()).where(vocabularies.c.key == key)
        counts = Counter[str]()
        for kind, count in connection.execute(counted.group_by(vocabularies.c.kind)):
            counts[kind] = count
        rows = []
        for digest, (kind, name) in new.items():
            if counts[kind] >= self._most[kind]:
                yield digest, _too_many(kind, name, self._most[kind])
                continue
            counts[kind] += 1
            rows.append({"key": key, "kind": kind, "digest": digest})
        if rows:
            connection.execute(insert(connection, vocabularies).on_conflict_do_nothing(), rows)


def names_of_event(event: ValidEvent) -> list[Name]:
    """The names that an event brings."""
    given = (("event_type", event.event_type), ("source", event.source), ("channel", event.channel))
    return [(kind, name) for kind, name in given if name]


def names_of_profile(attributes: Mapping[str, str | float]) -> list[Name]:
    """The names that a profile brings."""
    categories = (f"{name}={value}" for name, value in attributes.items() if isinstance(value, str))
    return [*(("attribute", name) for name in attributes), *(("category", category) for category in categories)]


def _stored(connection: Connection, digests: list[str]) -> Iterator[str]:
    for chunk in chunks(digests):
        yield from connection.scalars(select(vocabularies.c.digest).where(vocabularies.c.digest.in_(chunk)))


def _digest(key: str, name: Name) -> str:
    return sha256("\x1f".join((key, *name)).encode()).hexdigest()


def _too_many(kind: str, name: str, most: int) -> InvalidInput:
    # Which category it is stays unsaid: it may be anything.
    shown = f"another category of attribute {name.partition('=')[0]!r}" if kind == "category" else f"{kind} {name!r}"
    return InvalidInput(
        f"{shown} is one more than the {number(most)} that one key may bring; send names, no ids, texts or times"
    )
