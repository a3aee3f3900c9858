"""What `leadscore demo` puts into the serving store: some leads of the simulated funnel, moved to the present."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.contract import US_PER_DAY

if TYPE_CHECKING:
    from data.log.eventlog import EventLog
    from serving.store.store import Store
    from training.registry.registered import Registered

BUCKETS = 6
"""Parts of the log that are taken: about a thousand leads of the demo."""
WEEKS = 5
"""Scorings in the past, one a week, so that lists and lines show how scores move."""
OWNERS = ("north", "south", "key accounts")
AT_ONCE = 5_000
ACCOUNT = "demo"
Step = Callable[[float, float], None]


def show(log: EventLog, champion: Registered, path: Path, now: int, step: Step) -> None:
    """Fills a store that is not there yet; half-done work leaves nothing at `path`. now: µs UTC."""
    from serving.store.store import open_store

    part = path.with_name(f"{path.name}.part")
    for file in (part, *path.parent.glob(f"{part.name}-*")):
        file.unlink(missing_ok=True)
    # Whole days: the hours at which people act stay what they are.
    shift = (now - log.observed_until_us) // US_PER_DAY * US_PER_DAY
    with open_store(f"sqlite:///{part}") as store:
        for bucket in range(min(BUCKETS, log.n_buckets)):
            take(store, log, bucket, shift, now)
            step(bucket + 1, BUCKETS + WEEKS)
        _score(store, champion, now, step)
    part.rename(path)


def account_of(store: Store, now: int) -> str | None:
    """The password of a new account that may do everything; None when it is there already."""
    if any(account.name == ACCOUNT for account in store.accounts.list()):
        return None
    password = secrets.token_urlsafe(12)
    store.accounts.add(ACCOUNT, password, "admin", now)
    return password


def take(store: Store, log: EventLog, bucket: int, shift: int, now: int) -> None:
    """Puts the leads of one part of a log into a store, every time moved by `shift` µs."""
    from serving.store.events.event_validation import EventIn

    leads, profiles, events = (_rows(log, kind, bucket) for kind in ("leads", "profiles", "events"))
    names = [lead["lead_id"] for lead in leads]
    for row in profiles:
        owner = {"owner": OWNERS[row["lead"] % len(OWNERS)]}
        values = {name: row[name] for name in log.profile_columns} | owner
        store.leads.put(names[row["lead"]], _us(row["valid_from"]) + shift, row["account_id"], values, now)
    sent = [
        EventIn(
            names[row["lead"]],
            row["event_type"],
            _us(row["occurred_at"]) + shift,
            row["channel"],
            row["value"],
            _us(row["known_at"]) + shift,
            row["source"],
            row["event_id"],
            row.get("campaign"),
            row.get("asset"),
        )
        for row in events
    ]
    for start in range(0, len(sent), AT_ONCE):
        store.events.add(sent[start : start + AT_ONCE], now)


def _score(store: Store, champion: Registered, now: int, step: Step) -> None:
    from serving.scoring.rescoring import Rescorer
    from serving.scoring.scorer import Scorer
    from serving.trees.predictor import Predictor
    from training.registry.artifact_files import digest_of

    rescorer = Rescorer(store, Scorer(Predictor.of(champion)), champion.version, digest_of(champion.folder))
    for week in reversed(range(WEEKS)):
        rescorer.run(lambda week=week: now - 7 * week * US_PER_DAY)  # type: ignore[misc]
        step(BUCKETS + WEEKS - week, BUCKETS + WEEKS)


def _rows(log: EventLog, kind: str, bucket: int) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(log.file(kind, bucket)).to_pylist()
    return rows


def _us(at: Any) -> int:
    from serving.messages.times import us

    return us(at)
