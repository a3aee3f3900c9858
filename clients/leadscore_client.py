"""A client of the leadscore server in one file: copy it, it needs Python 3.11 and httpx.

    with Client("http://127.0.0.1:8000", key) as leadscore:
        leadscore.send([Event("L-1001", "pricing_view", datetime.now(UTC))])
        print(leadscore.score("L-1001").probability)

Every call is repeated when the network or the server fails, with the same event ids and the same Idempotency-Key, so
that nothing counts twice.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

AGAIN = frozenset((408, 409, 429, 500, 502, 503, 504, 507))
"""Answers after which the same request may succeed; 409 only while it is being worked on."""
Attributes = Mapping[str, str | float | None]
Sent = TypeVar("Sent")


@dataclass(frozen=True)
class Event:
    """Something that a lead did. occurred_at: with a time zone. event_id: made here, once, so that a retry is safe."""

    lead_id: str
    event_type: str
    occurred_at: datetime
    channel: str | None = None
    value: float | None = None
    received_at: datetime | None = None
    source: str | None = None
    event_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    campaign: str | None = None
    asset: str | None = None


@dataclass(frozen=True)
class Profile:
    """A version of a lead's profile. valid_from: with a time zone, since when it holds."""

    lead_id: str
    profile: Attributes
    valid_from: datetime
    account_id: str | None = None


@dataclass(frozen=True)
class Score:
    """How likely a lead is to convert; `answer` is all that the server said."""

    probability: float
    interval: tuple[float, float]
    stage: str
    model_version: str
    answer: Mapping[str, Any]


@dataclass(frozen=True)
class Ingested:
    """What became of sent events; `rejected` holds (event, reason) of those that were kept out."""

    accepted: int
    duplicate: int
    rejected: Sequence[tuple[Event, str]]


@dataclass(frozen=True)
class Put:
    """What became of profiles; `rejected` holds (profile, reason) of those that were kept out."""

    accepted: int
    duplicate: int
    rejected: Sequence[tuple[Profile, str]]


class LeadscoreError(Exception):
    """The server refused. code: for programs, e.g. `invalid`; request_id: to find it in the server's log."""

    def __init__(self, status: int, code: str, detail: str, request_id: str) -> None:
        super().__init__(f"{detail} ({code}, status {status}, request {request_id})")
        self.status, self.code, self.request_id = status, code, request_id


