"""Each event once: rows that repeat an event id, and rows that claim one for another event.

The content that is compared is `body_sql` of data/log/bucket_rows.py.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from data.log.bucket_rows import EVENT_ROWS, has_staged, logged_events, staged_rows
from data.log.eventlog import EventLog
from data.masking import masked_sql

NO_ROWS = """SELECT NULL::INTEGER AS part, NULL::BIGINT AS n, NULL::VARCHAR AS lead_id, NULL::VARCHAR AS event_type,
    NULL::BIGINT AS occurred_at, NULL::BIGINT AS received_at, NULL::VARCHAR AS channel, NULL::DOUBLE AS value,
    NULL::VARCHAR AS source, NULL::VARCHAR AS event_id, NULL::VARCHAR AS body, 1 AS fresh WHERE false"""


def find_shared_ids(con: duckdb.DuckDBPyConnection, staging: Path, old: EventLog | None) -> bool:
    """Fills the table `owners` with event ids that several leads claim, and who had them first; says if there are any.

    Leads lie in different buckets, so that no bucket sees this alone. Ids are compared by 64-bit hash first: the usual
    case, none, costs one cheap pass.
    """
    if not has_staged(staging, "events"):
        return False
    rows = f"SELECT source, event_id, lead_id, 1 AS fresh, part, n FROM {staged_rows(staging, 'events')}"
    for bucket in range(old.n_buckets if old else 0):
        rows += f" UNION ALL SELECT source, event_id, lead_id, 0, 0, 0 FROM {logged_events(old, bucket)}"  # type: ignore[arg-type]
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE claimed AS WITH rows AS ({rows})
        SELECT hash(source, event_id) AS key FROM rows GROUP BY key HAVING min(hash(lead_id)) <> max(hash(lead_id))"""
    )
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE owners AS WITH rows AS ({rows})
        SELECT source, event_id, arg_min(lead_id, (fresh, part, n)) AS owner FROM rows
        WHERE hash(source, event_id) IN (FROM claimed) GROUP BY ALL"""
    )
    return bool(con.execute("SELECT count(*) FROM owners").fetchall()[0][0])


def keep_events(
    con: duckdb.DuckDBPyConnection, staging: Path, old: EventLog | None, bucket: int, shared: bool
) -> tuple[int, int]:
    """Makes the table `kept`: old and staged events of a bucket, each id once, known as early as any row says.

    Returns how many staged rows were accepted, and how many repeat one; those in conflict are added to `rejected`. What
    the log holds goes before what is staged, then the order of sources and rows decides.
    """
    rows = NO_ROWS
    if has_staged(staging, "events", bucket):
        rows += f" UNION ALL SELECT part, n, {EVENT_ROWS}, 1 FROM {staged_rows(staging, 'events', bucket)}"
    if old is not None:
        rows += f" UNION ALL SELECT 0, 0, {EVENT_ROWS}, 0 FROM {logged_events(old, bucket)}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE rows AS {rows}")
    _judge(con, shared)
    con.execute(
        """CREATE OR REPLACE TEMP TABLE kept AS SELECT lead_id, event_type, occurred_at, earliest AS received_at,
        channel, value, source, event_id FROM judged WHERE NOT conflict AND NOT repeat"""
    )
    con.execute(
        f"""INSERT INTO rejected SELECT 'events', part, n, 'event_id ''' || {masked_sql("event_id")}
        || ''' is taken by an event with another content' FROM judged WHERE conflict AND fresh = 1"""
    )
    accepted, repeated = con.execute(
        """SELECT count(*) FILTER (NOT conflict AND NOT repeat), count(*) FILTER (NOT conflict AND repeat)
        FROM judged WHERE fresh = 1"""
    ).fetchall()[0]
    return int(accepted), int(repeated)


def _judge(con: duckdb.DuckDBPyConnection, shared: bool) -> None:
    """Table `judged`: whether a row repeats an id (same body) or conflicts with it (another body, another lead).

    Only ids that occur more than once go through the windows; the others pass.
    """
    stolen = "owner IS NOT NULL AND owner <> rows.lead_id" if shared else "false"
    owners = "LEFT JOIN owners USING (source, event_id)" if shared else ""
    con.execute(
        """CREATE OR REPLACE TEMP TABLE repeated AS
        SELECT hash(source, event_id) AS key FROM rows GROUP BY key HAVING count(*) > 1"""
    )
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE judged AS
        WITH single AS (SELECT rows.*, {stolen} AS conflict, false AS repeat, received_at AS earliest
            FROM rows {owners} WHERE hash(source, event_id) NOT IN (FROM repeated)),
        marked AS (SELECT rows.*, {stolen} AS stolen FROM rows {owners}
            WHERE hash(source, event_id) IN (FROM repeated)),
        placed AS (SELECT *, first_value(body) OVER same_id AS first_body FROM marked
            WINDOW same_id AS (PARTITION BY source, event_id, stolen ORDER BY fresh, part, n)),
        many AS (SELECT * EXCLUDE (stolen, first_body), stolen OR body <> first_body AS conflict,
            row_number() OVER same > 1 AS repeat,
            min(coalesce(received_at, occurred_at)) OVER (PARTITION BY source, event_id, stolen, body) AS earliest
            FROM placed WINDOW same AS (PARTITION BY source, event_id, stolen, body ORDER BY fresh, part, n))
        SELECT * FROM single UNION ALL SELECT * FROM many"""
    )
