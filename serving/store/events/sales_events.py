"""What sales can do with a lead, and as which events of the lead features, labels and the event log know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Action = Literal["take", "assign", "accept", "reject", "snooze", "return"]
STATES: Mapping[str, str] = {
    "take": "taken",
    "assign": "assigned",
    "accept": "accepted",
    "reject": "rejected",
    "snooze": "snoozed",
    "return": "returned",
}
"""What a lead is after each action."""
SOURCE, GROUP = "leadscore", "sales"
"""Where these events come from, and the group of types that they form in a vocabulary."""
WORDS: Mapping[str, dict[str, str]] = {
    "sales_taken": {"en": "times that sales took it", "de": "Übernahmen durch den Vertrieb"},
    "sales_assigned": {"en": "times that it was assigned to sales", "de": "Zuweisungen an den Vertrieb"},
    "sales_accepted": {"en": "times that sales accepted it", "de": "Annahmen durch den Vertrieb"},
    "sales_rejected": {"en": "times that sales rejected it", "de": "Ablehnungen durch den Vertrieb"},
    "sales_snoozed": {"en": "times that sales snoozed it", "de": "Zurückstellungen durch den Vertrieb"},
    "sales_returned": {"en": "times that sales handed it back", "de": "Rückgaben durch den Vertrieb"},
}
EVENTS = tuple(WORDS)
"""Types of the events that steps are."""


def event_of(action: str) -> str:
    """The type of the event that an action is.

    >>> event_of("accept")
    'sales_accepted'
    """
    return f"sales_{STATES[action]}"
