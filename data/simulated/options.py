"""The options of a scenario of the simulated funnel: its size, and each trouble that can be planted in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from data.contract import UsageError
from data.typed_json import JsonObject

TOUCHED_UP = ("corrected", "snapshots", "merged", "lagging", "dates")
"""Troubles of exports: what happened stays the same, and is told otherwise."""
MESS = ("reopened", *TOUCHED_UP)
"""What a company's data does besides, off unless it is asked for."""


@dataclass(frozen=True)
class FunnelOptions:
    """One scenario of the funnel; every planted trouble can be switched off.

    leads: how many. seed: any whole number from 0. days: length of the observation from 2024-01-01 00:00 UTC.
    bots: scanners of some accounts open every mail and click every link 1-8 s after it was sent.
    duplicates: some rows are repeated with their event_id, a few of them with a later received_at.
    late: offline events are received up to 5 days after they occurred.
    broken: garbage rows are added to events.csv; no good row is replaced.
    drift: base rate and behaviour change with the calendar.
    wholesale: a few leads have thousands to tens of thousands of events.

    Off unless asked for, MESS:
    reopened: some lost leads are reopened and may win, some deals that were won are cancelled.
    corrected: some calls, offers and deals are exported with a mistake, which a later export corrects or takes back.
    snapshots: profiles are exported as they stand, all of them each time, without dates.
    merged: some leads have a second id for a while, until a merge.
    lagging: the CRM is exported until three weeks before the end, social media until three fifths of the observation.
    dates: deals are exported with the day on which they ended, without a time.
    export_days: days between exports.

    shared: off unless it is asked for, and no mess: leads of a company want to buy at the same time, see projects.py.

    Raises UsageError for a number that makes no funnel.
    """

    leads: int = 20_000
    seed: int = 1
    days: int = 540
    bots: bool = True
    duplicates: bool = True
    late: bool = True
    broken: bool = True
    drift: bool = True
    wholesale: bool = True
    reopened: bool = False
    corrected: bool = False
    snapshots: bool = False
    merged: bool = False
    lagging: bool = False
    dates: bool = False
    export_days: int = 28
    shared: bool = False

    def __post_init__(self) -> None:
        limits = (("leads", 1, 9_999_999), ("seed", 0, 2**63 - 1), ("days", 14, 7_300), ("export_days", 1, 7_300))
        for key, least, most in limits:
            number = getattr(self, key)
            if not least <= number <= most:
                raise UsageError(f"{key} is {number}; give a whole number from {least} to {most}")

    @property
    def exported(self) -> bool:
        """Whether there is a sequence of exports beside the clean one."""
        return any(getattr(self, name) for name in TOUCHED_UP)

    def to_json(self) -> JsonObject:
        """The options as funnel.json tells them: troubles that are off unless asked for stand there only when on."""
        quiet = {name for name in (*MESS, "shared") if not getattr(self, name)} | (
            {"export_days"} if not self.exported else set()
        )
        return {name: value for name, value in asdict(self).items() if name not in quiet}
