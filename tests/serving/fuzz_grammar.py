"""What the fuzzer writes into query strings, forms, paths and headers: what may stand there,
and what never should."""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np

NUMBERS = (
    *("0", "1", "-1", "0.5", "1e3", "1e999", "nan", "-inf", "1_0", "0x10", "%D9%A1", "1e-400", "+1", "%2B1", "1,5"),
    *(str(sign * (2**bits + more)) for bits in (31, 63, 64, 70, 1024) for more in (-1, 0) for sign in (-1, 1)),
    *("9" * 18, "9" * 19, "9" * 5000, "0." + "1" * 5000, "1e18", "9223372036854775808.0"),
)
TIMES = (
    *("2024-05-01T12:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2024-05-01", "1761991200000"),
    *("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "1970-01-01T00:00:00Z", "2024-02-30T00:00:00Z"),
)
TEXTS = (
    *("", "%00", "a%00b", "%ED%A0%80", "%EF%BF%BF", "%F4%8F%BF%BF", "%FF%FE", "\xff", "%", "%25%30%30", "%C0%80",
    "a:b"),
    *("'%20OR%201=1", "%0d%0aX:%20y", "%E2%80%AE", "[", "http://[x", "//evil", "https://[::1", "a" * 300, "a" * 3000),
    *("None", "null", "true", "false", "L-1001", "..", "%2e%2e%2f", ":", "employees:NaN", "employees:%31e999",
    "[]", "{}"),
    *("owner:%ED%A0%80", "industry:a%00", "employees:" + "9" * 400, "%F0%9F%92%A9", "%C3%A9", "=", "\N{SNOWMAN}"),
)  # fmt: skip
USUAL: dict[str, tuple[str, ...]] = {
    "stage": ("MQL", "SQL", "unqualified"), "score_from": ("0", "0.5"), "score_to": ("1", "0.2"),
    "features": ("true",),
    "reasons": ("true",), "horizons": ("7,30", "7"), "order": ("lead_id", "probability", "changed_at", "change",
    "chance",
    "activity"), "limit": ("1", "2", "1000"), "profile": ("industry:software", "employees:5", "owner:x",
    "country:DE"),
    "changed_since": ("2024-05-01T12:00:00Z",), "as_of": ("2024-05-01T12:00:00Z",), "until": ("1700000000000000",),
    "rising": ("1",), "untouched": ("1",), "pressed": ("1",), "search": ("L",), "by": ("week", "share", "chance",
    "model"),
    "value": ("2", "20", "1,5"), "capacity": ("3",), "published": ("1",), "form": ("de",), "language": ("de", "en"),
    "next": ("/leads",), "to": ("de",), "reason": ("capacity", "talked"), "days": ("7", ""), "objects": ("yes", "no"),
    "kind": ("csv", "excel", "german"), "list": ("stage=SQL",), "sure": ("yes", "no"), "lead": ("L-1001",),
    "lead_id": ("L-1001",), "name": ("nobody",), "password": ("wrong",), "noted": ("1",),
}  # fmt: skip
PAGES: dict[str, tuple[str, ...]] = {
    "/today": ("section", "whose", "owner", "after", "done", "lead"),
    "/leads": ("stage", "channel", "country", "owner", "search", "rising", "untouched", "pressed", "order", "after"),
    "/sign-in": ("next", "name", "password"), "/language": ("to", "next"), "/leads/{lead_id:path}": ("after",
    "until"),
    "/thresholds": ("stage", "by", "value", "capacity", "published", "reason", "digest"), "/link": ("kind", "list"),
    "/decisions": ("lead", "stage", "reason", "days"), "/decisions/lift": ("lead",), "/receipt": ("of",),
    "/work": ("lead", "seen", "action", "owner", "reason", "days", "back"),
    "/objections": ("lead", "lead_id", "objects", "noted"), "/erasure": ("lead", "lead_id", "sure"),
}  # fmt: skip
PAGES |= {
    "/lead": ("lead_id", "after", "until"),
    "/print": PAGES["/leads"],
    "/leads.csv": (*PAGES["/leads"], "form", "language", "account", "until", "signature"),
    "/leads.xlsx": (*PAGES["/leads"], "language", "account", "until", "signature"),
}
"""What each page knows, in address or form."""
ORDERS = ("lead_id", "probability", "changed_at", "change", "known_at", "active_at", "x")
KEYS: tuple[Any, ...] = (
    *(0, 1, -1, 0.5, 2**63, -(2**63) - 1, 2**64, 2**1100, 1e308, float("nan"), float("inf"), True, None, "", "L",
    "a\0b"),
    *("\ud800", [], {}, [[[[1]]]], "x" * 3000, 2**63 - 1, -(2**63), "\U0010ffff"),
)  # fmt: skip
MOST_FILTERS = 150
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-type", b"text/plain"), (b"content-type", b"\xff\xfe"), (b"content-length", b"99999999999999999999"),
    (b"content-length", b"-1"), (b"content-length", b"abc"), (b"content-length", b"\xb2"), (b"content-length",
    b"9" * 5000),
    (b"accept-language", b"\xff" * 300), (b"accept-language", b"de;q=1e999,en;q=nan,de;q=" + b"9" * 5000),
    (b"x-request-id", b"\x80"), (b"x-request-id", b"a\r\nb"), (b"idempotency-key", b"\xe4" * 10),
    (b"idempotency-key", b"k" * 5000), (b"idempotency-key", b"same"), (b"authorization", b"Bearer \xff\xff"),
    (b"authorization", b"Basic " + b"A" * 9000), (b"authorization", b"Bearer \x00"), (b"host", b"\xff"), (b"host",
    b"["),
    (b"host", b"[::1"), (b"host", b"a:99999999999999999999"), (b"host", b"a:b@c/d?e#f"), (b"host", b""),
    (b"origin", b"http://["), (b"origin", b"null"), (b"origin", b"\xff"), (b"sec-fetch-site", b"\xff"),
    (b"if-none-match", b"\xff"), (b"range", b"bytes=9999999999999999999999-"), (b"range", b"bytes=-"), (b"range",
    b"\xff"),
    (b"cookie", b"leadscore=\xff; language=\xff"), (b"cookie", b"language=xx"), (b"cookie",
    b"leadscore=" + b"a" * 5000),
    (b"cookie", b"leadscore=\x00"), (b"cookie", b'leadscore="\\777"'), (b"if-range", b"\xff"),
    (b"transfer-encoding", b"\xff"), (b"if-modified-since", b"\xff"), (b"x-forwarded-for", b"\xff"),
)  # fmt: skip
IDS = (
    *("L1", "%00", "%ED%A0%80", "%FF", "..", "%2e%2e%2f", "a" * 300, "%F0%9F%92%A9", "'%20OR%201=1", "%0d%0aX",
    "page.css"),
    *("a%00.css", "a" * 300 + ".css", "%2Fetc%2Fpasswd.css", "%5B", "L-1001%00", "\xff"),
)  # fmt: skip


