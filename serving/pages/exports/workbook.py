"""A list as an Excel workbook: real numbers, shares and times, text that is never a formula; memory stays small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from data.temporary import temporary_folder
from features.numbers_in_words import Language, number
from serving.messages.times import iso
from serving.pages.exports.columns import Column, Kind, Row, Value

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

MOST = 1_048_575
"""Rows that a sheet can have below its heading."""
OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}
TIMES: Mapping[Language, str] = {"en": "yyyy-mm-dd hh:mm", "de": "dd.mm.yyyy hh:mm"}
FIRST = 61
"""Day 61 of spreadsheets is 1 March 1900; what lies before is counted differently by each of them."""
DAYS_TO_1970 = 25_569
Write = Callable[[int, int, Value], object]


def workbook(columns: Sequence[Column], chunks: Iterable[list[Row]], title: str, language: Language) -> BinaryIO:
    """An open file without a name: nothing is left of it when it is closed, or when the process is killed.

    Raises OverflowError when there are more rows than a sheet can have, OSError when the disk is full.
    """
    with temporary_folder("export") as folder:
        path = folder / "list.xlsx"
        _write(path, str(folder), columns, chunks, title, language)
        return path.open("rb")


def _write(
    path: Path, folder: str, columns: Sequence[Column], chunks: Iterable[list[Row]], title: str, language: Language
) -> None:
    # Takes a while to import, and only an export needs it.
    from xlsxwriter import Workbook

    book = Workbook(str(path), {**OPTIONS, "tmpdir": folder})
    sheet = book.add_worksheet(title)
    try:
        writes = _prepared(book, sheet, columns, language)
        sheet.autofilter(0, 0, max(_fill(sheet, writes, chunks), 1), len(columns) - 1)
    except BaseException:
        sheet.row_data_fh.close()
        raise
    book.close()


def _prepared(book: Any, sheet: Worksheet, columns: Sequence[Column], language: Language) -> list[Write]:
    """Writes the heading, which stays in sight; how values of each column are written."""
    look: Mapping[Kind, str] = {"text": "@", "count": "0", "share": "0.0%", "time": TIMES[language]}
    sides: Mapping[bool, dict[str, str | int]] = {True: {"align": "left", "indent": 1}, False: {"align": "right"}}
    formats = {
        kind: book.add_format({"num_format": number_format, **sides[kind == "text"]})
        for kind, number_format in look.items()
    }
    head = {side: book.add_format({"bold": True, "text_wrap": True, "bottom": 1, **sides[side]}) for side in sides}
    sheet.freeze_panes(1, 1)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width)
        sheet.write_string(0, place, column.name, head[column.kind == "text"])
    return [_writer(sheet, column.kind, formats) for column in columns]


def _fill(sheet: Worksheet, writes: Sequence[Write], chunks: Iterable[list[Row]]) -> int:
    """Writes all rows; how many there were."""
    count = 0
    for rows in chunks:
        if count + len(rows) > MOST:
            raise OverflowError(f"a sheet has {number(MOST)} rows at most")
        for row in rows:
            count += 1
            for place, value in enumerate(row):
                if value is not None and value != "":
                    writes[place](count, place, value)
    return count


def _writer(sheet: Worksheet, kind: Kind, formats: Mapping[Kind, Format]) -> Write:
    """How values of a kind are written. Never by `write`, which guesses what a text might be."""
    if kind == "text":
        return lambda row, place, value: sheet.write_string(row, place, _plain(str(value)), formats["text"])
    if kind == "time":
        return lambda row, place, value: _write_time(sheet, row, place, int(value or 0), formats)
    return lambda row, place, value: sheet.write_number(row, place, float(value or 0), formats[kind])


def _write_time(sheet: Worksheet, row: int, place: int, at: int, formats: Mapping[Kind, Format]) -> None:
    day = at // 1_000_000 / 86_400 + DAYS_TO_1970
    if day < FIRST:
        sheet.write_string(row, place, iso(at), formats["text"])
    else:
        sheet.write_number(row, place, day, formats["time"])


def _plain(text: str) -> str:
    """What looks like the library's own mark-up would be copied into the sheet as it is.

    >>> _plain("<r>a</r>"), _plain("<r>a")
    ("'<r>a</r>", '<r>a')
    """
    return f"'{text}" if text.startswith("<r>") and text.endswith("</r>") else text
