"""Merges staged rows into one bucket of the log: dedupe, conflicts, the total order, bot labels."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.bots import label_bots
from data.eventlog import FORMAT, EventLog, histories_of
from data.mapping import BotRule, Mapping
from data.sources import named, quoted

SORTED = "lead, known_at, occurred_at, event_type, channel, value, source, event_id"
TIME = pa.timestamp("us", "UTC")


@dataclass
class Tally:
    """What became of staged rows, added up over buckets. conflicts: (part, n, reason) of rows left out."""

    events: int = 0
    event_duplicates: int = 0
    event_conflicts: int = 0
    leads: int = 0
    lead_duplicates: int = 0
    lead_conflicts: int = 0
    event_conflict_rows: list[tuple[int, int, str]] = field(default_factory=list)
    lead_conflict_rows: list[tuple[int, int, str]] = field(default_factory=list)

    def __iadd__(self, other: Tally) -> Self:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self


@dataclass(frozen=True)
class Words:
    """What the manifest says besides counts: vocabulary, plain words, profile columns, bot rules."""

    types: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    words: dict[str, dict[str, str]]
    profile_columns: dict[str, str]
    bots: tuple[BotRule, ...]


def merged_words(old: EventLog | None, mapping: Mapping) -> Words:
    """Types in the order first seen, members of groups united, the newer words and rules on top."""
    if old is None:
        profile = mapping.leads.profile if mapping.leads else {}
        return Words(mapping.event_types, dict(mapping.groups), dict(mapping.words), profile, mapping.bots)
    groups = {
        name: tuple(dict.fromkeys((*old.vocabulary.groups.get(name, ()), *mapping.groups.get(name, ()))))
        for name in dict.fromkeys((*old.vocabulary.groups, *mapping.groups))
    }
    rules = {rule.name: rule for rule in (*(BotRule(**each) for each in old.bots), *mapping.bots)}
    return Words(
        tuple(dict.fromkeys((*old.vocabulary.types, *mapping.event_types))),
        groups,
        {**old.words, **mapping.words},
        {**old.profile_columns, **(mapping.leads.profile if mapping.leads else {})},
        tuple(rules.values()),
    )


def shared_ids(con: duckdb.DuckDBPyConnection, staging: Path, old: EventLog | None) -> bool:
    """Fills the table `owners` with event ids that several leads claim, and who had them first; says if there are any.

    Ids are compared by 64-bit hash first, so that the usual case, none, costs one cheap pass.
    """
    if not any((staging / "events").glob("bucket=[0-9]*")):
        return False
    rows = (
        f"""SELECT source, event_id, lead_id, 1 AS fresh, part, n FROM {_staged(staging, "events")} WHERE bucket >= 0"""
    )
    if old is not None:
        rows += "".join(
            f" UNION ALL SELECT source, event_id, lead_id, 0, 0, 0 FROM {_old_events(old, bucket)}"
            for bucket in range(old.n_buckets)
        )
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


def merge_bucket(
    con: duckdb.DuckDBPyConnection,
    staging: Path,
    old: EventLog | None,
    draft: Path,
    bucket: int,
    words: Words,
    stolen: bool,
) -> Tally:
    """Writes the bucket's three files into `draft` and says what became of the staged rows."""
    tally = Tally()
    _collect_events(con, staging, old, bucket, stolen, tally)
    _collect_profiles(con, staging, old, bucket, words, tally)
    con.execute(
        """CREATE OR REPLACE TEMP TABLE ranked AS SELECT lead_id, (row_number() OVER (ORDER BY lead_id) - 1)::INTEGER AS lead
        FROM (SELECT lead_id FROM kept UNION SELECT lead_id FROM versions)"""
    )
    events = con.sql(
        f"""SELECT lead, known_at, occurred_at, event_type, channel, value, source, event_id
        FROM (SELECT ranked.lead, greatest(occurred_at, coalesce(received_at, occurred_at)) AS known_at, kept.*
            FROM kept JOIN ranked USING (lead_id)) ORDER BY {", ".join(f"{c} NULLS FIRST" for c in SORTED.split(", "))}"""
    ).to_arrow_table()
    profiles = con.sql(
        "SELECT ranked.lead, versions.* EXCLUDE (lead_id) FROM versions JOIN ranked USING (lead_id) ORDER BY lead, valid_from"
    ).to_arrow_table()
    leads = con.sql(
        """SELECT lead_id, coalesce(e.n, 0)::INTEGER AS events, coalesce(p.n, 0)::INTEGER AS versions FROM ranked
        LEFT JOIN (SELECT lead_id, count(*) AS n FROM kept GROUP BY ALL) e USING (lead_id)
        LEFT JOIN (SELECT lead_id, count(*) AS n FROM versions GROUP BY ALL) p USING (lead_id) ORDER BY lead"""
    ).to_arrow_table()
    _write(draft, bucket, leads, _timed(events, "known_at", "occurred_at"), _timed(profiles, "valid_from"), words)
    return tally


