"""The log of the server: one JSON line per thing that happened, without personal data."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec

Field = str | int | float | bool | None


class ServerLog:
    """Writes lines to a stream. Never given ids, bodies, header values or messages of unexpected errors."""

    def __init__(self, stream: TextIO = sys.stderr, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.stream = stream
        self.now = now

    def write(self, event: str, **fields: Field) -> None:
        """One line; a log that cannot be written must not stop the server."""
        line = msgspec.json.encode({"at": self.now(), "event": event, **fields}).decode()
        try:
            self.stream.write(f"{line}\n")
            self.stream.flush()
        except (OSError, ValueError):
            return

    def failure(self, event: str, error: BaseException, **fields: Field) -> None:
        """An unexpected error by its type and place; its message may quote input, so it stays out."""
        last = traceback.extract_tb(error.__traceback__)[-1:]
        where = f"{Path(last[0].filename).name}:{last[0].lineno} {last[0].name}" if last else ""
        self.write(event, error=type(error).__name__, where=where, **fields)