class Grammar:
    """Writes parameters. seen: cursors that answers have given, of any list."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.seen: deque[str] = deque(maxlen=50)

    def parameters(self, names: Sequence[str]) -> str:
        """Parts of a query or a form: mostly of names that are known there."""
        known = [name for name in names if name in USUAL]
        if known and self.maybe(0.4):
            return "&".join(f"{name}={self.one(USUAL[name])}" for name in sorted({self.one(known), self.one(known)}))
        parts = [self._part(names) for _ in range(int(self.rng.integers(1, 5)))]
        if self.maybe(0.05):
            name = str(self.one(names or ("x",)))
            parts += [f"{name}={self.value(name)}" for _ in range(int(self.rng.integers(1, MOST_FILTERS)))]
        return str(self.one(("&", "&", "&", ";", "&&"))).join(parts)

    def _part(self, names: Sequence[str]) -> str:
        name = str(self.one(names)) if names and self.maybe(0.95) else str(self.one((*USUAL, *TEXTS)))
        return f"{name}{'=' if self.maybe(0.98) else ''}{self.value(name)}"

    def value(self, name: str) -> str:
        """What stands behind the equals sign."""
        if name in ("cursor", "after") and self.maybe(0.8):
            return self.cursor()
        if name == "of" and self.maybe(0.8):
            return self._encoded({"id": "x", "subject": "x", "erased_at": self.one(KEYS), "removed": self.nested(),
                                  "limits": self.nested(), "signature": self.one(KEYS)})  # fmt: skip
        if name == "profile" and self.maybe(0.5):
            return f"c{self.rng.integers(0, 1000)}:{self.one((*NUMBERS, *TEXTS))}"
        if name in USUAL and self.maybe(0.6):
            return str(self.one(USUAL[name]))
        return str(self.one(self.one((NUMBERS, TIMES, TEXTS))))

    def cursor(self) -> str:
        """One that a list has given, of this list or another; cut; or forged."""
        kind = int(self.rng.integers(0, 5))
        given = str(self.one(self.seen)) if self.seen else "e30="
        if kind < 2:
            return given
        if kind == 2:
            return given[: int(self.rng.integers(0, len(given) + 1))]
        return self._encoded([self.one(ORDERS), *(self.one(KEYS) for _ in range(int(self.rng.integers(0, 5))))])

    def nested(self) -> Any:
        """A value of JSON, now and then deep."""
        value: Any = self.one(KEYS)
        for _ in range(int(self.one((0, 1, 3, 300, 500, 900)))):
            value = [value]
        return value

    def _encoded(self, value: Any) -> str:
        try:
            return quote(base64.urlsafe_b64encode(json.dumps(value).encode()).decode(), safe="")
        except RecursionError:
            return "W1tb"

    def one(self, among: Any) -> Any:
        """Any of them."""
        return among[int(self.rng.integers(0, len(among)))]

    def maybe(self, share: float) -> bool:
        """True so often."""
        return bool(self.rng.random() < share)


Visits = Callable[[], tuple[str, str]]
"""Token of a session that is good now, and what its forms bring along."""
