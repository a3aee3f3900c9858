"""Where leads stand along a chain of targets, as their scoring noted it: one lead, and those just above a threshold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from statistics import fmean

from sqlalchemy import and_, select

from serving.store.database.connection import Database
from serving.store.database.presence import is_present
from serving.store.database.schema import leads, standings

NEAREST = 50
"""A threshold's steps are told by so many leads above it: enough that one more or less changes no percent."""


def read_steps(noted: str | None) -> dict[str, float]:
    """The probabilities of the steps by name, in order of the chain; {} where there is none.

    >>> read_steps('{"met": 0.4, "won": 0.1}'), read_steps(None)
    ({'met': 0.4, 'won': 0.1}, {})
    """
    return dict(json.loads(noted)) if noted else {}


class ChainSteps:
    """Reads what the leads just above a threshold have before them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def above(self, target: str, probability: float) -> Mapping[str, float]:
        """The mean probability of each step over the NEAREST leads from a probability on, in order of the chain.

        Means of what is in order are in order. {} where no such lead has a chain.
        """
        standing = standings.join(leads, and_(leads.c.lead_id == standings.c.lead_id, is_present()))
        query = select(standings.c.chain).select_from(standing)
        query = query.where(standings.c.target == target, standings.c.probability >= probability)
        query = query.order_by(standings.c.probability, standings.c.lead_id).limit(NEAREST)
        with self._database.read() as connection:
            noted = [read_steps(chain) for chain in connection.scalars(query) if chain]
        names = list(noted[-1]) if noted else []
        alike = [steps for steps in noted if list(steps) == names]
        return {name: fmean(steps[name] for steps in alike) for name in names}
