"""Takes leads out of a file of separated values, and leaves every other byte as it is."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from data.contract import DataError
from data.erasure.lead_ids import LeadIds, is_heading

DELIMITERS = ",;\t|"
BOM = "\ufeff"
MOST_LINES = 1_000
"""Of one row: more of them mean a quote that is never closed, and rows of others behind it."""


def without_rows(path: Path, draft: Path, ids: LeadIds) -> int:
    """Writes the rows that are about nobody of these leads.

    A row too long or too short for its heading goes when any of its cells is the id, unless that stands first.
    Raises DataError for a quote that is never closed.
    """
    gone = 0
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        first = file.readline().removeprefix(BOM)
        delimiter, header = _header(first)
        places = [place for place, name in enumerate(header) if is_heading(name)]
        if not places:
            return _none_elsewhere(file, first, ids)
        file.seek(0)
        with draft.open("wb") as out:
            for row, lines in _rows(file, delimiter):
                cells = [row[place] for place in places] if len(row) == len(header) or places == [0] else row
                if any(map(ids.is_cell, cells)):
                    gone += 1
                else:
                    out.write(lines.encode("utf-8", "surrogateescape"))
    return gone


def _none_elsewhere(file: TextIO, first: str, ids: LeadIds) -> int:
    """0 where no cell of a list without a column of ids is one. Raises DataError: which row it is."""
    if "\0" in first:
        raise DataError("it is no list in UTF-8")
    file.seek(0)
    for number, line in enumerate(file, start=1):
        if any(
            ids.is_cell(cell.strip('"')) for delimiter in DELIMITERS for cell in line.rstrip("\r\n").split(delimiter)
        ):
            raise DataError(f"line {number} has the id in a column that is not called lead_id")
    return 0


def _header(line: str) -> tuple[str, Sequence[str]]:
    """The delimiter under which a column of ids is found, and the names of the columns."""
    for delimiter in DELIMITERS:
        names = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
        if any(map(is_heading, names)):
            return delimiter, names
    return ",", []


def _rows(file: TextIO, delimiter: str) -> Iterator[tuple[list[str], str]]:
    """Cells of each row, and its lines as they stand in the file."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in file:
            taken.append(line)
            yield line

    try:
        for row in csv.reader(lines(), delimiter=delimiter):
            if len(taken) > MOST_LINES:
                raise DataError("a quote in it is never closed")
            yield row, "".join(taken)
            taken.clear()
    except csv.Error as error:
        raise DataError(f"its rows cannot be told apart: {error}") from None
