"""Takes a lead out of what lies in files: the event log and the tables that were exported from it."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.contract import BLANKS
from data.csv_safety import inert
from data.ids import mentions
from data.log.eventlog import LAYOUT, EventLog, bucket_of
from data.log.generations import only_writer, publish, staging_folder
from data.log.manifest import Words

LEAD = "lead_id"


def erase_from_files(folder: Path, log_path: Path, lead_id: str) -> dict[str, int]:
    """Takes a lead out of the event log and of all tables below a workspace's folder; says how many rows of each."""
    in_log = erase_from_log(log_path, lead_id)
    return {"event log": in_log, "exports": erase_from_tables(folder, lead_id, log_path)}


def erase_from_log(log_path: Path, lead_id: str) -> int:
    """Publishes a generation of the log without the lead, and removes the old one; says how many rows were taken out.

    0, and nothing happens, where there is no log or it does not know the lead. Raises UsageError while an ingest runs.
    """
    if not (log_path / "log.json").exists():
        return 0
    with only_writer(log_path), staging_folder(log_path) as staging:
        log = EventLog.open(log_path)
        draft = staging / f"generation-{log.number + 1:06d}"
        draft.mkdir()
        erased = _rewrite_bucket(log, bucket_of(lead_id, log.n_buckets), lead_id, draft)
        erased += _rewrite_rejected(log, lead_id, draft)
        if erased:
            for file in (log.path / log.generation).iterdir():
                if not (draft / file.name).exists():
                    os.link(file, draft / file.name)
            publish(draft, log_path, log.n_buckets, _words(log), log.observed_until_us)
    return erased


def erase_from_tables(folder: Path, lead_id: str, spare: Path) -> int:
    """Rewrites every CSV and Parquet file below a folder that has a column lead_id and this lead in it, in place.

    Says how many rows were taken out. `spare`: a folder that is left alone, the event log. A line of a CSV file that is
    too long or too short for its header goes when any of its fields is the id.
    """
    erased = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_relative_to(spare):
            if path.suffix == ".parquet":
                erased += _rewrite_parquet(path, lead_id)
            elif path.suffix == ".csv":
                erased += _rewrite_csv(path, lead_id)
    return erased


def _rewrite_bucket(log: EventLog, bucket: int, lead_id: str, draft: Path) -> int:
    """The bucket's files without the lead; those behind it move up by one."""
    leads, events, profiles = (pq.read_table(log.file(kind, bucket)) for kind in ("leads", "events", "profiles"))
    place = pc.index(leads.column(LEAD), lead_id).as_py()
    if place < 0:
        return 0
    before = len(events) + len(profiles)
    events, profiles = _without(events, place), _without(profiles, place)
    pq.write_table(leads.filter(pc.not_equal(leads.column(LEAD), lead_id)), draft / log.file("leads", bucket).name)
    pq.write_table(events, draft / log.file("events", bucket).name, **LAYOUT)
    pq.write_table(profiles, draft / log.file("profiles", bucket).name)
    return 1 + before - len(events) - len(profiles)


def _without(table: pa.Table, place: int) -> pa.Table:
    rest = table.filter(pc.not_equal(table.column("lead"), place))
    lead = rest.column("lead")
    moved = pc.subtract(lead, pc.cast(pc.greater(lead, place), lead.type))
    rest = rest.set_column(table.schema.get_field_index("lead"), "lead", moved)
    # A dictionary would still hold what only the erased lead had.
    names = [field.name for field in rest.schema if pa.types.is_dictionary(field.type)]
    for name in names:
        fresh = rest.column(name).cast(pa.string()).dictionary_encode()
        rest = rest.set_column(rest.schema.get_field_index(name), name, fresh)
    return rest


def _rewrite_rejected(log: EventLog, lead_id: str, draft: Path) -> int:
    """Rejected rows whose reason shows a value, in quotes, that has the lead's id in it."""
    table = pq.read_table(log.rejected_path)
    theirs = [_shows(reason, lead_id) for reason in table.column("reason").to_pylist()]
    rest = table.filter(pc.invert(pa.array(theirs, pa.bool_())))
    if len(rest) < len(table):
        pq.write_table(rest, draft / log.rejected_path.name)
    return len(table) - len(rest)


def _shows(reason: str, lead_id: str) -> bool:
    shown = re.search("'(.*)'", reason, re.DOTALL)
    return shown is not None and mentions(shown[1], lead_id)


def _words(log: EventLog) -> Words:
    return Words(log.vocabulary.types, dict(log.vocabulary.groups), log.words, log.profile_columns, log.bots)


def _rewrite_parquet(path: Path, lead_id: str) -> int:
    if LEAD not in pq.read_schema(path).names:
        return 0
    ids = pq.read_table(path, columns=[LEAD]).column(0).cast(pa.string())
    theirs = pc.equal(pc.utf8_trim(ids, characters=BLANKS), lead_id)
    erased = pc.sum(theirs).as_py() or 0
    if erased:
        table = pq.read_table(path)
        draft = _draft(path)
        plain = [f.with_type(pa.string()) if pa.types.is_dictionary(f.type) else f for f in table.schema]
        rest = table.filter(pc.invert(theirs)).cast(pa.schema(plain, table.schema.metadata)).cast(table.schema)
        pq.write_table(rest, draft, compression="lz4")
        os.replace(draft, path)
    return int(erased)


def _rewrite_csv(path: Path, lead_id: str) -> int:
    erased = 0
    draft = _draft(path)
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        header = _fields(file.readline())
        if LEAD not in header:
            return 0
        file.seek(0)
        line_of = _LineOf(lead_id, header)
        with draft.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out:
            for line in file:
                if line_of(line):
                    erased += 1
                else:
                    out.write(line)
    if erased:
        os.replace(draft, path)
    draft.unlink(missing_ok=True)
    return erased


class _LineOf:
    """Whether a line of a CSV file is about a lead: by its column, and by any field where the line does not fit."""

    def __init__(self, lead_id: str, header: Sequence[str]) -> None:
        self.cells = {lead_id, inert(lead_id)}
        self.written = [cell.replace('"', '""') for cell in self.cells]
        self.width, self.place = len(header), header.index(LEAD)

    def __call__(self, line: str) -> bool:
        if not any(cell in line for cell in self.written):
            return False
        fields = _fields(line)
        looked_at = [fields[self.place]] if len(fields) == self.width else fields
        return any(field.strip(BLANKS) in self.cells for field in looked_at)


def _fields(line: str) -> list[str]:
    return next(csv.reader([line.rstrip("\r\n")]), [])


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.draft")
