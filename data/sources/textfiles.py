"""CSV and other files of lines, packed or not, as a stream of Arrow batches of numbered text rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.contract import DataError
from data.sources.file_format import TITLE_LINES
from data.sources.splitting import BROKEN, LINE_FEED, NOTHING, RETURN, Bytes, copy_field, next_line, split
from data.sources.utf8 import utf8_blocks

ROWS_AT_ONCE = 65_536
DELIMITERS = ",;\t|"
SEPARATOR = re.compile(rb"^\"?sep=(.)\"?[ ]*$", re.IGNORECASE)
"""The line with which Excel names the delimiter, above the header."""


@dataclass(frozen=True)
class Layout:
    """How rows are written. delimiter, quote: bytes, or NOTHING. fields: the names in the header, in order.
    columns: those that are wanted. header_lines: lines above the first row. nothing: texts that mean that nothing is
    known, which become null."""

    delimiter: int
    quote: int
    fields: tuple[str, ...]
    columns: tuple[str, ...]
    header_lines: int
    nothing: tuple[str, ...] = ()


WHOLE_LINES = Layout(NOTHING, NOTHING, ("line",), ("line",), header_lines=0)


@dataclass(frozen=True)
class Head:
    """The top of a CSV file. names: of the columns. lines: above the first row."""

    delimiter: str
    names: Sequence[str]
    lines: int

    def layout(self, columns: Sequence[str], nothing: Sequence[str] = ()) -> Layout:
        """How to read these columns."""
        return Layout(ord(self.delimiter), ord('"'), tuple(self.names), tuple(columns), self.lines, tuple(nothing))


def csv_head(
    path: Path,
    delimiter: str | None = None,
    encoding: str | None = None,
    columns: Sequence[str] = (),
    has_header: bool = True,
    skip: int = 0,
) -> Head:
    """The delimiter and the names of the columns of a file. skip: lines above the header, below a line `sep=;`.

    Without a delimiter, that of a line `sep=;`, else the first of DELIMITERS with which all `columns` are there, else
    the one that makes the most columns. Without a header columns are called "1", "2" and so on. Raises DataError for a
    header that is no UTF-8, cannot be split, or holds a name twice; columns without a name are many where a spreadsheet
    was saved with empty ones.
    """
    block = next(utf8_blocks(path, encoding), b"")
    end = _line_end(block)
    separator = SEPARATOR.match(block[:end].rstrip(b"\r\n"))
    line = _header(path, _line(block, bool(separator) + skip))
    if separator and delimiter is None:
        delimiter = separator[1].decode("latin-1")
    delimiter, names = _split_header(path, line, (delimiter,) if delimiter else DELIMITERS, columns)
    if not has_header:
        names = [str(place) for place in range(1, len(names) + 1)]
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise DataError(f"{path}: column {twice[0]!r} stands twice in the header; rename one of them")
    return Head(delimiter, names, bool(separator) + skip + has_header)


def _header(path: Path, line: bytes) -> str:
    """The text of a header. Raises DataError for one in another encoding, with the likely one."""
    try:
        if b"\0" not in line:
            return line.decode()
        likely = f'"utf-16-{"be" if line.startswith(bytes(1)) else "le"}" (as it seems)'
    except UnicodeDecodeError:
        likely = '"cp1252" (Windows, western Europe), or the one it is written in,'
    raise DataError(
        f"{path}: the header is no UTF-8; add encoding = {likely} to the mapping, or export it again as UTF-8"
    )


def top_lines(path: Path, encoding: str | None, skip: int) -> list[str]:
    """The first lines of a file below those to skip, as far as a glance goes."""
    return next(utf8_blocks(path, encoding), b"").decode(errors="replace").splitlines()[skip : skip + TITLE_LINES]


def _split_header(path: Path, line: str, delimiters: Iterable[str], columns: Sequence[str]) -> tuple[str, list[str]]:
    """The delimiter that finds the columns, or the most of any, and the names."""
    headers: dict[str, list[str]] = {}
    why: csv.Error | None = None
    for delimiter in delimiters:
        try:
            headers[delimiter] = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            why = error
    if not headers or (why and line.count('"') % 2):
        raise DataError(f"{path}: the header cannot be split ({why}); write it in one line")
    most = max(headers, key=lambda sign: (bool(columns) and set(columns) <= set(headers[sign]), len(headers[sign])))
    return most, headers[most]


def text_rows(path: Path, layout: Layout, encoding: str | None = None) -> pa.RecordBatchReader:
    """The rows of a file: `#row` (int64, 1 is the one below the header), `#why` (it could not be split, else null),
    `#plain` (each of its texts is its own id, by the rule of `id_from_text`) and the wanted columns as text, as they
    stand.

    Rows are counted as a spreadsheet does: a blank one has a number, but is left out. Memory is bounded by BLOCK and
    ROW_LIMIT. While it is read, DataError tells of a file that ends early.
    """
    return rows_of(utf8_blocks(path, encoding), layout)


def rows_of(blocks: Iterable[bytes], layout: Layout) -> pa.RecordBatchReader:
    """The same of blocks of UTF-8."""
    texts = [(name, pa.string()) for name in layout.columns]
    schema = pa.schema([("#row", pa.int64()), ("#why", pa.string()), ("#plain", pa.bool_()), *texts])
    return pa.RecordBatchReader.from_batches(schema, _batches(blocks, layout, schema))


def _batches(blocks: Iterable[bytes], layout: Layout, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    wanted = np.array([layout.columns.index(f) if f in layout.columns else -1 for f in layout.fields], np.int64)
    rows, rest, row, skipping = RowBuffer(len(layout.columns), layout.nothing), b"", 1, False
    for block, last in _below(blocks, layout.header_lines):
        buffer = np.frombuffer(rest + block + (b"\n" if last else b""), np.uint8)
        at, count = next_line(buffer, 0, last) if skipping else 0, ROWS_AT_ONCE
        if at < 0:
            rest = bytes(buffer[-1:]) if buffer[-1] == RETURN else b""
            continue
        while count == ROWS_AT_ONCE:
            count, at, row = split(buffer, at, last, row, layout.delimiter, layout.quote, wanted, *rows.arrays)
            if count:
                yield rows.batch(count, buffer, layout.quote, schema)
        # A row that was given up before its end was in sight is longer than allowed: its rest is no row.
        skipping = at == len(buffer) and buffer[-1] not in (LINE_FEED, RETURN)
        rest = bytes(buffer[at:])


class RowBuffer:
    """Room for where the fields of many rows stand."""

    def __init__(self, width: int, nothing: Sequence[str]) -> None:
        words = [word.encode() for word in nothing]
        self.words, self.ends = (
            np.frombuffer(b"".join(words), np.uint8),
            np.cumsum([len(word) for word in words], dtype=np.int64),
        )
        self.number = np.empty(ROWS_AT_ONCE, np.int64)
        self.begin, self.end = (np.zeros((ROWS_AT_ONCE, width), np.int64) for _ in range(2))
        self.doubled = np.zeros((ROWS_AT_ONCE, width), np.bool_)
        self.broken, self.plain = np.empty(ROWS_AT_ONCE, np.int8), np.empty(ROWS_AT_ONCE, np.bool_)
        self.reasons = pa.array(BROKEN, pa.string())

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        return self.number, self.begin, self.end, self.doubled, self.broken, self.plain

    def batch(self, rows: int, buffer: Bytes, quote: int, schema: pa.Schema) -> pa.RecordBatch:
        """The first `rows` of them as Arrow columns."""
        # The batch outlives the next split: nothing in it may share these arrays.
        why, plain = self.reasons.take(pa.array(self.broken[:rows])), pa.array(self.plain[:rows])
        columns = [pa.array(self.number[:rows].copy()), why, plain]
        for place in range(self.begin.shape[1]):
            begin, end = self.begin[:rows, place], self.end[:rows, place]
            offsets, text = np.empty(rows + 1, np.int32), np.empty(int((end - begin).sum()), np.uint8)
            known, doubled = np.empty(rows, np.bool_), self.doubled[:rows, place]
            copy_field(buffer, begin, end, doubled, quote, self.words, self.ends, offsets, text, known)
            valid = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
            columns.append(pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text), valid))
        return pa.record_batch(columns, schema=schema)


def _below(blocks: Iterable[bytes], header_lines: int) -> Iterator[tuple[bytes, bool]]:
    """The bytes below the header, and with each block whether it is the last."""
    source = iter(blocks)
    block = _without_lines(next(source, b""), header_lines)
    for following in filter(None, source):
        if block:
            yield block, False
        block = following
    if block:
        yield block, True


def _line(block: bytes, number: int) -> bytes:
    """A line, counted from 0, without its end."""
    rest = _without_lines(block, number)
    return rest[: _line_end(rest)].rstrip(b"\r\n")


def _without_lines(block: bytes, count: int) -> bytes:
    for _ in range(count):
        block = block[_line_end(block) :]
    return block


def _line_end(block: bytes) -> int:
    end = next_line(np.frombuffer(block, np.uint8), 0, True)
    return len(block) if end < 0 else end
