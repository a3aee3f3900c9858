"""The store and the event log mean the same by "the same event"."""

from __future__ import annotations

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from data.log.content import body_sql
from serving.store.events.event_validation import EventIn, admit
from tests.written_ids import is_accepted

TEXT = st.text(st.characters(min_codepoint=33, exclude_categories=["Cs", "Cc", "Zs"]), min_size=1, max_size=20).filter(
    is_accepted
)
VALUES = st.none() | st.floats(-5e11, 5e11) | st.integers(-(10**11), 10**11)


@given(st.lists(st.tuples(TEXT, TEXT, st.integers(0, 2**50), st.none() | TEXT, VALUES), min_size=1, max_size=20))
def test_the_content_of_an_event_is_the_same_in_sql_and_in_the_store(
    rows: list[tuple[str, str, int, str | None, float | None]],
) -> None:
    events = [admit(EventIn(*row), now=2**52, earliest=0) for row in rows]
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE e (n INT, lead_id VARCHAR, event_type VARCHAR, moment BIGINT, channel VARCHAR, value DOUBLE)"
        )
        sent = [(n, e.lead_id, e.event_type, e.occurred_at, e.channel, e.value) for n, e in enumerate(events)]
        con.executemany("INSERT INTO e VALUES (?, ?, ?, ?, ?, ?)", sent)
        bodies = con.execute(f"SELECT {body_sql('moment')} FROM e ORDER BY n").fetchall()
    assert [body for (body,) in bodies] == [event.body for event in events]
