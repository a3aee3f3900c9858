"""Sends events to a server over HTTP, and remembers which of them it acknowledged."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

PER_GROUP = 20


def event(number: int | str, lead: str = "L-1") -> dict[str, Any]:
    """An event with an id of its own."""
    at = "2024-05-06T10:00:00Z"
    return {
        "lead_id": lead, "event_type": "page_view", "occurred_at": at, "received_at": at, "event_id": f"e-{number}",
        "source": "test",
    }  # fmt: skip


def send(url: str, events: list[dict[str, Any]], **options: Any) -> httpx.Response:
    """One request with events."""
    return httpx.post(f"{url}/v1/events", json={"events": events}, timeout=60, verify=False, **options)


def results(url: str, ids: list[str]) -> Counter[str]:
    """What the server says of acknowledged events that are sent again: all must be duplicates."""
    statuses: Counter[str] = Counter()
    for start in range(0, len(ids), 1000):
        answer = send(url, [event(event_id) for event_id in ids[start : start + 1000]])
        statuses.update(result["status"] for result in answer.raise_for_status().json()["results"])
    return statuses


@dataclass
class Senders:
    """Clients that send groups of new events until the server goes away, or they are to stop.

    acknowledged: numbers of events.
    """

    url: str
    prefix: str
    clients: int = 4
    per_group: int = PER_GROUP
    over: threading.Event = field(default_factory=threading.Event)
    acknowledged: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def __enter__(self) -> Senders:
        self.threads = [threading.Thread(target=self._send, args=(n,)) for n in range(self.clients)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self.threads:
            thread.join()

    def stop(self) -> None:
        """No further group is sent."""
        self.over.set()

    def _send(self, client: int) -> None:
        with httpx.Client(base_url=self.url, timeout=60, verify=False) as http:
            for group in itertools.count():
                numbers = [f"{self.prefix}-{client}-{group}-{n}" for n in range(self.per_group)]
                if self.over.is_set():
                    return
                try:
                    answer = http.post("/v1/events", json={"events": [event(number) for number in numbers]})
                except httpx.HTTPError:
                    self.unknown += numbers
                    return
                if answer.status_code != 200 or answer.json()["accepted"] != self.per_group:
                    self.refusals.append(answer.text)
                    return
                self.acknowledged += numbers
