"""A list as separated values: in the plain form that programs read, and in the form that German spreadsheets open."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from data.csv_safety import inert
from serving.messages.times import EPOCH
from serving.pages.exports.columns import Column, Kind, Row, Value


@dataclass(frozen=True)
class Form:
    """begins: bytes before the first row. decimal: the mark within numbers. time: as strftime has it."""

    begins: bytes
    delimiter: str
    decimal: str
    time: str


FORMS: Mapping[str, Form] = {
    "": Form(b"", ",", ".", "%Y-%m-%d %H:%M:%S"),
    "de": Form(b"\xef\xbb\xbf", ";", ",", "%d.%m.%Y %H:%M:%S"),
}
"""By the name in the address. Without the mark at its beginning Excel takes UTF-8 for another encoding."""


def pieces(columns: Sequence[Column], chunks: Iterable[list[Row]], form: Form) -> Iterator[bytes]:
    """UTF-8 bytes of the heading and of each chunk of rows; no cell is a formula, every row ends with CR LF."""
    writes = [_writer(column.kind, form) for column in columns]
    yield form.begins + _encoded([[inert(column.name) for column in columns]], form)
    for rows in chunks:
        cells = [
            ["" if value is None else write(value) for write, value in zip(writes, row, strict=True)] for row in rows
        ]
        yield _encoded(cells, form)


def _encoded(rows: list[list[str]], form: Form) -> bytes:
    page = io.StringIO()
    csv.writer(page, delimiter=form.delimiter, lineterminator="\r\n").writerows(rows)
    return page.getvalue().encode()


def _writer(kind: Kind, form: Form) -> Callable[[Value], str]:
    """How values of a kind are written."""
    kinds: Mapping[Kind, Callable[[Value], str]] = {
        "text": inert,
        "count": str,
        "share": lambda value: f"{value:.8f}".replace(".", form.decimal),
        "time": lambda value: _time(value, form),
    }
    return kinds[kind]


def _time(value: Value, form: Form) -> str:
    """Whole seconds. Years before 1000 have four digits too, which strftime does not write everywhere."""
    at = EPOCH + timedelta(seconds=int(value or 0) // 1_000_000)
    return at.strftime(form.time.replace("%Y", f"{at.year:04}"))
