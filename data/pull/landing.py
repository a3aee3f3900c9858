"""Where what is pulled lands: a file of rows for each table, and beside them how far the pull is.

A page is safe when its rows are on disk and `pull.json`, which is swapped after that, counts them. What lies behind the
counted bytes was never counted: a half-written page, which is cut off before the pull goes on and asked for again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from data.contract import DataError
from data.log.manifest import sync
from data.pull.connector import TablePart
from data.pull.record_columns import Row
from data.quoting import named, quoted

STATE = "pull.json"
FORMAT = 1


@dataclass(frozen=True)
class Position:
    """How far a resource is: which of its batches is asked for, at which page (None: the first), whether it is done."""

    batch: int = 0
    next: Mapping[str, Any] | None = None
    done: bool = False


@dataclass(frozen=True)
class PullState:
    """What has landed. digest: of what is asked. since_us: from when on changes are asked for, None for all;
    account: whose they are. started_us, finished_us: when this pull began, by the vendor's clock, and ended, by ours
    (µs UTC). bytes, rows: by table."""

    digest: str
    since_us: int | None
    account: str = ""
    started_us: int | None = None
    finished_us: int | None = None
    bytes: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    positions: Mapping[str, Position] = field(default_factory=dict)
    format: int = FORMAT


class Landing:
    """The folder of a pull that is under way."""

    def __init__(self, folder: Path, state: PullState) -> None:
        self.folder, self.state = folder, state

    @staticmethod
    def open(folder: Path, digest: str, since_us: int | None) -> Landing:
        """What a pull that was cut short has left, or a new one.

        What was begun with other questions, or is damaged, is thrown away: the log has nothing of it yet, so it is
        asked for again.
        """
        state = _read(folder / STATE)
        if state is None or state.digest != digest or not _cut(folder, state):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, mode=0o700)
            state = PullState(digest, since_us)
        return Landing(folder, state)

    def of_account(self, account: str) -> Landing:
        """This one, or a new one where rows of another account have landed."""
        if self.state.account != account and self.state.positions:
            shutil.rmtree(self.folder)
            return Landing.open(self.folder, self.state.digest, self.state.since_us).of_account(account)
        self.state = replace(self.state, account=account)
        return self

    def position(self, resource: str) -> Position:
        """How far a resource is."""
        return self.state.positions.get(resource, Position())

    def land(self, resource: str, rows: Mapping[str, Sequence[Row]], position: Position) -> None:
        """Takes in a page: rows first, and when these are safe, how far the resource is."""
        sizes, counts = dict(self.state.bytes), dict(self.state.rows)
        for table, some in rows.items():
            sizes[table] = self._append(table, some, sizes.get(table, 0))
            counts[table] = counts.get(table, 0) + len(some)
        positions = {**self.state.positions, resource: position}
        self.note(replace(self.state, bytes=sizes, rows=counts, positions=positions))

    def note(self, state: PullState) -> None:
        """Swaps the state: the old one, or the new one, is there at any moment."""
        draft = self.folder / f"{STATE}.draft"
        draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
        sync(draft)
        os.replace(draft, self.folder / STATE)
        sync(self.folder)
        self.state = state

    def ids(self, tables: Sequence[str], column: str) -> list[str]:
        """What a column of tables holds, each value once, in the same order whenever it is asked."""
        values = {row[column] for table in tables for row in self._rows(table)}
        return sorted(value for value in values if value)

    def write_files(self, tables: Sequence[TablePart]) -> dict[str, list[str]]:
        """A Parquet file for each table, in order and each row once; also for tables without a row."""
        columns = {table.name: list(table.columns) for table in tables}
        with duckdb.connect(config={"threads": 2}) as con:
            return {name: [str(self._write_file(con, name, of))] for name, of in columns.items()}

    def remove(self) -> None:
        """Once all of it is in the log, nothing of it stays here."""
        shutil.rmtree(self.folder)

    def _path(self, table: str) -> Path:
        return self.folder / f"{table}.jsonl"

    def _append(self, table: str, rows: Sequence[Row], size: int) -> int:
        if not rows:
            return size
        with self._path(table).open("ab") as file:
            file.write("".join(f"{json.dumps(row)}\n" for row in rows).encode())
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def _rows(self, table: str) -> Iterator[Row]:
        if self._path(table).exists():
            with self._path(table).open("rb") as file:
                yield from map(json.loads, file)

    def _write_file(self, con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]) -> Path:
        kinds = ", ".join(f"{named(name)}: 'VARCHAR'" for name in columns)
        lines, out = self._path(table), self.folder / f"{table}.parquet"
        rows = f"read_json({quoted(str(lines))}, format = 'newline_delimited', columns = {{{kinds}}})"
        if not lines.exists():
            rows = f"(SELECT {', '.join(f'NULL::VARCHAR AS {named(name)}' for name in columns)} WHERE false)"
        con.execute(
            f"COPY (SELECT DISTINCT * FROM {rows} ORDER BY ALL) TO {quoted(str(out))} (FORMAT parquet)"
        ).fetchall()
        return out


def _read(path: Path) -> PullState | None:
    """The state that was noted; None where there is none that can be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        positions = {name: Position(**position) for name, position in values.pop("positions").items()}
        state = PullState(**values, positions=positions)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return state if state.format == FORMAT else None


def _cut(folder: Path, state: PullState) -> bool:
    """Cuts off what was never counted; whether all that was counted is there."""
    for path in folder.glob("*.jsonl"):
        size = state.bytes.get(path.stem, 0)
        if path.stat().st_size < size:
            return False
        os.truncate(path, size)
    return all((folder / f"{table}.jsonl").exists() for table, size in state.bytes.items() if size)


def no_room(folder: Path, error: Exception) -> DataError:
    """What to say where nothing can be written."""
    reason = getattr(error, "strerror", None) or str(error).split("\n")[0][:200]
    return DataError(f"{folder} cannot be written ({reason}); what has come stays, make room and run it again")
