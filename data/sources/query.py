"""SQL as a mapping: a query over named files, in an engine that sees those files and nothing else."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from data.contract import DataError, UsageError
from data.masking import masked
from data.quoting import named, quoted
from data.sources.named_files import NAME, NUMBER, NamedTable
from data.sources.source import FILE, FILE_ROW, ROW, WHY, Source, Wanted, view_of
from data.sources.typed import text_of

MEMORY, SPILL, SECONDS = "500MB", "20GB", 600.0
"""What a query may use: memory, room on disk beside the log, and time until its last row."""
ROWS_AT_ONCE = 65_536
MISTAKES = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)
FAILURES = (duckdb.Error, pa.ArrowException, OSError)


@dataclass(frozen=True)
class Sandbox:
    """An engine without files but the named ones, network, extensions and settings; see `sandbox`."""

    con: duckdb.DuckDBPyConnection
    mapping: str
    names: tuple[str, ...]
    seconds: float


@contextmanager
def sandbox(tables: Sequence[NamedTable], mapping: str, spill: Path, seconds: float = SECONDS) -> Iterator[Sandbox]:
    """Where the queries of a mapping run. seconds: how long each of them may take."""
    config = {
        "python_enable_replacements": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "threads": 2,
        "memory_limit": MEMORY,
        "temp_directory": str(spill),
        "max_temp_directory_size": SPILL,
    }
    paths = ", ".join(quoted(str(path)) for table in tables for path in table.paths)
    with duckdb.connect(config=config) as con:
        con.execute(f"SET TimeZone = 'UTC'; SET enable_progress_bar = false; SET allowed_paths = [{paths}]")
        con.execute("SET enable_external_access = false; SET lock_configuration = true")
        for table in tables:
            con.execute(f"CREATE VIEW {named(table.name)} AS {table.sql}")
        yield Sandbox(con, mapping, tuple(table.name for table in tables), seconds)


@contextmanager
def asked_source(con: duckdb.DuckDBPyConnection, box: Sandbox, name: str, wanted: Wanted) -> Iterator[Source]:
    """What the query of a table answers, as a view that is read once, within the time that queries have.

    Its rows are numbered; where it keeps NUMBER and NAME of a file, those say where a row comes from. Raises UsageError
    for SQL that is no single SELECT or cannot be followed, DataError for what fails or takes too long, also while the
    view is read.
    """
    query, is_over = wanted.table.query or "", threading.Event()
    _require_select(box, name, query)
    timer = threading.Timer(box.seconds, _stop, [box, is_over])
    timer.start()
    try:
        reader = box.con.sql(query).to_arrow_reader(ROWS_AT_ONCE)
        columns = wanted.present(name, reader.schema.names)
        con.register("rows_read", _numbered(box, name, reader, is_over))
        yield _view(con, name, wanted, reader.schema, columns)
    except FAILURES as error:
        raise _explained(box, name, error, is_over) from None
    finally:
        timer.cancel()


def _stop(box: Sandbox, is_over: threading.Event) -> None:
    is_over.set()
    box.con.interrupt()


def _numbered(box: Sandbox, name: str, reader: pa.RecordBatchReader, is_over: threading.Event) -> pa.RecordBatchReader:
    """The same rows with their number in front."""
    schema = reader.schema.insert(0, pa.field("#row", pa.int64()))

    def batches() -> Iterator[pa.RecordBatch]:
        first = 1
        try:
            for batch in reader:
                numbers = pa.array(np.arange(first, first + len(batch)))
                yield pa.record_batch([numbers, *batch.columns], schema=schema)
                first += len(batch)
        except FAILURES as error:
            raise _explained(box, name, error, is_over) from None

    return pa.RecordBatchReader.from_batches(schema, batches())


def _view(
    con: duckdb.DuckDBPyConnection, name: str, wanted: Wanted, schema: pa.Schema, columns: Sequence[str]
) -> Source:
    texts = {
        column: text_of(named(column), schema.field(column).type, column in wanted.table.ids) for column in columns
    }
    has_origin = {NUMBER, NAME} <= set(schema.names)
    origin = f", {named(NAME)}::VARCHAR AS {FILE}, {named(NUMBER)}::BIGINT AS {FILE_ROW}" if has_origin else ""
    source = Source(name, "rows_in", has_origin)
    return view_of(
        con, source, "rows_read", f"{ROW}, NULL::VARCHAR AS {WHY}{origin}", wanted.texts(texts), wanted.form.nothing
    )


def _require_select(box: Sandbox, name: str, query: str) -> None:
    """One SELECT, of tables that are there; nothing is run."""
    try:
        statements = box.con.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError(
                f"mapping {box.mapping}, {name}: it has to be one SELECT, of named files, and nothing else; "
                "take other statements out"
            )
        # Explained rather than run, because the plain way of asking does not say the line of a mistake.
        box.con.execute(f"EXPLAIN {query}").fetchall()
    except duckdb.Error as error:
        raise _explained(box, name, error, threading.Event()) from None


def _explained(box: Sandbox, name: str, error: Exception, is_over: threading.Event) -> DataError | UsageError:
    place = f"mapping {box.mapping}, {name}"
    if is_over.is_set():
        return DataError(
            f"{place}: it took longer than {box.seconds:g} s and was stopped; nothing was ingested, make it simpler or "
            "hand over fewer rows"
        )
    text = str(error)
    line, reason = re.search(r"^LINE (\d+):", text, re.MULTILINE), text.split("\n")[0][:300]
    if "file system operations are disabled" in text:
        reason = "a query reads the files that the command names, and nothing else"
    if "Table with name" in text:
        reason += f" The files are {', '.join(box.names)}; give others by --file NAME=PATH"
    message = f"{place}{f', line {line[1]}' if line else ''}: {masked(reason)}"
    if isinstance(error, MISTAKES):
        return UsageError(f"{message}; correct the query")
    return DataError(f"{message}; nothing was ingested, correct the query or the files")