class Client:
    """Talks to one server. Not to be shared between threads. `tries`: how often a request is sent at most."""

    def __init__(self, url: str, key: str | None = None, tries: int = 6, timeout_s: float = 10.0) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s)
        self.tries = tries

    def send(self, events: Sequence[Event]) -> Ingested:
        """Sends up to 5,000 events; those that were accepted are on the server's disk when this returns."""
        body = {"events": [_plain(asdict(event)) for event in events]}
        reply = self._ask("POST", "/v1/events", body)
        return Ingested(reply["accepted"], reply["duplicate"], _rejected(events, reply))

    def put(self, lead_id: str, profile: Attributes, valid_from: datetime, account_id: str | None = None) -> None:
        """Adds a version of a lead's profile."""
        body = {"profile": dict(profile), "valid_from": valid_from, "account_id": account_id}
        self._ask("PUT", _path(lead_id), _plain(body))

    def put_many(self, profiles: Sequence[Profile]) -> Put:
        """Adds up to 1,000 versions of profiles; accepted ones are on the server's disk when this returns."""
        reply = self._ask("PUT", "/v1/leads", {"leads": [_plain(vars(profile)) for profile in profiles]})
        return Put(reply["accepted"], reply["duplicate"], _rejected(profiles, reply))

    def score(self, lead_id: str, as_of: datetime | None = None, reasons: bool = False, language: str = "en") -> Score:
        """The score of a stored lead."""
        asked = {"as_of": None if as_of is None else as_of.isoformat(), "reasons": "true" if reasons else None}
        query = str(httpx.QueryParams({name: value for name, value in asked.items() if value is not None}))
        path = _path(lead_id, "/score")
        joined = f"{path}{'&' if '?' in path else '?'}{query}" if query else path
        return _score(self._ask("GET", joined, language=language))

    def score_told(self, profile: Attributes, events: Sequence[Event], as_of: datetime | None = None) -> Score:
        """The score of a lead that is told here and not stored; the events' lead ids do not matter."""
        history = [_plain(asdict(event)) for event in events]
        for entry in history:
            del entry["lead_id"]
        body = {"profile": dict(profile), "events": history, "as_of": as_of}
        return _score(self._ask("POST", "/v1/score", _plain(body)))

    def changes(self, cursor: str | None = None) -> tuple[list[Mapping[str, Any]], str]:
        """Up to 1,000 leads that changed after a cursor, the oldest change first, and the cursor to go on with.

        No leads: nothing has changed since. None begins with all leads.
        """
        asked = {"order": "change", "limit": "1000"} | ({} if cursor is None else {"cursor": cursor})
        page = self._ask("GET", f"/v1/leads?{httpx.QueryParams(asked)}")
        return page["leads"], page["next"]

    def work(
        self,
        lead_id: str,
        action: str,
        seen: int,
        owner: str | None = None,
        reason: str | None = None,
        days: int | None = None,
    ) -> Mapping[str, Any]:
        """Takes, assigns, accepts, rejects, snoozes or returns a lead; the step, whose `number` is the next `seen`.

        seen: the number of the newest step that you know, 0 for none. Raises LeadscoreError of code `conflict`, which
        says what somebody else has done, when that is no longer the newest.
        """
        body = {"action": action, "seen": seen, "owner": owner, "reason": reason, "days": days}
        step: Mapping[str, Any] = self._ask("POST", _path(lead_id, "/work"), _plain(body))
        return step

    def forget(self, lead_id: str) -> Mapping[str, Any]:
        """Erases a lead; the signed receipt."""
        receipt: Mapping[str, Any] = self._ask("DELETE", _path(lead_id))
        return receipt

    def close(self) -> None:
        """Closes the connection."""
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: str, path: str, body: Any = None, language: str = "en") -> Any:
        """The answer to a request, which is sent again with the same content after a failure that may pass."""
        headers = {"Idempotency-Key": uuid.uuid4().hex, "Accept-Language": language}
        for attempt in range(self.tries):
            last = attempt + 1 == self.tries
            try:
                answer = self.http.request(method, path, json=body, headers=headers)
            except httpx.TransportError:
                if last:
                    raise
                time.sleep(_pause(attempt))
                continue
            if answer.is_success:
                return answer.json()
            if last or not _may_pass(answer):
                raise _error(answer)
            time.sleep(max(_pause(attempt), float(answer.headers.get("retry-after", 0))))
        raise ValueError("tries must be at least 1")


def _rejected(sent: Sequence[Sent], reply: Mapping[str, Any]) -> list[tuple[Sent, str]]:
    """What was kept out, and why."""
    results = zip(sent, reply["results"], strict=True)
    return [(one, result["reason"]) for one, result in results if result["status"] == "rejected"]


def _path(lead_id: str, rest: str = "") -> str:
    """Where a lead is; in the query where it holds what proxies and clients change in a path."""
    name = quote(lead_id, safe="")
    if "/" in lead_id or "\\" in lead_id or lead_id.strip() in (".", ".."):
        return f"/v1/lead{rest}?lead_id={name}"
    return f"/v1/leads/{name}{rest}"


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None; times as RFC 3339."""
    known = {name: value for name, value in values.items() if value is not None}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in known.items()}


def _pause(attempt: int) -> float:
    """Seconds, twice as many each time, drawn at random so that many clients do not come back together."""
    return random.uniform(0.05, 0.1) * float(2**attempt)


def _may_pass(answer: httpx.Response) -> bool:
    return answer.status_code in AGAIN and (answer.status_code != 409 or _json_object(answer).get("error") == "running")


def _json_object(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _error(answer: httpx.Response) -> LeadscoreError:
    content = _json_object(answer)
    return LeadscoreError(
        answer.status_code, content.get("error", "unknown"), content.get("detail", ""), content.get("request_id", "")
    )


def _score(answer: Mapping[str, Any]) -> Score:
    score = answer["score"]
    low, high = score["interval"]
    return Score(score["probability"], (low, high), score["stage"], answer["model"]["version"], answer)