def write_manifest(log_path: Path, generation: str, n_buckets: int, words: Words) -> None:
    """Names the generation that holds from now on; the swap is atomic and on disk when this returns."""
    folder = log_path / generation
    digest = hashlib.sha256(json.dumps([words.types, words.groups, words.profile_columns], sort_keys=True).encode())
    counts, first, last = np.zeros(2, np.int64), [], []
    for bucket in range(n_buckets):
        for kind in ("events", "leads", "profiles"):
            digest.update(hashlib.sha256((folder / f"{kind}-{bucket:02d}.parquet").read_bytes()).digest())
        about = pq.read_metadata(folder / f"events-{bucket:02d}.parquet")
        counts += [about.num_rows, pq.read_metadata(folder / f"leads-{bucket:02d}.parquet").num_rows]
        for group in range(about.num_row_groups):
            statistics = about.row_group(group).column(1).statistics
            if statistics is not None and statistics.has_min_max:
                first.append(_us(statistics.min))
                last.append(_us(statistics.max))
    manifest = {
        "format": FORMAT,
        "generation": generation,
        "n_buckets": n_buckets,
        "n_events": int(counts[0]),
        "n_leads": int(counts[1]),
        "vocabulary": {"types": words.types, "groups": words.groups},
        "words": words.words,
        "profile_columns": words.profile_columns,
        "bots": [rule.model_dump() for rule in words.bots],
        "observed_from_us": min(first, default=0),
        "observed_until_us": max(last, default=0),
        "digest": digest.hexdigest(),
    }
    draft = log_path / "log.json.draft"
    with draft.open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, log_path / "log.json")
    handle = os.open(log_path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _collect_events(
    con: duckdb.DuckDBPyConnection, staging: Path, old: EventLog | None, bucket: int, stolen: bool, tally: Tally
) -> None:
    """Table `kept`: old and staged events of the bucket, each id once, with the earliest received_at."""
    columns = "lead_id, event_type, occurred_at, received_at, channel, value, source, event_id, body"
    rows = (
        "SELECT NULL::INTEGER AS part, NULL::BIGINT AS n, "
        + ", ".join(
            f"NULL::{kind} AS {name}"
            for name, kind in zip(
                columns.split(", "),
                ["VARCHAR"] * 2 + ["BIGINT"] * 2 + ["VARCHAR", "DOUBLE"] + ["VARCHAR"] * 3,
                strict=True,
            )
        )
        + ", 1 AS fresh WHERE false"
    )
    if (staging / "events" / f"bucket={bucket}").exists():
        rows += f" UNION ALL SELECT part, n, {columns}, 1 FROM {_staged(staging, 'events', bucket)}"
    if old is not None:
        rows += f" UNION ALL SELECT 0, 0, {columns}, 0 FROM {_old_events(old, bucket)}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE rows AS {rows}")
    con.execute(
        """CREATE OR REPLACE TEMP TABLE repeated AS
        SELECT hash(source, event_id) AS key FROM rows GROUP BY key HAVING count(*) > 1"""
    )
    theirs = "owner IS NOT NULL AND owner <> rows.lead_id" if stolen else "false"
    owners = "LEFT JOIN owners USING (source, event_id)" if stolen else ""
    # Only ids that occur more than once go through the windows; the others pass.
    con.execute(_judge(theirs, owners))
    con.execute(
        """CREATE OR REPLACE TEMP TABLE kept AS SELECT lead_id, event_type, occurred_at, earliest AS received_at, channel,
        value, source, event_id, body FROM judged WHERE NOT conflict AND NOT repeat"""
    )
    counted = con.execute(
        """SELECT count(*) FILTER (NOT conflict AND NOT repeat), count(*) FILTER (NOT conflict AND repeat),
        count(*) FILTER (conflict) FROM judged WHERE fresh = 1"""
    ).fetchall()[0]
    tally.events, tally.event_duplicates, tally.event_conflicts = (int(each) for each in counted)
    if tally.event_conflicts:
        tally.event_conflict_rows = con.execute(
            """SELECT part, n, 'event_id ''' || left(event_id, 60) || ''' is taken by an event with another content'
            FROM judged WHERE conflict AND fresh = 1 ORDER BY part, n"""
        ).fetchall()


