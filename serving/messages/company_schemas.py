"""What answers about companies look like: their leads, as they stand together."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct


class CompanyLead(Struct, frozen=True):
    """A lead of a company. before: its probability a week earlier. active_at: of its newest activity when scored."""

    lead_id: str
    stage: str
    probability: float | None
    before: float | None
    active_at: datetime | None


class CompanyAnswer(Struct, frozen=True):
    """The leads of an account, at most 500, the likeliest first.

    unscored: leads beside these that have no score yet. is_all: false where the account has more leads. stages: how
    many are in each. deals: by event type of the target's outcomes, how many leads have one; in a list none are told.
    expected: the sum of the probabilities; expected_before: a week earlier, null where there was none.
    """

    account_id: str
    leads: list[CompanyLead]
    unscored: int
    is_all: bool
    stages: dict[str, int]
    active_at: datetime | None
    deals: dict[str, int]
    expected: float
    expected_before: float | None


class CompanyList(Struct, frozen=True):
    """A page of companies; next: the cursor of the next one, null for the last."""

    companies: list[CompanyAnswer]
    next: str | None
