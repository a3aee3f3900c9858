"""Validation of a profile that a service sends: it is either brought to the contract or refused with a reason."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from data.masking import E_MAIL
from data.sources.tables import RESERVED
from data.times import EARLIEST
from serving.store.events.event_validation import InvalidInput, moment, name, number, require_meant, required

MOST = 200
"""Attributes of a profile."""
PERSONAL = re.compile(
    r"(?!has_)((e_?)?mail(_?addr.*)?|(.*_)?(phone|mobile|fax|telefon|tel)(_?number)?|name|vorname|nachname"
    r"|(first|last|full|sur|family|nick)_?name|street|stra(ß|ss)e|address|adresse|birth.*|geburt.*|iban)",
    re.IGNORECASE,
)
"""Names of attributes that would hold personal data."""
Attributes = Mapping[str, str | float | None]


@dataclass(frozen=True, slots=True)
class ProfileIn:
    """A version of a lead's profile as it was sent. valid_from: int µs UTC, or text as `time_from_text` reads it.

    An attribute that is None is unknown. earliest: µs UTC of the first time that is a date at all.
    """

    lead_id: str
    valid_from: int | str
    account_id: str | None
    attributes: Attributes
    earliest: int = EARLIEST


@dataclass(frozen=True, slots=True)
class ValidProfile:
    """A version that keeps the contract, as the store keeps it. body: what must be the same for the same time."""

    lead_id: str
    valid_from: int
    account_id: str | None
    attributes: Mapping[str, str | float]
    body: str

    @staticmethod
    def of(
        lead_id: str, valid_from: int, account_id: str | None, attributes: Mapping[str, str | float]
    ) -> ValidProfile:
        """The version with its body."""
        content = json.dumps([account_id, sorted(attributes.items())])
        return ValidProfile(lead_id, valid_from, account_id, attributes, hashlib.sha256(content.encode()).hexdigest())


def admit_profile(profile: ProfileIn, now: int, personal_ids: bool = False) -> ValidProfile:
    """The version under the contract, names of attributes in lower case; `now`: the clock, µs UTC. Raises InvalidInput.

    >>> given = ProfileIn("L1", EARLIEST, None, {"Industry": " software ", "employees": None})
    >>> admit_profile(given, now=EARLIEST).attributes
    {'industry': 'software'}
    """
    lead_id, at = required("lead_id", profile.lead_id), moment("valid_from", profile.valid_from, now, profile.earliest)
    account_id = name("account_id", profile.account_id)
    require_meant("lead_id", lead_id, personal_ids)
    require_meant("account_id", account_id, personal_ids)
    return ValidProfile.of(lead_id, at, account_id, _admitted(profile.attributes))


def attribute_name(given: str) -> str:
    """The name of an attribute, in lower case. Raises InvalidInput for one that is taken, or of personal data."""
    label = required("the name of an attribute", given).lower()
    if label in RESERVED:
        raise InvalidInput(f"attribute {label!r} has a name that is taken; choose another")
    if PERSONAL.fullmatch(label):
        raise InvalidInput(f"attribute {label!r} is personal data; leave it out, or send has_{label} = yes")
    return label


def attribute_value(label: str, value: str | float) -> str | float | None:
    """A text or number under the contract, None for a blank. Raises InvalidInput."""
    if not isinstance(value, str):
        return number(f"attribute {label!r}", value)
    text = name(f"attribute {label!r}", value)
    if text is not None and re.search(E_MAIL, text):
        raise InvalidInput(f"attribute {label!r} holds an e-mail address; leave it out")
    return text


def _admitted(values: Attributes) -> dict[str, str | float]:
    """Attributes under the contract, without those that are unknown."""
    if len(values) > MOST:
        raise InvalidInput(f"the profile has {len(values)} attributes, {MOST} are allowed")
    admitted: dict[str, str | float] = {}
    for given, value in values.items():
        label = attribute_name(given)
        if label in admitted:
            raise InvalidInput(f"attribute {label!r} has a name that is taken; choose another")
        known = None if value is None else attribute_value(label, value)
        if known is not None:
            admitted[label] = known
    return admitted
