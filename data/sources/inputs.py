"""Which table of a mapping reads which file: the plan of an ingest, before a byte is read."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from data.contract import UsageError
from data.engine import engine
from data.sources.file_format import FileFormat
from data.sources.locations import is_database, locations_of, short_name
from data.sources.mapping import Mapping as SourceMapping
from data.sources.tables import EventsPart, Table

KINDS = ("identities", "events", "leads")
"""Kinds of rows, in the order in which they are staged: aliases are known before events."""
Files = Mapping[str, Sequence[str]]
"""Locations by kind (events, leads, identities), or by the name that the command gives them; globs are resolved."""


@dataclass(frozen=True)
class Input:
    """A table that is read from a location, or asked of the named files where there is none."""

    kind: str
    table: Table
    form: FileFormat
    location: str | None
    name: str


@dataclass(frozen=True)
class IngestPlan:
    """All that is read. files: locations of the files that queries see, by name. idle: names of files that tables read
    and the command did not give."""

    inputs: tuple[Input, ...]
    files: Files
    idle: tuple[str, ...]

    def of(self, kind: str) -> list[Input]:
        """What is read for a kind."""
        return [some for some in self.inputs if some.kind == kind]

    @property
    def tables(self) -> list[Table]:
        """The tables that read something."""
        return [some.table for some in self.inputs]


def plan_of(mapping: SourceMapping, files: Files, named: Files) -> IngestPlan:
    """Who reads what. files: locations by kind, for tables without a `file`. named: by name, for those with one and for
    queries. Raises UsageError for files that nobody reads, and for tables that have none; DataError for an empty glob.
    """
    files, named = _resolved(files), _resolved(named)
    for kind in KINDS:
        if files.get(kind) and not mapping.tables(kind):
            raise UsageError(f"mapping {mapping.name} has no [{kind}]; add it or leave the {kind} files out")
    seen = {**{kind: some for kind, some in files.items() if some}, **named}
    inputs = [
        made for kind in KINDS for table in mapping.tables(kind) for made in _inputs(mapping, kind, table, files, named)
    ]
    tables = [table for kind in KINDS for table in mapping.tables(kind)]
    asks = any(table.query is not None for table in tables)
    _require_readers(mapping, files, named, tables, asks)
    idle = [table.file for table in tables if table.file is not None and table.file not in named]
    if not inputs:
        needed = ", ".join(dict.fromkeys(f"--file {name}=PATH" for name in idle)) or "--events, --leads or --file"
        raise UsageError(f"nothing to ingest; give mapping {mapping.name} its files: {needed}")
    return IngestPlan(
        tuple(inputs), {k: v for k, v in seen.items() if not any(map(is_database, v))}, tuple(dict.fromkeys(idle))
    )


def _resolved(files: Files) -> dict[str, list[str]]:
    return {key: [one for pattern in some for one in locations_of(pattern)] for key, some in files.items()}


def _inputs(mapping: SourceMapping, kind: str, table: Table, files: Files, named: Files) -> Iterator[Input]:
    several = len(mapping.tables(kind)) > 1
    query = f"the query of [[{kind}]] {mapping.tables(kind).index(table) + 1}" if several else f"the query of [{kind}]"
    unfolded = table.unfolded if isinstance(table, EventsPart) else [table]
    locations = named.get(table.file, ()) if table.file is not None else files.get(kind, ())
    form = mapping.format_of(table.file or kind)
    if table.query is not None and not any(map(is_database, locations)):
        if locations or (named and table.file is None):
            yield from (Input(kind, one, form, None, query) for one in unfolded)
        return
    for one in unfolded:
        yield from (Input(kind, one, form, location, short_name(location)) for location in locations)


def _require_readers(mapping: SourceMapping, files: Files, named: Files, tables: Sequence[Table], asks: bool) -> None:
    names = [table.file for table in tables if table.file is not None]
    for kind in KINDS:
        if asks and files.get(kind) and kind in named:
            raise UsageError(f"--{kind} and --file {kind}=… give two files one name; give the second another one")
    for name in named:
        if name not in names and (names or not asks) and not any(_reads(table, name) for table in tables):
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]}?" if close else f"its tables read {', '.join(names) or 'no named file'}"
            raise UsageError(f"--file {name}=…: no table of mapping {mapping.name} reads {name!r}; {hint}")
    for kind, some in files.items():
        if some and all(table.file is not None for table in mapping.tables(kind)):
            raise UsageError(
                f"all tables [{kind}] of mapping {mapping.name} name their file; give it by --file NAME=PATH"
            )


def _reads(table: Table, name: str) -> bool:
    """Whether the query of a table reads the file of that name; one that is no SQL may read any."""
    if table.query is None:
        return False
    read = _read_by(table.query)
    return read is None or name.lower() in read


@lru_cache(maxsize=64)
def _read_by(query: str) -> frozenset[str] | None:
    """Names of tables that a query reads, in small letters; None for what is no SQL. To ask takes an engine of its own,
    and a mapping asks of each of its queries for each of its files."""
    # Imported late: a server reads mappings' rules too, and never needs the engine.
    import duckdb

    try:
        with engine() as con:
            return frozenset(read.lower() for read in con.get_table_names(query))
    except duckdb.Error:
        return None
