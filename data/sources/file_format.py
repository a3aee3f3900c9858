"""How files are written, and what their columns are called beside the names that a mapping gives them."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from pydantic import Field, field_validator

from data.contract import DataError
from data.ids import NULL_WORDS
from data.sources.every_table import MappingTable, Words

TITLE_LINES = 20
"""How far down a header is looked for, to say where it stands."""


class FileFormat(MappingTable):
    """How files are written.

    delimiter: between fields, that of the header if missing. encoding: as Python names it; by the byte order mark, or
    UTF-8, if missing. skip: lines above the header, such as a report's title. header = false: the first line is a row,
    and columns are called "1", "2" … sheet: of a spreadsheet, the first if missing. rows: path of the list of rows in a
    JSON document. null_words: words that mean that nothing is known. optional: columns that may be missing.
    also_called: column -> other names that it has, in another language or an older export.
    """

    delimiter: str | None = Field(None, min_length=1, max_length=1)
    encoding: str | None = None
    skip: int = Field(0, ge=0)
    header: bool = True
    sheet: str | None = None
    rows: str | None = None
    null_words: tuple[str, ...] = NULL_WORDS
    optional: tuple[str, ...] = ()
    also_called: dict[str, Words] = Field({})

    @field_validator("delimiter")
    @classmethod
    def _plain_delimiter(cls, sign: str | None) -> str | None:
        if sign is not None and (not sign.isascii() or sign in '"\r\n'):
            raise ValueError('one ASCII character that is no quote and no line end, like ";"')
        return sign

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str | None) -> str | None:
        try:
            if name is not None and "a".encode(codecs.lookup(name).name).decode(name) == "a":
                return name
        except (LookupError, ValueError):
            pass
        if name is not None:
            raise ValueError("no encoding of texts; write one like latin-1, cp1252 or utf-16")
        return None

    @property
    def nothing(self) -> tuple[str, ...]:
        """Every text that means that nothing is known."""
        return ("", *self.null_words)

    def names_of(self, column: str) -> tuple[str, ...]:
        """All names that a column may have, its own first."""
        return (column, *self.also_called.get(column, ()))

    def own_names(self, names: Sequence[str]) -> list[str]:
        """The names of a file's columns as the mapping calls them. Of several that a column may have the first counts,
        and the others stay as they are.

        >>> FileFormat(also_called={"Record ID": ["Contact ID", "Datensatz-ID"]}).own_names(["Datensatz-ID", "Email"])
        ['Record ID', 'Email']
        """
        own = dict[str, str]()
        for column in self.also_called:
            name = next((name for name in self.names_of(column) if name in names), column)
            own[name] = column
        return [own.get(name, name) for name in names]

    def require_top(self, path: Path, lines: Iterable[Sequence[str]], columns: Sequence[str]) -> None:
        """Raises DataError where the columns are named further down, below a title. lines: below those to skip."""
        for above, names in enumerate(islice(lines, TITLE_LINES) if columns and self.header else ()):
            if set(columns) <= {*self.own_names(names)}:
                if above:
                    raise DataError(
                        f"{path}: the columns are named in line {self.skip + above + 1}, below a title; add "
                        f"skip = {self.skip + above} to the mapping"
                    )
                return
