"""From a vendor into the event log: what has changed since the log was complete is pulled, and ingested as a whole.

How far the log has been brought stands in the log itself: the source is stated to be complete until the pull began, in
the same swap that brings its rows. So no cursor can be ahead of its rows, whatever is killed, restored or deleted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.intake.quarantine import NoRowFits
from data.log.eventlog import EventLog
from data.log.manifest import BUCKETS, NAME
from data.pull.connector import Connector
from data.pull.folder import LANDING, only_puller
from data.pull.pull import Pull, Pulled, World
from data.sources.mapping import Mapping, read_mapping

ASKED = "asked.json"
"""What was asked when the log was last brought up to date."""


@dataclass(frozen=True)
class Brought:
    """What came of a pull; report: None where nothing had changed. since_us: from when on changes were asked for (µs
    UTC), None for everything."""

    pulled: Pulled
    report: IngestReport | None
    since_us: int | None


def pull_into(
    log_path: Path,
    connector: Connector,
    folder: Path,
    world: World,
    begin: Callable[[str], None] = lambda name: None,
    buckets: int = BUCKETS,
) -> Brought:
    """Brings a log up to date. folder: for what is under way, and gone when it is in the log. begin: is told what is
    done next. buckets: of a log that is new.

    Raises DataError or UsageError; the log is then as it was, and what has been pulled stays for the next run.
    """
    mapping = read_mapping(connector.mapping)
    with only_puller(folder):
        since = since_of(log_path, connector, folder / ASKED)
        pull = Pull(connector, folder / LANDING, since, world, _account(log_path, connector.name))
        pulled = pull.run(begin)
        report = None
        if not pulled.is_empty:
            stated = _stated(log_path, connector.name)
            complete = {connector.name: pulled.began_us} if stated is None or stated < pulled.began_us else {}
            begin("ingesting")
            how = {"as_of": pulled.ended_us, "complete_until": complete, "clock": world.clock}
            how |= {"accounts": {connector.name: pulled.account} if pulled.account else {}}
            report = _ingested(log_path, mapping, pulled, since, **how, buckets=buckets)
        (folder / ASKED).write_text(json.dumps({"digest": connector.digest}), encoding="utf-8")
        pull.landing.remove()
        return Brought(pulled, report, since)


def _ingested(log_path: Path, mapping: Mapping, pulled: Pulled, since: int | None, **how: Any) -> IngestReport | None:
    """What an ingest says. Of all that a vendor has, some row has to fit; of what has changed, there may be none, and
    the next pull asks for it again."""
    try:
        return ingest(log_path, mapping, files=pulled.files, **how)
    except NoRowFits:
        if since is None:
            raise
        return None


def since_of(log_path: Path, connector: Connector, asked: Path) -> int | None:
    """From when on a vendor is asked for changes (µs UTC): until when the log says that it is complete. None for
    everything, where it says nothing, or was brought there by other questions."""
    try:
        was_asked = json.loads(asked.read_text(encoding="utf-8"))["digest"] == connector.digest
    except (OSError, ValueError, KeyError, TypeError):
        was_asked = False
    return _stated(log_path, connector.name) if was_asked else None


def _account(log_path: Path, source: str) -> str:
    """Whose account a source was pulled from before, "" where nothing says so."""
    return EventLog.open(log_path).manifest.accounts.get(source, "") if (log_path / NAME).exists() else ""


def _stated(log_path: Path, source: str) -> int | None:
    if not (log_path / NAME).exists():
        return None
    return EventLog.open(log_path).watermarks.stated.get(source)
