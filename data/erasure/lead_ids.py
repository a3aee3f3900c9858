"""Ids of leads that are looked for, in the forms in which files hold them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from data.contract import BLANKS
from data.csv_safety import revived
from data.erasure.ledger import ErasedAndObjecting
from data.hidden_signs import as_written
from data.ids import spelled

HEADINGS = frozenset(("lead_id", "alias", "Lead"))
"""What columns of ids are called in the files that are written here; the last one in lists that people take along."""


class LeadIds:
    """Whether a value is one of these ids: as a whole, never a part of it."""

    def __init__(self, lead_ids: Collection[str]) -> None:
        self.ids = frozenset(map(spelled, lead_ids))

    def has(self, lead_id: str) -> bool:
        """Whether an id as the rule spells it is among them."""
        return lead_id in self.ids

    def is_value(self, value: Any) -> bool:
        """Of a table with types, where an id may have become a number.

        >>> LeadIds(["204"]).is_value(204.0), LeadIds(["1"]).is_value("204"), LeadIds(["1"]).is_value(True)
        (True, False, False)
        """
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        return isinstance(value, str) and self.has(spelled(value))

    def is_cell(self, text: str) -> bool:
        """Of a list for spreadsheets, in which formulas were made inert and hidden signs visible.

        >>> LeadIds(["=1+1"]).is_cell("'=1+1"), LeadIds(["'=1+1"]).is_cell("'=1+1")
        (True, False)
        """
        plain = revived(text.strip(BLANKS))
        return self.has(spelled(plain)) or ("⟨" in plain and self.has(spelled(as_written(plain))))


class ErasedIds(LeadIds):
    """The ids that a ledger knows as erased, whoever they are."""

    def __init__(self, known: ErasedAndObjecting) -> None:
        super().__init__(())
        self._known = known
        self._asked: dict[str, bool] = {}

    def has(self, lead_id: str) -> bool:
        """Whether the lead was erased."""
        if lead_id not in self._asked:
            self._asked[lead_id] = bool(self._known.erased([lead_id]))
        return self._asked[lead_id]


def is_heading(text: str) -> bool:
    """Whether a column of this name holds ids of leads."""
    return text.strip(BLANKS) in HEADINGS
