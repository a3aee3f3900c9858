"""Takes leads out of an Excel workbook: rows of sheets, and the texts that only those rows had."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from html import unescape
from pathlib import Path

from data.contract import DataError
from data.erasure.lead_ids import LeadIds, is_heading

SHEET, TEXTS = re.compile(r"xl/worksheets/[^/]+\.xml"), "xl/sharedStrings.xml"
ROW = re.compile(r"<row\b[^>]*?(?:/>|>.*?</row>)", re.DOTALL)
CELL = re.compile(r"<c\b([^>]*?)(?:/>|>(.*?)</c>)", re.DOTALL)
COLUMN, SHARED = re.compile(r'\br="([A-Z]+)'), re.compile(r'\bt="s"')
TEXT, VALUE, ENTRY = (re.compile(rf"<{tag}\b[^>/]*>(.*?)</{tag}>", re.DOTALL) for tag in ("t", "v", "si"))
ANY_ENTRY = re.compile(r"<si\b[^>]*?(?:/>|>.*?</si>)", re.DOTALL)
LARGEST = 2**30
"""Bytes that a part of a workbook may have when it is unpacked."""


def without_rows(path: Path, draft: Path, ids: LeadIds) -> int:
    """Writes a workbook without the rows that are about these leads. Raises DataError where it is none."""
    try:
        with zipfile.ZipFile(path) as book:
            parts = {info: _unpacked(book, info) for info in book.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise DataError(f"it is no workbook: {error}") from None
    names = {info.filename: info for info in parts}
    texts = _entries(parts[names[TEXTS]].decode()) if TEXTS in names else []
    gone, used = 0, set[int]()
    for info in [info for name, info in names.items() if SHEET.fullmatch(name)]:
        sheet, theirs, texts_used = _sheet(parts[info].decode(), texts, ids)
        gone, used = gone + theirs, used | texts_used
        parts[info] = sheet.encode() if theirs else parts[info]
    if gone and texts:
        parts[names[TEXTS]] = _emptied(parts[names[TEXTS]].decode(), used).encode()
    if gone:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as out:
            for info, content in parts.items():
                out.writestr(info, content)
    return gone


def _unpacked(book: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > LARGEST:
        raise DataError(f"a part of it has {info.file_size} bytes")
    return book.read(info)


def _sheet(text: str, shared: Sequence[str], ids: LeadIds) -> tuple[str, int, set[int]]:
    """A sheet without the rows of these leads, how many those were, and which shared texts the others use.

    A workbook may be a text for spreadsheets that somebody has saved as one, where `'=1` was the lead `=1`. Nothing in
    it tells, and a person's data must not stay: such a row goes with either lead.
    """
    columns: set[str] = set()
    gone, used = 0, set[int]()

    def kept(match: re.Match[str]) -> str:
        nonlocal gone, columns
        cells = [_cell(attributes, content, shared) for attributes, content in CELL.findall(match[0])]
        theirs = {column for column, value, _ in cells if ids.is_cell(value) or ids.is_value(value)}
        if not columns:
            columns = {column for column, value, _ in cells if is_heading(value)}
            if theirs and not columns:
                raise DataError("a column that is not called lead_id has the id")
        elif theirs & columns:
            gone += 1
            return ""
        used.update(place for _, _, place in cells if place is not None)
        return match[0]

    return ROW.sub(kept, text), gone, used


def _cell(attributes: str, content: str, shared: Sequence[str]) -> tuple[str, str, int | None]:
    """Column, text, and which shared text that is."""
    column, value = COLUMN.search(attributes), VALUE.search(content)
    name = column[1] if column else ""
    if SHARED.search(attributes) and value and value[1].isdecimal() and int(value[1]) < len(shared):
        return name, shared[int(value[1])], int(value[1])
    return name, _joined(content) or (unescape(value[1]) if value else ""), None


def _entries(text: str) -> list[str]:
    return [_joined(entry) for entry in ANY_ENTRY.findall(text)]


def _joined(content: str) -> str:
    return "".join(map(unescape, TEXT.findall(content)))


def _emptied(text: str, used: set[int]) -> str:
    """Shared texts without those that no cell shows any more; the others keep their places."""
    places = iter(range(len(text)))
    return ANY_ENTRY.sub(lambda match: match[0] if next(places) in used else "<si><t></t></si>", text)
