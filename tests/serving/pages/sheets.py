"""Reads sheets as others do: the bare XML of a workbook, and what LibreOffice makes of a file."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
WITHIN = re.compile(r"_x([0-9A-Fa-f]{4})_")


@dataclass(frozen=True)
class Cell:
    """kind: text, number, percentage, date, formula, or nothing. value: as the file has it."""

    kind: str
    value: str = ""


def cells_of(workbook: bytes) -> list[list[Cell]]:
    """The first sheet of an Excel workbook by rows; every part of it must be well-formed."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        trees = {name: ElementTree.fromstring(parts.read(name)) for name in parts.namelist()}
    formats = _formats(trees["xl/styles.xml"])
    assert not trees["xl/worksheets/sheet1.xml"].findall(f".//{MAIN}hyperlink")
    rows = trees["xl/worksheets/sheet1.xml"].findall(f".//{MAIN}row")
    return [[_cell(text, formats) for text in row.findall(f"{MAIN}c")] for row in rows]


def _cell(cell: ElementTree.Element, formats: list[str]) -> Cell:
    if cell.find(f"{MAIN}f") is not None:
        return Cell("formula", cell.findtext(f"{MAIN}f") or "")
    if cell.get("t") == "inlineStr":
        return Cell("text", WITHIN.sub(lambda match: chr(int(match[1], 16)), cell.findtext(f"{MAIN}is/{MAIN}t") or ""))
    form = formats[int(cell.get("s", "0"))]
    kind = "date" if "yy" in form else "percentage" if "%" in form else "number"
    return Cell(kind, cell.findtext(f"{MAIN}v") or "")


def _formats(styles: ElementTree.Element) -> list[str]:
    codes = {form.get("numFmtId"): form.get("formatCode", "") for form in styles.iter(f"{MAIN}numFmt")}
    cells = styles.find(f"{MAIN}cellXfs")
    return [] if cells is None else [codes.get(cell.get("numFmtId"), "") for cell in cells]


def opened(path: Path, *options: str) -> list[list[Cell]]:
    """The first sheet of a file as LibreOffice understands it, without empty rows and cells at the ends."""
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("there is no soffice; install Debian's package libreoffice-calc-nogui")
    out = path.parent / "opened"
    own = f"-env:UserInstallation=file://{path.parent / 'office'}"
    words = [office, own, "--headless", *options, "--convert-to", "fods", "--outdir", str(out), str(path)]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    tree = ElementTree.parse(out / f"{path.stem}.fods")
    table = tree.find(f".//{TABLE}table")
    assert table is not None
    return [row for row in (_row(element) for element in table.iter(f"{TABLE}table-row")) if row]


def _row(row: ElementTree.Element) -> list[Cell]:
    cells: list[Cell] = []
    for cell in row:
        repeated = int(cell.get(f"{TABLE}number-columns-repeated", "1"))
        cells += [_understood(cell)] * (repeated if repeated < 1000 else 0)
    while cells and cells[-1].kind == "nothing":
        cells.pop()
    return cells


def _understood(cell: ElementTree.Element) -> Cell:
    kind = cell.get(f"{OFFICE}value-type")
    if cell.get(f"{TABLE}formula") is not None:
        return Cell("formula", cell.get(f"{TABLE}formula", ""))
    if kind is None:
        return Cell("nothing")
    if kind == "string":
        return Cell("text", "\n".join("".join(part.itertext()) for part in cell.iter(f"{TEXT}p")))
    name = {"float": "number"}.get(kind, kind)
    return Cell(name, cell.get(f"{OFFICE}date-value") or cell.get(f"{OFFICE}value") or "")
