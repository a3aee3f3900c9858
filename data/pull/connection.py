"""A connection to a vendor that waits as long as it is asked to, tries again, and lets no secret out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from dlt.sources.helpers.requests import Session
from requests import PreparedRequest, RequestException, Response

from data.contract import AHEAD, US_PER_SECOND, DataError
from data.masking import masked
from data.pull.patience import LONGEST, TRIES, asked_wait, patience_s

TIMEOUT_S = (10.0, 120.0)
"""Seconds to connect in, and to wait for the next bytes."""
USED_UP = ("REQUEST_LIMIT_EXCEEDED", '"DAILY"')
"""What Salesforce and HubSpot say when there is nothing left for today."""
Sleep = Callable[[float], None]


class PatientSession(Session):  # type: ignore[misc]
    """Sends requests to one host. Answers of 429 and 5xx, broken connections and answers cut short are asked for again.

    secrets: texts that no message may show. sleep, clock: how time passes (s since 1970). Raises DataError for all that
    goes wrong in the end.
    """

    def __init__(
        self, name: str, base_url: str, secrets: Collection[str], sleep: Sleep, clock: Callable[[], float]
    ) -> None:
        super().__init__(timeout=TIMEOUT_S, raise_for_status=False)
        self.headers["User-Agent"] = "leadscore"
        self.name, self.host, self.secrets = name, urlsplit(base_url)[:2], secrets
        self.sleep, self.clock = sleep, clock
        self.first_seen: datetime | None = None
        self.not_before, self.requests = 0.0, 0

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """The answer to a request, a good one."""
        if urlsplit(str(request.url))[:2] != self.host:
            raise DataError(f"{self.name} names a next page on another host; nothing is sent there, tell the vendor")
        kwargs["allow_redirects"] = False
        for tried in range(1, TRIES + 1):
            answer, trouble = self._try(request, kwargs)
            if answer is not None and trouble is None:
                return self._good(answer)
            self._wait_for(self._pause_s(answer, tried), trouble or "")
        raise DataError(
            f"{self.name} {trouble}, {TRIES} times; what has come stays, run the command again and it goes on"
        )

    def _try(self, request: PreparedRequest, kwargs: dict[str, Any]) -> tuple[Response | None, str | None]:
        """An answer, and why it has to be asked for again."""
        if (early := self.not_before - self.clock()) > 0:
            self._wait_for(early, "asks to wait")
        self.requests += 1
        try:
            answer = super().send(request, **kwargs)
        except RequestException as error:
            return None, f"cannot be reached ({type(error).__name__})"
        self._look_at_clock(answer)
        if answer.status_code == 429 or answer.status_code >= 500:
            self._require_rest(answer)
            return answer, f"answers {answer.status_code}"
        return answer, _flaw_of(answer) if answer.ok else None

    def _good(self, answer: Response) -> Response:
        if not 200 <= answer.status_code < 300:
            raise self.refused(answer)
        wait = asked_wait(answer.status_code, answer.headers, self._now(answer))
        self.not_before = self.clock() + wait if wait else 0.0
        return answer

    def _pause_s(self, answer: Response | None, tried: int) -> float:
        asked = None if answer is None else asked_wait(answer.status_code, answer.headers, self._now(answer))
        return patience_s(tried) if asked is None else asked

    def _wait_for(self, seconds: float, trouble: str) -> None:
        if seconds > LONGEST:
            raise DataError(
                f"{self.name} {trouble} and wants to be left alone for {seconds / 60:.0f} minutes; what has come "
                "stays, run the command again then and it goes on"
            )
        self.sleep(seconds)

    def _require_rest(self, answer: Response) -> None:
        """Where nothing is left for today, waiting is of no use."""
        if any(word in answer.text for word in USED_UP):
            raise DataError(
                f"{self.name}: the requests of today are used up; what has come stays, run the command again tomorrow "
                "and it goes on"
            )

    def refused(self, answer: Response) -> DataError:
        """What to say of an answer that no second try makes better."""
        self._require_rest(answer)
        said = self.shown(answer.text)
        if answer.status_code == 401:
            return RefusedByVendor(
                f"{self.name} does not accept the token (401): {said}; renew it, see docs/crm/pull.md", 401
            )
        if answer.status_code == 403:
            return RefusedByVendor(
                f"{self.name} does not allow this (403): {said}; give the token the rights it names", 403
            )
        return RefusedByVendor(
            f"{self.name} refuses {urlsplit(answer.url).path} ({answer.status_code}): {said}", answer.status_code
        )

    def shown(self, text: str) -> str:
        """What a vendor says, cut short, without secrets and what may be personal."""
        for secret in self.secrets:
            text = text.replace(secret, "…")
        return masked(" ".join(text.split())[:300])

    def _now(self, answer: Response) -> datetime:
        """The vendor's clock, else ours."""
        try:
            return parsedate_to_datetime(answer.headers["Date"])
        except (KeyError, ValueError, TypeError):
            return datetime.fromtimestamp(self.clock(), UTC)

    def _look_at_clock(self, answer: Response) -> None:
        """Where the clocks differ too much, rows would be taken for ones of the future, and refused."""
        if self.first_seen is not None:
            return
        theirs = self._now(answer)
        apart = theirs.timestamp() - self.clock()
        if abs(apart) > AHEAD / US_PER_SECOND:
            side = "behind" if apart > 0 else "ahead of"
            raise DataError(
                f"the clock of this machine is {abs(apart) / 60:.0f} minutes {side} that of {self.name}: what happened "
                "when would be told wrongly; set it, then run the command again"
            )
        self.first_seen = theirs


class RefusedByVendor(DataError):
    """The vendor refuses a request for good."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def _flaw_of(answer: Response) -> str | None:
    """Why a good answer is none. HubSpot's 207 leaves records out: those that are gone, rightly, or others, for now."""
    try:
        said = answer.json()
    except ValueError:
        return "answers with what is no JSON"
    errors = said.get("errors", ()) if answer.status_code == 207 and isinstance(said, dict) else ()
    if any(error.get("category") != "OBJECT_NOT_FOUND" for error in errors):
        return "answers in part only"
    return "says that it failed" if isinstance(said, dict) and said.get("success") is False else None


def seconds() -> float:
    """The clock."""
    return time.time()
