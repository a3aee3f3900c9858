"""events.csv of the simulated funnel: its rows, in the order in which they were received."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.contract import US_PER_DAY, US_PER_SECOND
from data.simulated.cohort import SOURCES, SimulatedCohort
from data.simulated.funnel import CODE, FILE_TYPES, RETURNS, Floats, Ints
from data.simulated.lives import Lives
from data.simulated.options import FunnelOptions
from data.simulated.profiles import iso_times

EVENT_FILE_COLUMNS = (
    "event_id", "lead_id", "event_type", "occurred_at", "channel", "value", "received_at", "source"
)  # fmt: skip
ROWS_AT_ONCE = 20_000

WEB, MAIL, CRM, PHONE = ("web", None), ("mail", "email"), ("crm", None), ("crm", "phone")
ORIGINS: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(("email_sent", "email_open", "email_click", "email_reply", "unsubscribe"), MAIL),
    **dict.fromkeys(("sales_call", "call_answered", "inbound_call"), PHONE),
    **dict.fromkeys(("offer_sent", "offer_view", "deal_won", "deal_lost", "meeting", *RETURNS), CRM),
    **dict.fromkeys(("webinar_signup", "webinar_attended"), ("webinars", "events")),
    "social_engagement": ("social", "social"),
    "chat_message": ("web", "chat"),
    "purchase": ("shop", None),
}
"""Source and channel by event type; web events have a channel of their own each."""
VISITS = {"organic": 0.45, "paid_search": 0.15, "social": 0.10, "email": 0.15, "referral": 0.10, "partner": 0.05}
CHANNELS = ("", *VISITS, "events", "chat", "phone", "outbound")
CHANNEL_OF_TYPE = np.array([CHANNELS.index(ORIGINS.get(name, WEB)[1] or "") for name in FILE_TYPES])
SOURCE_OF_TYPE = np.array([ORIGINS.get(name, WEB)[0] for name in FILE_TYPES])
"""By code of the event type; a place in CHANNELS, and a name."""
AMOUNTS = {"1-10": 1_500, "11-50": 4_000, "51-200": 9_000, "201-1000": 20_000, "1000+": 45_000, "wholesale": 60_000}
"""Median amount of an offer and of a deal by company size; a repeat purchase is a quarter of it."""

BOT_SHARE, BOT_CLICKS = 0.15, 5
DUPLICATE_SHARE, LATER_SHARE = 0.01, 0.2


@dataclass(frozen=True)
class EventRows:
    """Good rows of events.csv. Times: int64 µs after START; received_at equals occurred_at where it is not later.

    number: int64, makes the event_id; duplicates share it. code, channel: indices. value: float64, NaN where none.
    """

    number: Ints
    lead: Ints
    code: Ints
    occurred_at: Ints
    received_at: Ints
    channel: Ints
    value: Floats

    def __len__(self) -> int:
        return len(self.number)

    def take(self, index: Ints) -> EventRows:
        """The rows at some indices."""
        return EventRows(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def having(self, **columns: NDArray[Any]) -> EventRows:
        """The rows with other columns."""
        return replace(self, **columns)


def human_rows(cohort: SimulatedCohort, lives: Lives, rng: np.random.Generator) -> EventRows:
    """What the leads did and what was done to them. Channels and amounts are chance, given the profile."""
    channel = CHANNEL_OF_TYPE[lives.code]
    web = np.array([ORIGINS.get(name, WEB) is WEB for name in FILE_TYPES])[lives.code]
    visits = rng.choice(len(VISITS), size=len(lives), p=list(VISITS.values())) + 1
    channel = np.where(web, visits, channel)
    entries = np.flatnonzero(np.diff(lives.lead, prepend=-1))
    sources = cohort.profile["lead_source"][lives.lead[entries]]
    channel[entries] = [CHANNELS.index(SOURCES[source][2]) for source in sources]
    value = amounts(cohort, lives.lead, lives.code, rng)
    return EventRows(np.arange(len(lives)), lives.lead, lives.code, lives.occurred_at, lives.known_at, channel, value)


def amounts(cohort: SimulatedCohort, lead: Ints, code: Ints, rng: np.random.Generator) -> Floats:
    """float64[n]: what offers, deals and purchases are worth, NaN for other types."""
    median = np.array([AMOUNTS[size] for size in cohort.profile["company_size"]], dtype=np.float64)[lead]
    share = np.full(len(FILE_TYPES), np.nan)
    share[[CODE["offer_sent"], CODE["deal_won"]]] = 1.0
    share[CODE["purchase"]] = 0.25
    drawn: Floats = np.round(median * share[code] * np.exp(rng.normal(0.0, 0.5, size=len(code))), 2)
    return drawn


def bot_rows(cohort: SimulatedCohort, rows: EventRows, rng: np.random.Generator) -> EventRows:
    """Scanners of some accounts: within 1-8 s after each mail an open, then a click on every link (3 to 5)."""
    scanned = rng.random(int(cohort.account.max()) + 1) < BOT_SHARE
    mails = np.flatnonzero((rows.code == CODE["email_sent"]) & scanned[cohort.account[rows.lead]])
    clicks = rng.integers(3, BOT_CLICKS + 1, size=len(mails))
    delays = np.sort(rng.uniform(1.0, 8.0, size=(len(mails), BOT_CLICKS + 1)), axis=1)
    mail, step = np.nonzero(np.arange(BOT_CLICKS + 1) <= clicks[:, None])
    acts = rows.take(mails[mail])
    at = acts.occurred_at + np.rint(delays[mail, step] * US_PER_SECOND).astype(np.int64)
    code = np.where(step == 0, CODE["email_open"], CODE["email_click"])
    return EventRows(len(rows) + np.arange(len(at)), acts.lead, code, at, at, acts.channel, acts.value)


def duplicate_rows(options: FunnelOptions, rows: EventRows, rng: np.random.Generator) -> EventRows:
    """Rows that are sent again, as they were or, a few, received one to three days after the first time."""
    again = rows.take(np.flatnonzero(rng.random(len(rows)) < DUPLICATE_SHARE))
    later = rng.random(len(again)) < LATER_SHARE
    delay = np.where(later, rng.integers(US_PER_DAY, 3 * US_PER_DAY, size=len(again)), 0)
    received_at = again.received_at + delay
    observed = received_at < options.days * US_PER_DAY
    copies = EventRows(again.number, again.lead, again.code, again.occurred_at, received_at, again.channel, again.value)
    return copies.take(np.flatnonzero(observed))


def joined(parts: Sequence[EventRows]) -> EventRows:
    """All rows, one part after another."""
    return EventRows(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in EventRows.__dataclass_fields__)
    )


def in_order(parts: Sequence[EventRows]) -> EventRows:
    """All rows by time of receipt; a duplicate stands after its first."""
    rows = joined(parts)
    return rows.take(np.argsort(rows.received_at, kind="stable"))


def event_tables(names: NDArray[np.str_], rows: EventRows) -> Iterator[pa.Table]:
    """The file's columns, some rows at a time; empty text and null are both written as nothing. names: ids of leads."""
    types, channels = np.array(FILE_TYPES), np.array(CHANNELS)
    for first in range(0, len(rows), ROWS_AT_ONCE):
        part = rows.take(np.arange(first, min(first + ROWS_AT_ONCE, len(rows))))
        late = np.where(part.received_at > part.occurred_at, part.received_at, -1)
        yield pa.table(
            {
                "event_id": pc.binary_join_element_wise("e", pa.array(part.number).cast(pa.string()), ""),
                "lead_id": _strings(names, part.lead),
                "event_type": _strings(types, part.code),
                "occurred_at": iso_times(part.occurred_at),
                "channel": _strings(channels, part.channel),
                "value": pa.array(part.value, mask=np.isnan(part.value)),
                "received_at": iso_times(late),
                "source": _strings(SOURCE_OF_TYPE, part.code),
            }
        )


def _strings(names: NDArray[np.str_], index: Ints) -> pa.Array:
    return pa.DictionaryArray.from_arrays(index, pa.array(names)).dictionary_decode()
