"""The event types a log speaks of, and the groups they form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ANY = "any"
NAMING: Mapping[str, Literal["campaign", "asset"]] = {"any_campaign": "campaign", "any_asset": "asset"}
"""Groups of what an event names, whatever its type: those that happened in a campaign, and with an asset."""
MORE, LESS, NOTHING = "more is better", "less is better", "nothing"
Expected = Literal["more is better", "less is better", "nothing"]
"""What common sense says of more of something."""


@dataclass(frozen=True)
class Vocabulary:
    """Event types in a fixed order, and named groups of them (`email`, `web`, `contact` …).

    A type that is not listed is unknown: it counts for `any` and for nothing else.
    The group `contact` holds what is done to a lead, `answer` what a lead does about it.

    >>> words = Vocabulary(("page_view", "email_click"), {"email": ("email_click",)})
    >>> words.members("email"), words.members("page_view")
    (('email_click',), ('page_view',))
    """

    types: tuple[str, ...]
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def members(self, events: str) -> tuple[str, ...]:
        """Event types that `events` (a type, a group, `any`, one of NAMING) stands for; raises KeyError for others."""
        if events == ANY or events in NAMING:
            return self.types
        if events in self.groups:
            return self.groups[events]
        if events in self.types:
            return (events,)
        raise KeyError(events)
