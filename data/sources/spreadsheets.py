"""Sheets of Excel and OpenDocument files, as a stream of Arrow batches of numbered texts."""

from __future__ import annotations

import datetime
import json
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from data.contract import DataError
from data.sources.file_format import TITLE_LINES, FileFormat
from data.sources.typed import text_of_float

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

ROWS_AT_ONCE = 10_000
UNPACKED = 1 << 30
"""Bytes that a spreadsheet may unpack to: it is held in memory as a whole."""


def sheet_names(path: Path, form: FileFormat, columns: Sequence[str] = ()) -> list[str]:
    """The names of the columns: what stands in the first row, or "1", "2" and so on. columns: those that must be there,
    to say in which row they are named. Raises DataError.
    """
    top = _top(_opened(path, form.sheet), form)
    if form.sheet is None and form.header:
        _require_no_other(path, form, top, columns)
    form.require_top(path, top, columns)
    return _names(path, form, top)


def _names(path: Path, form: FileFormat, top: Sequence[Sequence[str]]) -> list[str]:
    first = top[0] if top else []
    if not form.header:
        return [str(place) for place in range(1, len(first) + 1)]
    twice = [name for name in first if name and first.count(name) > 1]
    if twice:
        raise DataError(f"{path}: column {twice[0]!r} stands twice in the header; rename one of them")
    return form.own_names(first)


def sheet_rows(path: Path, form: FileFormat, columns: Sequence[str]) -> pa.RecordBatchReader:
    """`#row` (int64, 1 is the one below the header), `#why` (always null) and the wanted columns as text.

    Times are written in ISO 8601 without a zone, dates without a time of day as dates. Empty rows are left out.
    """
    sheet = _opened(path, form.sheet)
    names = _names(path, form, _top(sheet, form))
    schema = pa.schema([("#row", pa.int64()), ("#why", pa.string()), *((name, pa.string()) for name in columns)])
    above = form.skip + form.header
    rows = enumerate(islice(sheet.iter_rows(), above, None), start=1)
    places = [names.index(name) for name in columns]
    return pa.RecordBatchReader.from_batches(schema, _batches(rows, places, schema))


def _batches(
    rows: Iterator[tuple[int, list[Any]]], places: Sequence[int], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    while chunk := list(islice(rows, ROWS_AT_ONCE)):
        filled = [(number, cells) for number, cells in chunk if any(cell != "" for cell in cells)]
        texts = [pa.array([_text(cells[place]) for _, cells in filled], pa.string()) for place in places]
        numbers = pa.array([number for number, _ in filled], pa.int64())
        yield pa.record_batch([numbers, pa.nulls(len(filled), pa.string()), *texts], schema=schema)


def _require_no_other(path: Path, form: FileFormat, top: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    """Another sheet is meant where the first lacks columns, a cover perhaps, and perhaps where it holds the same table,
    as of an export of more rows than a sheet takes: that is told by its name.
    """
    first, *others = _book(path).sheet_names
    wanted = columns or form.own_names([name for name in (top[0] if top else ()) if name])
    state, why = "lacks columns of the mapping", "has all of them"
    if _has(top, form, wanted):
        state, why = "would be read alone", "holds the same columns"
    for sheet in others:
        if _has(_top(_opened(path, sheet), form), form, wanted):
            remedy = f"sheet {sheet!r} {why}: sheet = {json.dumps(sheet, ensure_ascii=False)} in the mapping"
            raise DataError(f"{path}: sheet {first!r} {state}; {remedy}")


def _has(top: Sequence[Sequence[str]], form: FileFormat, columns: Sequence[str]) -> bool:
    return any(set(columns) <= {*form.own_names(row)} for row in top)


def _top(sheet: CalamineSheet, form: FileFormat) -> list[list[str]]:
    rows = islice(sheet.iter_rows(), form.skip, form.skip + TITLE_LINES)
    return [[_text(cell) or "" for cell in row] for row in rows]


def _opened(path: Path, sheet: str | None) -> CalamineSheet:
    book = _book(path)
    names = book.sheet_names
    if sheet is not None and sheet not in names:
        raise DataError(f"{path} has no sheet {sheet!r}; it has {', '.join(names)}: correct sheet in the mapping")
    return book.get_sheet_by_name(sheet or names[0])


def _book(path: Path) -> CalamineWorkbook:
    import python_calamine

    _require_bounded(path)
    try:
        book = python_calamine.CalamineWorkbook.from_path(path)
        if not book.sheet_names:
            raise DataError(f"{path} holds no sheet; save it again")
        return book
    except python_calamine.PasswordError:
        raise DataError(f"{path} is protected by a password; save it without one") from None
    except (python_calamine.CalamineError, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        raise DataError(f"{path} is no spreadsheet that can be read ({reason}); save it again, or as CSV") from None


def _require_bounded(path: Path) -> None:
    """A small file may unpack to more than there is memory."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > UNPACKED:
        raise DataError(f"{path} unpacks to {size >> 20} MiB, {UNPACKED >> 20} are read; save it as CSV")


def _text(cell: Any) -> str | None:
    if isinstance(cell, float):
        return text_of_float(cell)
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ")
    return None if cell == "" else str(cell)
