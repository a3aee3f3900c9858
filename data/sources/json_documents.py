"""JSON files as lines, one row each: JSON lines as they stand, the elements of a list, the rows inside a document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit
from data.contract import DataError
from data.sources.splitting import LINE_FEED, RETURN, Bytes
from data.sources.utf8 import utf8_blocks

DOCUMENT_LIMIT = 64 << 20
"""Bytes of a document that is read whole; lists and lines may have any size."""
NESTED = 3
"""So deep rows are looked for in a document."""
BLANK, TAB, QUOTE, COMMA, BACKSLASH = (ord(sign) for sign in ' \t",\\')
OPEN, CLOSE, OPEN_OBJECT, CLOSE_OBJECT = (ord(sign) for sign in "[]{}")
BEFORE, INSIDE, AFTER, WRONG = range(4)
"""Where a scan is: before the list, inside, behind it, or at something that does not belong there."""


def json_lines(
    path: Path, encoding: str | None = None, rows: str | None = None, columns: Sequence[str] = ()
) -> Iterator[bytes]:
    """Blocks of lines, a JSON value each.

    A list gives its elements; an object its list `rows` (a path like `data.items`), else, where it has none of the
    `columns` itself, its only list of objects that has one; objects line by line stay as they are. Raises DataError
    for a list that does not end, a document that is none, too large, or with several lists.
    """
    blocks = utf8_blocks(path, encoding)
    first = next(blocks, b"")
    start = first.lstrip()[:1]
    if start == b"[" and rows is None:
        return _elements(path, chain([first], blocks))
    if rows is None and _is_first_of_lines(first):
        return chain([first], blocks)
    return iter([_rows_of(path, first, blocks, rows, columns)])


def _is_first_of_lines(block: bytes) -> bool:
    """Whether an object ends with its line, and another one begins."""
    line, _, rest = block.lstrip().partition(b"\n")
    if not rest.lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        # A broken line does not make a document of what has objects in the lines after it.
        return any(_is_object(line) for line in rest.splitlines()[:100])


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _rows_of(path: Path, first: bytes, blocks: Iterator[bytes], name: str | None, columns: Sequence[str]) -> bytes:
    whole = bytearray(first)
    for block in blocks:
        whole += block
        if len(whole) > DOCUMENT_LIMIT:
            raise DataError(
                f"{path} is one JSON document of more than {DOCUMENT_LIMIT >> 20} MiB; export it as a list or as JSON "
                "lines, in pages, or take its rows out with jq"
            )
    try:
        document = json.loads(whole)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON ({str(error)[:120]}); nothing was ingested, export it again") from None
    rows = _named_rows(path, document, name) if name else _found_rows(path, document, columns)
    return b"\n".join(json.dumps(row, ensure_ascii=True).encode() for row in rows)


def _named_rows(path: Path, document: Any, name: str) -> list[Any]:
    value = next(values_at(document, name), None)
    if not isinstance(value, list):
        lists = ", ".join(dict(_lists(document))) or "no list of objects"
        raise DataError(f"{path} has no list {name!r}; it has {lists}: correct rows in the mapping")
    return value


def _found_rows(path: Path, document: Any, columns: Sequence[str]) -> list[Any]:
    lists = {
        name: rows
        for name, rows in _lists(document)
        if any(_has(row, column) for row in rows[:1000] for column in columns)
    }
    if not lists or any(_has(document, column) for column in columns):
        return [document]
    if len(lists) > 1:
        raise DataError(f'{path} holds lists {", ".join(lists)}; say which are the rows: rows = "{next(iter(lists))}"')
    return next(iter(lists.values()))


def _lists(value: Any, name: str = "", depth: int = NESTED) -> Iterator[tuple[str, list[Any]]]:
    """Lists of objects in a document, by path."""
    if isinstance(value, list) and any(isinstance(row, dict) for row in value):
        yield name, value
    elif isinstance(value, dict) and depth:
        for key, inner in value.items():
            yield from _lists(inner, f"{name}.{key}" if name else key, depth - 1)


def paths_of(name: str) -> list[list[str]]:
    """What a name may mean: the key itself, then a path of keys between points, then between slashes.

    >>> paths_of("geo.country")
    [['geo.country'], ['geo', 'country']]
    """
    return [[name], *([*name.split(sign)] for sign in "./" if sign in name)]


def values_at(value: Any, name: str) -> Iterator[Any]:
    """What stands in a JSON value under a name, for each of its meanings under which something does, be it null."""
    for keys in paths_of(name):
        inner = value
        for key in keys:
            inner = inner.get(key, KeyError) if isinstance(inner, dict) else KeyError
        if inner is not KeyError:
            yield inner


def _has(value: Any, name: str) -> bool:
    return any(True for _ in values_at(value, name))


def _elements(path: Path, blocks: Iterator[bytes]) -> Iterator[bytes]:
    state = np.zeros(5, np.int64)
    for block in blocks:
        out = np.empty(len(block) + 1, np.uint8)
        written = elements(np.frombuffer(block, np.uint8), state, out)
        if state[0] == WRONG:
            raise DataError(f"{path} is no JSON list: something stands behind its end; export it again")
        yield out[:written].tobytes()
    if state[0] != AFTER:
        raise DataError(f"{path} ends inside its list; nothing was ingested, export it again")


@njit()
def elements(block: Bytes, state: NDArray[np.int64], out: Bytes) -> int:
    """Writes the elements of a list, each with a line feed behind it, and returns how many bytes that are.

    state: where the scan is, depth below the list, whether inside a text, whether behind a backslash, and whether an
    element has begun; it goes from block to block.
    """
    where, depth, is_text, is_escaped, begun = state
    n = 0
    for sign in block:
        if where == INSIDE and is_text:
            out[n] = sign
            n += 1
            if is_escaped:
                is_escaped = 0
            elif sign == BACKSLASH:
                is_escaped = 1
            elif sign == QUOTE:
                is_text = 0
        elif sign in (BLANK, TAB, LINE_FEED, RETURN):
            continue
        elif where == BEFORE:
            where = INSIDE
        elif where == AFTER:
            where = WRONG
            break
        elif depth == 0 and sign in (COMMA, CLOSE):
            if begun or sign == COMMA:
                out[n] = LINE_FEED
                n += 1
            begun = 0
            where = AFTER if sign == CLOSE else where
        else:
            out[n] = sign
            n += 1
            begun = 1
            is_text = int(sign == QUOTE)
            depth += int(sign in (OPEN, OPEN_OBJECT)) - int(sign in (CLOSE, CLOSE_OBJECT))
    state[:] = where, depth, is_text, is_escaped, begun
    return n
