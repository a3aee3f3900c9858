"""A store with leads of the small funnel, scored twice a week apart, as the page shows them."""

from __future__ import annotations

from pathlib import Path

from commands.showcase import take
from data.contract import US_PER_DAY
from data.log.eventlog import EventLog
from serving.scoring.rescoring import Rescorer
from serving.scoring.scorer import Scorer
from serving.scoring.served_model import ServedModel
from serving.store.store import Store


def settle_in(store: Store, log: Path, live: ServedModel, now: int) -> None:
    """Leads of two parts of the log, moved so that its end is `now` (µs UTC), scored a week ago and now."""
    opened = EventLog.open(log)
    shift = (now - opened.observed_until_us) // US_PER_DAY * US_PER_DAY
    for bucket in range(2):
        take(store, opened, bucket, shift, now)
    for moment in (now - 7 * US_PER_DAY, now):
        rescore(store, live, moment)


def rescore(store: Store, live: ServedModel, moment: int) -> None:
    """Scores all leads of a store as of a moment."""
    Rescorer(store, Scorer(live.predictor), live.model.version, live.model.digest).run(lambda: moment)
