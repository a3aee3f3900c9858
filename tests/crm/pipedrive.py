"""Pipedrive's list exports of people, deals and activities, with the columns that a person chose, in Berlin's time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.crm.files import Row, local, write_csv
from tests.crm.lives import Life

FILES = ("people.csv", "deals.csv", "activities.csv")
KINDS = {"email_sent": "Email", "call": "Call", "meeting": "Meeting", "form_submit": "Demo"}
SECONDS = "%Y-%m-%d %H:%M:%S"


def write(folder: Path, lives: Sequence[Life]) -> None:
    """Writes FILES."""
    write_csv(folder / "people.csv", (_person(life) for life in lives))
    write_csv(folder / "deals.csv", (row for life in lives for row in _deals(life)))
    write_csv(folder / "activities.csv", (row for life in lives for row in _activities(life)))


def _person(life: Life) -> Row:
    return {
        "Person - Name": " ".join(life.name),
        "Person - Labels": "Hot lead" if life.number % 4 == 0 else "",
        "Person - Email - Work": life.email,
        "Person - Phone - Work": "+49 30 1234567" if life.number % 3 else "",
        "Person - Organization ID": life.number // 3 + 1,
        "Person - Person created": local(life.created, SECONDS),
        "Person - Lead source": life.source,
        "Person - Country": life.country,
        "Person - Open deals": int(life.deal is not None and life.deal.closed is None),
        "Person - ID": life.number,
    }


def _deals(life: Life) -> Iterator[Row]:
    if life.deal is None:
        return
    deal = life.deal
    won, lost = (deal.closed if deal.won else None), (deal.closed if not deal.won else None)
    yield {
        "Deal - ID": 5000 + life.number,
        "Deal - Title": f"{life.name[1]} deal",
        "Deal - Status": "Open" if deal.closed is None else "Won" if deal.won else "Lost",
        "Deal - Value": f"{deal.amount:,}",
        "Deal - Deal created": local(deal.created, SECONDS),
        "Deal - Won time": local(won, SECONDS),
        "Deal - Lost time": local(lost, SECONDS),
        "Deal - Lost reason": "Price" if lost else "",
        "Person - ID": life.number if life.number % 60 else "",
    }


def _activities(life: Life) -> Iterator[Row]:
    for place, (at, kind) in enumerate(life.acts):
        if kind in KINDS:
            done = place % 9 > 0
            yield {
                "Activity - ID": life.number * 1000 + place,
                "Activity - Subject": "Call\nand write",
                "Activity - Type": KINDS[kind],
                "Activity - Done": "Done" if done else "To do",
                "Activity - Due date": local(at, "%Y-%m-%d"),
                "Activity - Marked as done time": local(at, SECONDS) if done else "",
                "Person - ID": life.number,
            }