def _judge(theirs: str, owners: str) -> str:
    """Table `judged`: whether a row repeats an id (same body) or conflicts with it (another body, another lead)."""
    return f"""CREATE OR REPLACE TEMP TABLE judged AS
        WITH single AS (SELECT rows.*, {theirs} AS conflict, false AS repeat, received_at AS earliest
            FROM rows {owners} WHERE hash(source, event_id) NOT IN (FROM repeated)),
        marked AS (SELECT rows.*, {theirs} AS stolen FROM rows {owners}
            WHERE hash(source, event_id) IN (FROM repeated)),
        placed AS (SELECT *, first_value(body) OVER (PARTITION BY source, event_id, stolen ORDER BY fresh, part, n) AS first_body
            FROM marked),
        many AS (SELECT * EXCLUDE (stolen, first_body), stolen OR body <> first_body AS conflict,
            row_number() OVER same > 1 AS repeat,
            min(coalesce(received_at, occurred_at)) OVER (PARTITION BY source, event_id, stolen, body) AS earliest
            FROM placed WINDOW same AS (PARTITION BY source, event_id, stolen, body ORDER BY fresh, part, n))
        SELECT * FROM single UNION ALL SELECT * FROM many"""


def _collect_profiles(
    con: duckdb.DuckDBPyConnection, staging: Path, old: EventLog | None, bucket: int, words: Words, tally: Tally
) -> None:
    """Table `versions`: old and staged profile versions, each (lead_id, valid_from) once."""
    kinds = {"account_id": "VARCHAR"} | {
        n: "VARCHAR" if k == "category" else "DOUBLE" for n, k in words.profile_columns.items()
    }
    empty = ", ".join(f"NULL::{kind} AS {named(name)}" for name, kind in kinds.items())
    rows = f"SELECT 0 AS part, 0::BIGINT AS n, ''::VARCHAR AS lead_id, 0::BIGINT AS valid_from, {empty}, 1 AS fresh WHERE false"
    if (staging / "leads" / f"bucket={bucket}").exists():
        staged = _staged(staging, "leads", bucket)
        present = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {staged}").fetchall()}
        made = ", ".join(
            f"{named(f'p_{name}')}::{kind}" if f"p_{name}" in present else f"NULL::{kind}"
            for name, kind in kinds.items()
        )
        rows += f" UNION ALL SELECT part, n, lead_id, valid_from, {made}, 1 FROM {staged}"
    if old is not None:
        file = quoted(str(old.path / old.generation / f"profiles-{bucket:02d}.parquet"))
        present = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM read_parquet({file})").fetchall()}
        made = ", ".join(named(name) if name in present else f"NULL::{kind}" for name, kind in kinds.items())
        leads = _old_leads(old, bucket)
        rows += f""" UNION ALL SELECT 0, 0, lead_id, epoch_us(valid_from), {made}, 0
            FROM read_parquet({file}) JOIN {leads} USING (lead)"""
    body = f"md5(concat_ws('\x1f', {', '.join(f'''coalesce({named(name)}::VARCHAR, chr(30))''' for name in kinds)}))"
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE judged_versions AS SELECT *,
        {body} <> first_value({body}) OVER same AS conflict, row_number() OVER same > 1 AS repeat
        FROM ({rows}) WINDOW same AS (PARTITION BY lead_id, valid_from ORDER BY fresh, part, n)"""
    )
    names = ", ".join(named(name) for name in kinds)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE versions AS SELECT lead_id, valid_from, {names} FROM judged_versions WHERE NOT repeat"
    )
    counted = con.execute(
        """SELECT count(*) FILTER (NOT repeat), count(*) FILTER (repeat AND NOT conflict), count(*) FILTER (conflict)
        FROM judged_versions WHERE fresh = 1"""
    ).fetchall()[0]
    tally.leads, tally.lead_duplicates, tally.lead_conflicts = (int(each) for each in counted)
    if tally.lead_conflicts:
        tally.lead_conflict_rows = con.execute(
            """SELECT part, n, 'another profile version of this lead starts at the same time' FROM judged_versions
            WHERE conflict AND fresh = 1 ORDER BY part, n"""
        ).fetchall()


def _staged(staging: Path, kind: str, bucket: int | None = None) -> str:
    files = staging / kind / (f"bucket={bucket}" if bucket is not None else "bucket=[0-9]*") / "*.parquet"
    return f"read_parquet({quoted(str(files))}, hive_partitioning = true)"


def _old_leads(old: EventLog, bucket: int) -> str:
    file = quoted(str(old.path / old.generation / f"leads-{bucket:02d}.parquet"))
    return f"(SELECT lead_id, file_row_number::INTEGER AS lead FROM read_parquet({file}, file_row_number = true))"


def _old_events(old: EventLog, bucket: int) -> str:
    file = quoted(str(old.path / old.generation / f"events-{bucket:02d}.parquet"))
    body = """md5(concat_ws('\x1f', lead_id, event_type, epoch_us(occurred_at), coalesce(channel, '\x1e'),
        coalesce(value::VARCHAR, '\x1e')))"""
    return f"""(SELECT lead_id, event_type, epoch_us(occurred_at) AS occurred_at, epoch_us(known_at) AS received_at,
        channel, value, source, event_id, {body} AS body FROM read_parquet({file}) JOIN {_old_leads(old, bucket)} USING (lead))"""


def _timed(table: pa.Table, *names: str) -> pa.Table:
    for name in names:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(name).cast(TIME))
    return table


def _write(draft: Path, bucket: int, leads: pa.Table, events: pa.Table, profiles: pa.Table, words: Words) -> None:
    for name in ("event_type", "channel", "source"):
        place = events.schema.get_field_index(name)
        events = events.set_column(place, name, events.column(name).dictionary_encode())
    events = events.append_column("bot_rule", pa.nulls(len(events), pa.string()).dictionary_encode())
    histories = histories_of(leads, events, profiles, list(words.profile_columns))
    label = label_bots(words.bots, histories.starts, histories.occurred_at, histories.event_type, histories.types)
    rules = pa.DictionaryArray.from_arrays(
        pa.array(label, mask=label < 0), pa.array([rule.name for rule in words.bots], pa.string())
    )
    events = events.set_column(events.schema.get_field_index("bot_rule"), "bot_rule", rules)
    layout: dict[str, Any] = {
        "compression": "lz4",
        "use_dictionary": ["lead", "event_type", "channel", "source", "bot_rule"],
    }
    pq.write_table(leads, draft / f"leads-{bucket:02d}.parquet")
    pq.write_table(events, draft / f"events-{bucket:02d}.parquet", **layout)
    pq.write_table(profiles, draft / f"profiles-{bucket:02d}.parquet")


def _us(moment: Any) -> int:
    return int(np.datetime64(moment.replace(tzinfo=None), "us").astype(np.int64))
