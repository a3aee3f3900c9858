"""Answers to requests that carry an idempotency key: the same request again gets the same answer and has no effect."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from data.contract import US_PER_DAY, US_PER_SECOND
from serving.store.database.connection import Database, insert
from serving.store.database.schema import answers

KEPT = US_PER_DAY
"""For how long an answer is remembered."""
LEASE = 60 * US_PER_SECOND
"""After so long a request that has not answered is taken for dead, and may be sent again."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The request is new: do it, then `remember` the answer under this claim, or `release` it when it failed."""

    key: str
    claim: str


@dataclass(frozen=True, slots=True)
class Running:
    """The same request is being worked on (409)."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key was used for a request with another body (422)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: HTTP status and body."""

    status: int
    body: str


class Answers:
    """Remembers answers for a day."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recall(self, key: str, body: bytes, now: int) -> Claim | Running | Mismatch | Answer:
        """What to do with a request. `key` should begin with who sends it; only hashes of key and body are kept."""
        digest, content, token = _digest(key.encode()), _digest(body), secrets.token_hex(8)
        claim = {"key": digest, "body": content, "claimed_at": now, "claim": token}
        with self._database.write() as connection:
            connection.execute(delete(answers).where(answers.c.claimed_at < now - KEPT))
            dead = (answers.c.key == digest) & answers.c.status.is_(None) & (answers.c.claimed_at < now - LEASE)
            connection.execute(delete(answers).where(dead))
            connection.execute(insert(connection, answers).values(claim).on_conflict_do_nothing())
            there = connection.execute(select(answers).where(answers.c.key == digest)).one()
        if there.claim == token:
            return Claim(digest, token)
        if there.body != content:
            return Mismatch()
        return Running() if there.status is None else Answer(there.status, there.answer)

    def remember(self, claim: Claim, answer: Answer) -> None:
        """Keeps the answer to a claimed request."""
        with self._database.write() as connection:
            statement = update(answers).where(answers.c.key == claim.key, answers.c.claim == claim.claim)
            connection.execute(statement.values(status=answer.status, answer=answer.body))

    def release(self, claim: Claim) -> None:
        """Gives a claim up, because the request failed without effect: it may be sent again."""
        with self._database.write() as connection:
            connection.execute(delete(answers).where(answers.c.key == claim.key, answers.c.claim == claim.claim))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
