"""DuckDB for questions that keep nothing: one engine for a process, which takes longer to start than most of them."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


@contextmanager
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of one's own, gone with all that was registered or made in it; threads may ask at once.

    >>> with engine() as con:
    ...     con.execute("CREATE TEMP TABLE mine AS SELECT 1 AS a").fetchall()
    [(1,)]
    >>> with engine() as con:
    ...     con.execute("SELECT count(*) FROM duckdb_tables()").fetchall()
    [(0,)]
    """
    with _started(os.getpid()).cursor() as con:
        yield con


@lru_cache(maxsize=1)
def _started(process: int) -> duckdb.DuckDBPyConnection:
    """process: its number, since the threads of an engine are not in a process that is forked."""
    # Imported late: a server reads histories and mappings' rules too, and never needs the engine.
    import duckdb

    # One that is there when the interpreter ends is told as a leak.
    atexit.register(_started.cache_clear)
    return duckdb.connect()
