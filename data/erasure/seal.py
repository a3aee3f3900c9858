"""Keyed hashes: what proves that an id, a secret or a receipt was known, without keeping it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

BYTES = 32
"""Of a key."""


@dataclass(frozen=True)
class Seal:
    """HMAC-SHA256 under a key. Whoever does not have the key can neither make nor undo it.

    >>> Seal(b"k" * 32).of("lead", "L1") == Seal(b"k" * 32).of("lead", "L1") != Seal(b"k" * 32).of("key", "L1")
    True
    """

    key: bytes

    def of(self, purpose: str, text: str) -> str:
        """64 hexadecimal digits; different for different purposes."""
        return hmac.digest(self.key, f"{purpose}\x1f{text}".encode(), "sha256").hex()

    def fits(self, purpose: str, text: str, digest: str) -> bool:
        """Whether the digest was made of this text; takes the same time whatever the answer."""
        return digest.isascii() and hmac.compare_digest(self.of(purpose, text), digest)
