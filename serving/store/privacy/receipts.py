"""Receipts of an erasure: they prove what was done to whoever asks the store, and hold no personal data."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from data.erasure.seal import Seal


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signed statement. subject: keyed hash of the lead. erased_at: µs UTC. removed: what -> how many rows or files.

    limits: what the database's own means could not overwrite at once, in words; empty when nothing is left.
    """

    id: str
    subject: str
    erased_at: int
    removed: Mapping[str, int]
    limits: tuple[str, ...]
    signature: str


def sign(seal: Seal, subject: str, erased_at: int, removed: Mapping[str, int], limits: tuple[str, ...]) -> Receipt:
    """A receipt that `is_genuine` will know."""
    draft = Receipt(secrets.token_hex(8), subject, erased_at, dict(removed), limits, "")
    return Receipt(draft.id, subject, erased_at, dict(removed), limits, seal.of("receipt", _content(draft)))


def is_genuine(seal: Seal, receipt: Receipt) -> bool:
    """Whether the store has signed exactly this."""
    return seal.fits("receipt", _content(receipt), receipt.signature)


def _content(receipt: Receipt) -> str:
    values = asdict(receipt)
    del values["signature"]
    return json.dumps(values, sort_keys=True)
