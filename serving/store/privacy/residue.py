"""What deleting leaves behind in a file of SQLite's: copies of rows in parts of its pages that no row is in.

`secure_delete` zeroes what is deleted, pages that become free and all behind a long row. Where a page was split, what
moved to another one stays in it until something is written there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator

from serving.store.database.store_file import StoreFile

INNER, LEAVES = (2, 5), (10, 13)
"""First bytes of pages of a tree; see https://www.sqlite.org/fileformat2.html#b_tree_pages"""
HEADER = 100
"""Bytes of the file before its first page's own."""


def is_left(file: StoreFile, lead_ids: Collection[str]) -> bool:
    """Whether the bytes of an id are where no row is; they may be another lead's, whose id is longer.

    Rows that are there are not looked at: an id as short as `7` is in every one of them.
    """
    written = {form.encode() for name in lead_ids for form in (name, json.dumps(name)[1:-1])}
    return any(form in part for part in parts_without_rows(file.read) for form in written)


def parts_without_rows(read: Callable[[int, int], bytes]) -> Iterator[bytes]:
    """The parts of a database in which no row is, page by page. read: gives bytes from a place on, so many."""
    size = _number(read(0, HEADER), 16)
    size, start = 65_536 if size == 1 else size, 0
    while len(page := read(start, size)) == size:
        head = HEADER if start == 0 else 0
        start += size
        if page[head] not in (*INNER, *LEAVES):
            continue
        pointers = head + (12 if page[head] in INNER else 8)
        first_row = _number(page, head + 5) or 65_536
        yield page[pointers + 2 * _number(page, head + 3) : first_row]
        yield from _freed(page, _number(page, head + 1))


def _freed(page: bytes, at: int) -> Iterator[bytes]:
    """Parts between rows that were freed: a list, in ascending order, of which each part says where the next one is."""
    while 0 < at < len(page) - 4:
        following = _number(page, at)
        yield page[at + 4 : at + _number(page, at + 2)]
        at = following if following > at else 0


def _number(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 2], "big")
