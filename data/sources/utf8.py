"""The bytes of a text file as UTF-8, block by block: plain, gzipped or alone in a zip archive, in any encoding."""

from __future__ import annotations

import codecs
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from data.contract import DataError

BLOCK = 4 << 20


class Readable(Protocol):
    """What gives bytes."""

    def read(self, size: int, /) -> bytes:
        """At most so many."""


MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks and what they say; a longer one before its beginning."""


def utf8_blocks(path: Path, encoding: str | None = None) -> Iterator[bytes]:
    """Blocks of about BLOCK bytes, without a byte order mark; a mark says more than `encoding`, and without both the
    bytes are taken for UTF-8 as they stand. Raises DataError for a file that cannot be read to its end.
    """
    with opened(path) as file:
        first = file.read(BLOCK)
        mark = next((mark for mark in MARKS if first.startswith(mark)), b"")
        encoding = MARKS.get(mark, encoding)
        if encoding is None or codecs.lookup(encoding).name == "utf-8":
            yield from _plain(first.removeprefix(codecs.BOM_UTF8), file)
        else:
            yield from _recoded(path, first, file, encoding)


def _plain(first: bytes, file: Readable) -> Iterator[bytes]:
    block = first
    while block:
        yield block
        block = file.read(BLOCK)


def _recoded(path: Path, first: bytes, file: Readable, encoding: str) -> Iterator[bytes]:
    decoder, block, end = codecs.getincrementaldecoder(encoding)(), first, False
    try:
        while not end:
            end = not block
            yield decoder.decode(block, end).encode()
            block = b"" if end else file.read(BLOCK)
    except UnicodeError as error:
        reason = str(error).splitlines()[0][:120]
        raise DataError(f"{path} is no {encoding} to its end ({reason}); correct encoding in the mapping") from None


@contextmanager
def opened(path: Path) -> Iterator[Readable]:
    """The file, what is in it where it is gzipped, or the one file in an archive. Raises DataError.

    How it is packed is what its first bytes say, whatever it is called.
    """
    try:
        packing = packing_of(path)
        if packing == "zip":
            with zipfile.ZipFile(path) as archive, archive.open(_only_member(path, archive)) as file:
                yield file
        else:
            with gzip.open(path) if packing == "gzip" else path.open("rb") as file:
                yield file
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} is no whole {packing} file ({error}); nothing was ingested, export it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); nothing was ingested") from None


def packing_of(path: Path) -> Literal["gzip", "zip"] | None:
    """How a file is packed."""
    with path.open("rb") as file:
        begin = file.read(4)
    return "gzip" if begin.startswith(b"\x1f\x8b") else "zip" if begin.startswith(b"PK\x03\x04") else None


def member_name(path: Path) -> str:
    """The name of the one file in an archive. Raises DataError where there is none, or another one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _only_member(path, archive)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path} is no whole zip file ({error}); nothing was ingested, export it again") from None


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise DataError(f"{path} holds {len(names)} files ({', '.join(names[:3])}); unpack it and name the one to read")
    return names[0]
