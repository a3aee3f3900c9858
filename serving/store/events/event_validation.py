"""Validation of an event that a service sends: it is either brought to the contract or refused with a reason.

The rules are those of an ingest from files (data/intake/rows_to_events.py): what is in the store can go into the log.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from data.contract import CONTEXT, DataError
from data.ids import CONTROL, NoId, damage_of, id_from_text, says_who
from data.masking import E_MAIL, SHOWN
from data.numbers import NoNumber, rounded_value, within_limit
from data.times import EARLIEST, EXAMPLE, FIRST, LAST, NoTime, doubt_of, time_from_text

KEPT = 1000
"""Characters that are kept of a text in a rejected event."""
INT64 = 2**63


@dataclass(frozen=True, slots=True)
class EventIn:
    """An event as it was sent. Types are what is expected; anything else is refused with a reason, never raised.

    occurred_at, received_at: int µs UTC, or text as `time_from_text` reads it. Without `received_at` the event counts
    as known from the moment at which the store received it. Without `event_id` one is derived from the content.
    """

    lead_id: str
    event_type: str
    occurred_at: int | str
    channel: str | None = None
    value: float | None = None
    received_at: int | str | None = None
    source: str | None = None
    event_id: str | None = None
    campaign: str | None = None
    asset: str | None = None


@dataclass(frozen=True, slots=True)
class ValidEvent:
    """An event that keeps the contract, as the store keeps it. body: what must be the same for the same id."""

    source: str
    event_id: str
    lead_id: str
    event_type: str
    channel: str | None
    value: float | None
    occurred_at: int
    received_at: int
    known_at: int
    body: str
    campaign: str | None = None
    asset: str | None = None


class InvalidInput(DataError):
    """Why something sent is refused; the text holds no personal data."""


@dataclass(frozen=True, slots=True)
class EventResult:
    """What became of an event. event_id: as sent, or derived. reason, rejected_id: of a rejected one."""

    status: Literal["accepted", "duplicate", "rejected"]
    event_id: str | None = None
    reason: str | None = None
    rejected_id: int | None = None


def admit(event: EventIn, now: int, earliest: int = EARLIEST, personal_ids: bool = False) -> ValidEvent:
    """The event under the contract. Raises InvalidInput.

    now: the server's clock; earliest: the first time that is a date at all; both µs UTC. personal_ids: whether ids of
    leads may be e-mail addresses or telephone numbers.

    >>> admit(EventIn("L1", "page_view", "1970-01-01T01:00:00+01:00"), now=5, earliest=0).known_at
    5
    """
    lead_id, kind = required("lead_id", event.lead_id), required("event_type", event.event_type)
    require_meant("lead_id", lead_id, personal_ids)
    channel, source, event_id = (name(field, getattr(event, field)) for field in ("channel", "source", "event_id"))
    require_meant("event_id", event_id, personal_ids=True)
    campaign, asset = (name(field, getattr(event, field)) for field in CONTEXT)
    occurred_at = moment("occurred_at", event.occurred_at, now, earliest)
    received_at = event.received_at
    received_at = now if received_at is None else moment("received_at", received_at, now, earliest)
    value = _value(event.value)
    body = body_of(lead_id, kind, occurred_at, channel, value, campaign, asset)
    times = (occurred_at, received_at, max(occurred_at, received_at))
    return ValidEvent(source or "", event_id or body, lead_id, kind, channel, value, *times, body, campaign, asset)


def body_of(
    lead_id: str,
    event_type: str,
    occurred_at: int,
    channel: str | None,
    value: float | None,
    campaign: str | None = None,
    asset: str | None = None,
) -> str:
    """The md5 that stands for an event's content, the same as an ingest from files derives."""
    parts = [lead_id, event_type, str(occurred_at), channel or "\x1e", "\x1e" if value is None else repr(value)]
    context = zip(CONTEXT, (campaign, asset), strict=True)
    parts += [f"{field}={given}" for field, given in context if given is not None]
    return hashlib.md5("\x1f".join(parts).encode(), usedforsecurity=False).hexdigest()


def name(what: str, given: Any) -> str | None:
    """A name by the rule of `id_from_text`, None for none. Raises InvalidInput."""
    if given is None:
        return None
    if not isinstance(given, str):
        raise InvalidInput(f"{what} is no text")
    try:
        return id_from_text(given)
    except NoId as error:
        raise InvalidInput(f"{what} {error}") from None


def required(what: str, given: Any) -> str:
    """The same for a name that must be there."""
    text = name(what, given)
    if text is None:
        raise InvalidInput(f"{what} is missing")
    return text


def require_meant(what: str, name: str | None, personal_ids: bool) -> None:
    """Raises InvalidInput for an id that is damaged, or says who somebody is where the settings don't mean that."""
    damage = damage_of(name) if name else None
    if damage is not None:
        raise InvalidInput(f"{what} {damage}")
    if name is not None and not personal_ids and says_who(name):
        raise InvalidInput(
            f"{what} is an e-mail address or a telephone number; send a number that says nothing, "
            "or set personal_ids = true where that is meant"
        )


def moment(what: str, given: Any, now: int, earliest: int) -> int:
    """µs UTC of a time at which something can have happened, by `doubt_of`. Raises InvalidInput."""
    if given is None:
        raise InvalidInput(f"{what} is missing")
    at = _us(what, given)
    doubt = doubt_of(at, now, earliest)
    if doubt is not None:
        raise InvalidInput(f"{what} {_shown(given)}{doubt}")
    return at


def _us(what: str, given: Any) -> int:
    """µs UTC of a number of them, or of a text. Raises InvalidInput."""
    if isinstance(given, str):
        try:
            return time_from_text(given)
        except NoTime as error:
            raise InvalidInput(f"{what} {_shown(given)}{error}") from None
    if type(given) is not int or not FIRST <= given <= LAST:
        raise InvalidInput(f"{what} {_shown(given)}is no time; write one like {EXAMPLE}")
    return given


def number(what: str, given: Any) -> float:
    """A finite number within the contract's limit. Raises InvalidInput."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise InvalidInput(f"{what} is no number")
    try:
        return within_limit(given)
    except NoNumber as error:
        raise InvalidInput(f"{what} {error}") from None


def as_text(event: EventIn) -> str:
    """An event of any content as ASCII JSON of bounded length, to be kept although it was refused."""
    return json.dumps({key: _abridged(value) for key, value in asdict(event).items()})


def from_text(text: str) -> EventIn:
    """Inverse of `as_text`, but for what was cut."""
    return EventIn(**{"lead_id": None, "event_type": None, "occurred_at": None, **json.loads(text)})


def _value(given: Any) -> float | None:
    return None if given is None else rounded_value(number("value", given))


def _abridged(value: Any) -> Any:
    if isinstance(value, str):
        return value[:KEPT]
    if isinstance(value, int) and abs(value) >= INT64:
        return f"a whole number of {value.bit_length()} bits"
    if value is None or isinstance(value, int | float):
        return value
    return f"a {type(value).__name__}"


def _shown(given: Any) -> str:
    """The offending time, cut short and without anything that looks like an address."""
    if isinstance(given, str):
        shown = re.sub(E_MAIL, "<e-mail>", given[:SHOWN]).encode("ascii", "replace").decode()
        return f"'{CONTROL.sub('?', shown)}' "
    return f"{given} " if type(given) is int and abs(given) < 10 * INT64 else ""
