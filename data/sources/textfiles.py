"""CSV and JSON lines files, plain or gzipped, as a stream of Arrow batches of numbered text rows."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.contract import DataError
from data.sources.splitting import BROKEN, LINE_FEED, NOTHING, RETURN, Bytes, copy_field, next_line, split

BLOCK = 4 << 20
ROWS_AT_ONCE = 65_536
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Layout:
    """How rows are written. delimiter, quote: bytes, or NOTHING. fields: the names in the header, in order.
    columns: those that are wanted. header_lines: lines above the first row."""

    delimiter: int
    quote: int
    fields: tuple[str, ...]
    columns: tuple[str, ...]
    header_lines: int


WHOLE_LINES = Layout(NOTHING, NOTHING, ("line",), ("line",), header_lines=0)


def csv_layout(header: Sequence[str], columns: Sequence[str], delimiter: str) -> Layout:
    """A CSV file with this header."""
    return Layout(ord(delimiter), ord('"'), tuple(header), tuple(columns), header_lines=1)


def csv_header(path: Path, delimiter: str) -> list[str]:
    """The column names in the first line. Raises DataError for one that is no UTF-8, or a name that stands twice."""
    block, _ = next(_blocks(path), (b"", True))
    try:
        text = block[: _header_end(block)].rstrip(b"\r\n").decode()
        header = next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except UnicodeDecodeError:
        raise DataError(f"{path}: the header is no UTF-8; export it again as UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{path}: the header cannot be split ({error}); write it in one line") from None
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise DataError(f"{path}: column {twice[0]!r} stands twice in the header; rename one of them")
    return header


def text_rows(path: Path, layout: Layout) -> pa.RecordBatchReader:
    """The rows of a file: `#row` (int64, 1 is the one below the header), `#why` (it could not be split, else null) and
    the wanted columns as text, as they stand.

    Rows are counted as a spreadsheet does: a blank one has a number, but is left out. Memory is bounded by BLOCK and
    ROW_LIMIT. While it is read, DataError tells of a file that ends early.
    """
    texts = [(name, pa.string()) for name in layout.columns]
    schema = pa.schema([("#row", pa.int64()), ("#why", pa.string()), *texts])
    return pa.RecordBatchReader.from_batches(schema, _batches(path, layout, schema))


def _batches(path: Path, layout: Layout, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    wanted = np.array([layout.columns.index(f) if f in layout.columns else -1 for f in layout.fields], np.int64)
    rows, rest, row, skipping = RowBuffer(len(layout.columns)), b"", 1, False
    for block, last in _blocks(path, layout.header_lines):
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

    def __init__(self, width: int) -> None:
        self.number = np.empty(ROWS_AT_ONCE, np.int64)
        self.begin, self.end = (np.zeros((ROWS_AT_ONCE, width), np.int64) for _ in range(2))
        self.doubled = np.zeros((ROWS_AT_ONCE, width), np.bool_)
        self.broken = np.empty(ROWS_AT_ONCE, np.int8)
        self.reasons = pa.array(BROKEN, pa.string())

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        return self.number, self.begin, self.end, self.doubled, self.broken

    def batch(self, rows: int, buffer: Bytes, quote: int, schema: pa.Schema) -> pa.RecordBatch:
        """The first `rows` of them as Arrow columns."""
        # The batch outlives the next split: nothing in it may share these arrays.
        columns = [pa.array(self.number[:rows].copy()), self.reasons.take(pa.array(self.broken[:rows]))]
        for place in range(self.begin.shape[1]):
            begin, end = self.begin[:rows, place], self.end[:rows, place]
            offsets, text = np.empty(rows + 1, np.int32), np.empty(int((end - begin).sum()), np.uint8)
            copy_field(buffer, begin, end, self.doubled[:rows, place], quote, offsets, text)
            columns.append(pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text)))
        return pa.record_batch(columns, schema=schema)


def _blocks(path: Path, header_lines: int = 0) -> Iterator[tuple[bytes, bool]]:
    """The bytes below the header, without a byte order mark, and with each block whether it is the last."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            block = file.read(BLOCK).removeprefix(BOM)
            block, following = block[_header_end(block) :] if header_lines else block, file.read(BLOCK)
            while block or following:
                if block:
                    yield block, not following
                block, following = following, file.read(BLOCK)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is no whole gzip file ({error}); nothing was ingested, export it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); nothing was ingested") from None


def _header_end(block: bytes) -> int:
    end = next_line(np.frombuffer(block, np.uint8), 0, True)
    return len(block) if end < 0 else end
