"""Accounts of the three vendors, and pulls of them into a log, as tests have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data.log.eventlog import EventLog
from data.pull.connector import Connector, read_connector
from data.pull.into_log import Brought, pull_into
from data.pull.pull import World
from tests.data.crm.fake_hubspot import hubspot_with
from tests.data.crm.fake_pipedrive import pipedrive_with
from tests.data.crm.fake_salesforce import FakeSalesforce, salesforce_with
from tests.data.crm.fake_vendor import FakeVendor, served
from tests.data.exports import logged
from tests.oracles.pulled_naive import Told

VENDORS: dict[str, Callable[..., FakeVendor]] = {
    "hubspot": hubspot_with,
    "pipedrive": pipedrive_with,
    "salesforce": salesforce_with,
}


ENVIRON = {
    "HUBSPOT_TOKEN": FakeVendor.token,
    "PIPEDRIVE_API_TOKEN": FakeVendor.token,
    "SALESFORCE_CLIENT_ID": FakeSalesforce.client[0],
    "SALESFORCE_CLIENT_SECRET": FakeSalesforce.client[1],
}


def asked_at(name: str, url: str) -> Connector:
    """What is asked of a vendor, at the address of a fake."""
    connector = read_connector(name)
    return connector.model_copy(update={"client": connector.client.model_copy(update={"base_url": url})})


class Account:
    """An account at a vendor, and a workspace that it is pulled into."""

    def __init__(self, vendor: FakeVendor, connector: Connector, folder: Path) -> None:
        self.vendor, self.connector, self.folder = vendor, connector, folder
        self.environ = dict(ENVIRON)

    @property
    def log(self) -> Path:
        """Where the event log lies."""
        return self.folder / "log"

    @property
    def landing(self) -> Path:
        """Where pages land."""
        return self.folder / "pull" / "landing"

    def pull(self, begin: Callable[[str], None] = lambda name: None) -> Brought:
        """As the command does it."""
        world = World(self.environ, self.vendor.sleep, self.vendor.clock)
        return pull_into(self.log, self.connector, self.folder / "pull", world, begin, buckets=2)

    def told(self) -> Told:
        """The events of the log that count, each once: (lead, event type, second)."""
        rows = [row for row in logged(self.log) if row["superseded_at"] is None]
        times = Counter((row["lead_id"], row["event_id"]) for row in rows)
        assert set(times.values()) <= {1}
        return {(row["lead_id"], row["event_type"], row["occurred_at"] // 1_000_000) for row in rows}

    def digest(self) -> str:
        """That of the log."""
        return EventLog.open(self.log).digest


@contextmanager
def account_of(name: str, size: int, folder: Path, **settings: Any) -> Iterator[Account]:
    """An account that is served for as long as it is used."""
    vendor = VENDORS[name](size, **settings)
    with served(vendor) as url:
        yield Account(vendor, asked_at(name, url), folder)
