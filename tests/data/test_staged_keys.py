"""Keys of many staged rows come in order, a range after the other."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np

from data.intake.staged_keys import AT_ONCE, staged_keys
from data.log.version_index import HIGH, LOW


def test_keys_of_many_rows_come_in_order_and_each_once(tmp_path: Path) -> None:
    """Also those that are the same, by half or as a whole, in the order of their rows."""
    total = 2 * AT_ONCE
    with duckdb.connect() as con:
        con.execute(
            f"""CREATE VIEW staged_events AS SELECT md5_number_upper((n // 2)::VARCHAR) AS high,
            CASE WHEN n % 8 = 1 THEN 1 ELSE 2 END::UBIGINT AS low, 0::UBIGINT AS content, 0::UBIGINT AS lead_hash,
            n AS known_at, 0 AS part, n, 0::TINYINT AS sort FROM range({total}) AS r(n) ORDER BY hash(n)"""
        )
        ranges = list(staged_keys(con, "events", tmp_path / "events.index"))
    high, low = (np.concatenate([keys.rows[half] for keys in ranges]) for half in (HIGH, LOW))
    n = np.concatenate([keys.n for keys in ranges])
    assert len(ranges) > 1
    assert np.array_equal(np.sort(n), np.arange(total))
    assert np.array_equal(np.lexsort((n, low, high)), np.arange(total))
    assert not list(tmp_path.iterdir())
