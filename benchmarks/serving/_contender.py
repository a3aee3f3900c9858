"""A server that the serving benchmark asks, and the leads that it is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

OUT = Path("var/bench")


@dataclass(frozen=True)
class Contender:
    """A server to ask. `bodies` are sent in turn; a request counts for `size` leads."""

    name: str
    command: Sequence[str]
    port: int
    method: str
    path: str
    bodies: Sequence[bytes]
    ready: str
    size: int = 1


def leads(n: int) -> list[dict[str, Any]]:
    """Leads of 20 fields and 30 events each, all different."""
    rng = np.random.default_rng(1)
    types = ("page_view", "pricing_view", "email_open", "email_click", "email_sent", "blog_visit", "webinar_signup")
    profile = {"industry": "software", "seniority": "director", "country": "DE", "company_size": "51-200"}
    extra = {f"field_{i}": f"value {i}" for i in range(15)}
    return [
        {
            "profile": {**profile, **extra, "employees": int(rng.integers(1, 5000))},
            "known_since": "2024-01-01T00:00:00Z",
            "as_of": "2024-05-08T00:00:00Z",
            "events": [
                {
                    "event_type": types[int(rng.integers(0, len(types)))],
                    "occurred_at": f"2024-0{int(rng.integers(1, 5))}-{int(rng.integers(10, 29))}T10:{i:02d}:00Z",
                    "channel": "organic",
                }
                for i in range(30)
            ],
        }
        for _ in range(n)
    ]
