"""Takes a lead out of the tables that were exported from a workspace; how it leaves the event log: removal.py."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.contract import BLANKS
from data.csv_safety import inert
from data.log.removal import erase_from_log

LEAD = "lead_id"


def erase_from_files(folder: Path, log_path: Path, lead_id: str) -> dict[str, int]:
    """Takes a lead out of the event log and of all tables below a workspace's folder; says how many rows of each."""
    in_log = erase_from_log(log_path, lead_id)
    return {"event log": in_log, "exports": erase_from_tables(folder, lead_id, log_path)}


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
