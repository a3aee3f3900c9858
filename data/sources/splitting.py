"""Splits the bytes of a text file into numbered rows and fields. A row that cannot be split costs one line, no more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.compiled import njit

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]

ROW_LIMIT = 2 << 20
"""Bytes in a row; a longer one is broken."""
NOTHING = -1
"""As delimiter and quote: lines are not split into fields."""
BROKEN = (
    None,
    "the row has too few fields",
    "the row has too many fields",
    "a quote is not closed, or text follows it (a quote inside a field is written twice)",
    "the row is longer than 2 MiB",
    "the row is no UTF-8; if the file is not, add its encoding to the mapping, like cp1252",
)
"""What may be wrong with a row, by code."""
FINE, TOO_FEW, TOO_MANY, BAD_QUOTE, TOO_LONG, NO_UTF8 = range(len(BROKEN))
MORE = -1
"""Instead of a code: the row goes on beyond the bytes at hand."""
LINE_FEED, RETURN, BLANK, DELETE = 10, 13, 32, 127


@njit()
def split(
    buffer: Bytes,
    at: int,
    last: bool,
    row: int,
    delimiter: int,
    quote: int,
    wanted: Places,
    number: Places,
    begin: Places,
    end: Places,
    doubled: Flags,
    broken: NDArray[np.int8],
    plain: Flags,
) -> tuple[int, int, int]:
    """Splits rows from `at` on until the bytes or the room for them run out: (rows found, next byte, next row number).

    A row ends at LF, CR LF or CR outside quotes. Blank lines have a number and are no rows. `last`: no bytes follow
    these, which end in a line feed. wanted: for each field of the header its place in the output, or -1.
    Written for each row: its number, its code in `broken`, whether it is `plain`, and per wanted field where its text
    begins and ends in the buffer (int64[rows, fields]) and whether it holds doubled quotes.
    """
    count, stop = 0, len(buffer)
    while at < stop and count < len(number):
        if buffer[at] == LINE_FEED or buffer[at] == RETURN:
            after, wrong = next_line(buffer, at, last), MORE
            if after < 0:
                break
            at, row = after, row + 1
            continue
        after, wrong = _row(buffer, at, last, delimiter, quote, wanted, begin[count], end[count], doubled[count])
        if wrong == MORE:
            if not last and stop - at <= ROW_LIMIT:
                break
            wrong = BAD_QUOTE if quote != NOTHING else TOO_LONG
        if wrong == FINE and after - at > ROW_LIMIT:
            wrong = TOO_LONG
        plain[count] = wrong == FINE and _is_plain(buffer, at, after, begin[count], end[count])
        if wrong == FINE and not plain[count] and not _is_utf8(buffer, at, after):
            wrong = NO_UTF8
        if wrong != FINE:
            begin[count], end[count] = 0, 0
            after = next_line(buffer, at, last)
            if after < 0:
                after, wrong = stop, TOO_LONG
        number[count], broken[count] = row, wrong
        count, row, at = count + 1, row + 1, after
    return count, at, row


@njit()
def _row(
    buffer: Bytes,
    at: int,
    last: bool,
    delimiter: int,
    quote: int,
    wanted: Places,
    begin: Places,
    end: Places,
    doubled: Flags,
) -> tuple[int, int]:
    """The fields of one row: (the byte after it, what is wrong with it)."""
    field, stop = 0, len(buffer)
    while True:
        opened = at < stop and buffer[at] == quote
        first, twice = at + opened, False
        if opened:
            at, twice = _closing_quote(buffer, first, quote)
        else:
            while at < stop and buffer[at] != delimiter and buffer[at] != LINE_FEED and buffer[at] != RETURN:
                at += 1
        if at >= stop:
            return at, MORE
        if field < len(wanted) and wanted[field] >= 0:
            place = wanted[field]
            begin[place], end[place], doubled[place] = first, at, twice
        at, field = at + opened, field + 1
        if buffer[at] == delimiter:
            at += 1
        elif buffer[at] == LINE_FEED or buffer[at] == RETURN:
            break
        else:
            return at, BAD_QUOTE
    after = next_line(buffer, at, last)
    if after < 0:
        return at, MORE
    return after, FINE if field == len(wanted) else TOO_FEW if field < len(wanted) else TOO_MANY


@njit()
def _closing_quote(buffer: Bytes, at: int, quote: int) -> tuple[int, bool]:
    """Where a quoted field ends, the end of the buffer if it is not in sight, and whether it holds doubled quotes."""
    twice, stop = False, len(buffer)
    while True:
        while at < stop and buffer[at] != quote:
            at += 1
        if at + 1 >= stop:
            return stop, twice
        if buffer[at + 1] != quote:
            return at, twice
        at, twice = at + 2, True


@njit()
def next_line(buffer: Bytes, at: int, last: bool) -> int:
    """The first byte of the line after this one, or -1 if that is not in sight."""
    stop = len(buffer)
    while at < stop and buffer[at] != LINE_FEED and buffer[at] != RETURN:
        at += 1
    if at == stop or (buffer[at] == RETURN and at + 1 == stop and not last):
        return -1
    return at + 2 if buffer[at] == RETURN and at + 1 < stop and buffer[at + 1] == LINE_FEED else at + 1


@njit()
def _is_plain(buffer: Bytes, at: int, after: int, begin: Places, end: Places) -> bool:
    """Whether a row is of printable ASCII, and its fields have no blanks around them: then each text is its own id."""
    stop = after - 1
    if stop > at and buffer[stop - 1] == RETURN:
        stop -= 1
    high, is_control = np.uint8(0), False
    for sign in buffer[at:stop]:  # without a way out, so that many bytes are looked at in one step
        high |= sign
        is_control |= (sign < BLANK) | (sign == DELETE)
    if high >= 0x80 or is_control:
        return False
    for field in range(len(begin)):
        first, last = begin[field], end[field]
        if first < last and (buffer[first] == BLANK or buffer[last - 1] == BLANK):
            return False
    return True


@njit()
def _is_utf8(buffer: Bytes, at: int, stop: int) -> bool:
    """As RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF."""
    while at < stop:
        lead = buffer[at]
        at += 1
        if lead < 0x80:
            continue
        if lead < 0xC2 or lead > 0xF4:
            return False
        low = 0xA0 if lead == 0xE0 else 0x90 if lead == 0xF0 else 0x80
        high = 0x9F if lead == 0xED else 0x8F if lead == 0xF4 else 0xBF
        for _ in range(1 if lead < 0xE0 else 2 if lead < 0xF0 else 3):
            if at >= stop or buffer[at] < low or buffer[at] > high:
                return False
            low, high, at = 0x80, 0xBF, at + 1
    return True


@njit()
def copy_field(
    buffer: Bytes,
    begin: Places,
    end: Places,
    doubled: Flags,
    quote: int,
    words: Bytes,
    ends: Places,
    offsets: NDArray[np.int32],
    text: Bytes,
    known: Flags,
) -> None:
    """Writes one field of many rows as an Arrow string column, doubled quotes made single.

    words: texts that mean that nothing is known, one behind the other, each up to its place in `ends`. known: whether
    a field is none of them.
    """
    at = 0
    for i in range(len(begin)):
        offsets[i] = at
        known[i] = not _is_one_of(buffer, begin[i], end[i], words, ends)
        if not doubled[i]:  # with nothing to decide on the way, which is twice as fast
            for place in range(begin[i], end[i]):
                text[at] = buffer[place]
                at += 1
            continue
        place = begin[i]
        while place < end[i]:
            text[at] = buffer[place]
            place += 2 if buffer[place] == quote else 1
            at += 1
    offsets[len(begin)] = at


@njit()
def _is_one_of(buffer: Bytes, at: int, stop: int, words: Bytes, ends: Places) -> bool:
    """Whether a text, but for blanks around it, is one of these words."""
    while at < stop and buffer[at] == BLANK:
        at += 1
    while at < stop and buffer[stop - 1] == BLANK:
        stop -= 1
    first = 0
    for last in ends:
        if last - first == stop - at:
            same = 0
            while first + same < last and words[first + same] == buffer[at + same]:
                same += 1
            if first + same == last:
                return True
        first = last
    return False
