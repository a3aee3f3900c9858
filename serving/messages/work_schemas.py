"""What sales may do with a lead, and what was done."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from serving.messages.schemas import Asked, Name


class WorkAction(Asked, frozen=True, tag_field="action"):
    """What sales does with a lead; `action` says what. There is no free text: it would hold personal data.

    seen: `number` of the newest step that you know, 0 for none: 409 when somebody else has acted since.
    """

    seen: Annotated[float, Meta(ge=0, le=2**31 - 1, multiple_of=1)]  # a whole number of JSON may be written 2.0


class Take(WorkAction, frozen=True, tag="take"):
    """From now on the lead is its taker's. owner: who takes it, an account or an owner of leads."""

    owner: Name


class Assign(WorkAction, frozen=True, tag="assign"):
    """From now on the lead is somebody else's. owner: whose, an account or an owner of leads."""

    owner: Name


class Accept(WorkAction, frozen=True, tag="accept"):
    """Sales says that the lead was worth handing over. owner: who says it, where nobody has the lead yet."""

    owner: Name | None = None


class Reject(WorkAction, frozen=True, tag="reject"):
    """Sales says that it was not. reason: of the closed list of the settings; owner: as in Accept."""

    reason: Annotated[str, Meta(min_length=1, max_length=40, pattern="^[a-z0-9_]+$")]
    owner: Name | None = None


class Snooze(WorkAction, frozen=True, tag="snooze"):
    """The lead rests for so many days. owner: as in Accept."""

    days: Annotated[float, Meta(ge=1, le=365, multiple_of=1)]
    owner: Name | None = None


class Return(WorkAction, frozen=True, tag="return"):
    """Back to nurturing. owner: as in Accept."""

    owner: Name | None = None


WorkRequest = Take | Assign | Accept | Reject | Snooze | Return


class WorkStep(Struct, frozen=True):
    """What was done with a lead. stage, probability: those of then. until: end of a snooze."""

    number: int
    at: datetime
    action: str
    owner: str
    reason: str | None
    until: datetime | None
    stage: str | None
    probability: float | None
