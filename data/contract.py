"""The tables every source is brought to, their units and limits, and the two errors that people can mend.

`events`: lead_id · event_type · occurred_at (UTC, µs) · channel? · value? · received_at? · source? · event_id?
          · campaign? · asset?
`leads`:  lead_id · valid_from (UTC, µs) · account_id? · any further columns, one row per version

Inside, a time is an int64 number of microseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from typing import Literal

US_PER_SECOND = 1_000_000
US_PER_DAY = 86_400 * US_PER_SECOND
AHEAD = 300 * US_PER_SECOND
"""Events up to five minutes ahead of the clock are taken for clock skew."""

CONTEXT = ("campaign", "asset")
"""In which campaign an event happened, and with what: a white paper, a webinar, a page."""
EVENT_COLUMNS = (
    *("lead_id", "event_type", "occurred_at", "channel", "value", "received_at", "source", "event_id"),
    *CONTEXT,
)
REQUIRED_EVENT_COLUMNS = ("lead_id", "event_type", "occurred_at")
LEAD_COLUMNS = ("lead_id", "valid_from", "account_id")
REQUIRED_LEAD_COLUMNS = ("lead_id", "valid_from")
ColumnKind = Literal["number", "category"]
"""What a column of profiles holds."""
NUMBER: Literal["number"] = "number"
CATEGORY: Literal["category"] = "category"

NAME_LIMIT = 200
"""Characters in an id, an event type, a channel, a source or a category."""
SPACES = " \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
WITHOUT_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
BLANKS = SPACES + WITHOUT_WIDTH
"""What is stripped from around a text: Unicode's space separators, and signs without width, which are copied along."""
VALUE_LIMIT = 5e11
"""Values beyond ± this are rejected: below it a value is exact to a ten-thousandth."""
VALUE_SCALE = 10_000
"""Values are summed as whole ten-thousandths, so that sums do not depend on the order of events."""


class DataError(Exception):
    """Input that breaks the contract as a whole; the message names the file, the value and the remedy (exit code 3)."""


class UsageError(Exception):
    """A command or setting that cannot be followed; the message names key, value and remedy (exit code 2)."""
