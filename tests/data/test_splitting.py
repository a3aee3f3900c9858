"""Rows of text files: sound ones as Python's csv module reads them, one line lost to each broken one, right numbers."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.contract import DataError
from data.ids import id_from_text
from data.sources import textfiles, utf8
from data.sources.splitting import BROKEN, ROW_LIMIT
from data.sources.textfiles import WHOLE_LINES, Head, csv_head, text_rows

HEADER = ("a", "b", "c")
FEW, MANY, QUOTE, LONG, ENCODING = BROKEN[1:]
Found = list[tuple[int, str | None, tuple[str, ...]]]

texts = st.text(st.sampled_from('ab ,;"\n\r\tüß€😀'), max_size=6)
records = st.lists(st.one_of(st.just(()), st.tuples(texts, texts, texts)), max_size=6)
line_ends = st.sampled_from(["\n", "\r\n", "\r"])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("split") / "rows.csv"


def read(path: Path, content: bytes, delimiter: str = ",") -> Found:
    """(number, why broken, fields) of each row below the header a,b,c."""
    path.write_bytes(delimiter.join(HEADER).encode() + b"\n" + content)
    rows = text_rows(path, Head(delimiter, HEADER, 1).layout(HEADER)).read_all().to_pylist()
    return [(row["#row"], row["#why"], tuple(row[name] for name in HEADER)) for row in rows]


def split_by_python(content: str, delimiter: str) -> Found:
    """The same by the standard library: a blank line is a record without fields."""
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)
    return [(number, None, tuple(fields)) for number, fields in enumerate(reader, 1) if fields]


def written(rows: list[tuple[str, ...]], delimiter: str, line_end: str) -> str:
    def field(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if set(text) & set(f'"\r\n{delimiter}') else text

    return "".join(delimiter.join(map(field, row)) + line_end for row in rows)


@settings(max_examples=150)
@given(records, st.sampled_from(",;\t"), line_ends, st.booleans())
def test_sound_rows_are_read_as_the_standard_library_reads_them(
    file: Path, rows: list[tuple[str, ...]], delimiter: str, line_end: str, ends: bool
) -> None:
    content = written(rows, delimiter, line_end)
    content = content if ends else content.removesuffix(line_end)
    assert read(file, content.encode(), delimiter) == split_by_python(content, delimiter)


names = st.text(st.sampled_from('ab ,"~\t\x00\x01\x1f\x7f\xa0\u200be\u0301'), max_size=4)


@settings(max_examples=150)
@given(st.lists(st.tuples(names, names, names), max_size=6), st.sampled_from(",;"), line_ends)
def test_what_is_plain_is_its_own_id(file: Path, rows: list[tuple[str, ...]], delimiter: str, line_end: str) -> None:
    file.write_bytes(written([HEADER, *rows], delimiter, line_end).encode())
    for row in text_rows(file, Head(delimiter, HEADER, 1).layout(HEADER)).read_all().to_pylist():
        texts = [row[name] for name in HEADER]
        printable = all(text.isascii() and (text.isprintable() or not text) for text in texts)
        assert row["#plain"] == (printable and all(text.strip() == text for text in texts))
        if row["#plain"]:
            assert [id_from_text(text) or "" for text in texts] == texts


@settings(max_examples=100)
@given(st.binary(max_size=60).map(lambda raw: raw.replace(b"\x00", b",")), st.integers(1, 7))
def test_the_size_of_blocks_does_not_matter(file: Path, content: bytes, block: int) -> None:
    whole = read(file, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utf8, "BLOCK", block + len("a,b,c\n"))
        assert read(file, content) == whole


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (b"1,2", FEW),
        (b"1,2,3,4", MANY),
        (b'1,"2,3', QUOTE),
        (b'1,"2"x,3', QUOTE),
        (b'"1,2,3', QUOTE),
        (b"1,\xff,3", ENCODING),
        (b"1,\xc0\x80,3", ENCODING),
        (b"1,\xed\xa0\x80,3", ENCODING),
        (b"1,\xf4\x90\x80\x80,3", ENCODING),
        (b"1,\xe2\x82,3", ENCODING),
        (b"1," + b"x" * ROW_LIMIT + b",3", LONG),
        (b"1," + b"x" * (4 * ROW_LIMIT) + b",3", LONG),
    ],
)
@pytest.mark.parametrize("after", [b"g,h,i\n", b'"g","h",i\n', b"\ng,h,i\n\n"])
def test_a_broken_row_costs_one_line(file: Path, broken: bytes, why: str, after: bytes) -> None:
    rows = read(file, b"d,e,f\n" + broken + b"\n" + after)
    number = 3 + after.startswith(b"\n")
    assert rows == [(1, None, ("d", "e", "f")), (2, why, ("", "", "")), (number, None, ("g", "h", "i"))]


def test_a_quote_that_swallows_lines_gives_them_back(file: Path) -> None:
    lines = [b'1,"two,3', *(b"%d,x,y" % i for i in range(500)), b'9,"x" tall,y', b"7,8,9"]
    rows = read(file, b"\n".join(lines))
    assert [number for number, why, _ in rows if why] == [1, 502]
    assert len(rows) == len(lines)


def test_a_row_within_the_limit_may_span_blocks(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utf8, "BLOCK", 1000)
    wide = "x" * 5000
    assert read(file, f'd,"{wide}\n""{wide}",f\n1,2,3\n'.encode()) == [
        (1, None, ("d", f'{wide}\n"{wide}', "f")),
        (2, None, ("1", "2", "3")),
    ]


def test_many_rows_keep_their_numbers(file: Path) -> None:
    count = 3 * textfiles.ROWS_AT_ONCE // 2
    rows = read(file, b"".join(b"%d,b,c\n" % i if i % 1000 else b"short\n" for i in range(1, count + 1)))
    assert [number for number, _, _ in rows] == list(range(1, count + 1))
    assert [number for number, why, _ in rows if why] == list(range(1000, count + 1, 1000))


def test_only_wanted_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b,c\n1,secret,3\n")
    table = text_rows(path, Head(",", HEADER, 1).layout(("c", "a"))).read_all()
    assert table.column_names == ["#row", "#why", "#plain", "c", "a"]
    assert table.to_pylist() == [{"#row": 1, "#why": None, "#plain": True, "c": "3", "a": "1"}]


def test_lines_are_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"a": "x,y"}\r\n\n"open\n\xff\nlast'))
    rows = text_rows(path, WHOLE_LINES).read_all().to_pylist()
    assert [(row["#row"], row["#why"], row["line"]) for row in rows] == [
        (1, None, '{"a": "x,y"}'),
        (3, None, '"open'),
        (4, ENCODING, ""),
        (5, None, "last"),
    ]


@pytest.mark.parametrize("keep", [10, 60, -1, -9])
def test_a_gzip_that_ends_early_is_no_shorter_file(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"a,b,c\n" + b"".join(b"%d,%d,x\n" % (i, i * i) for i in range(2000)))[:keep])
    with pytest.raises(DataError, match=r"rows\.csv\.gz is no whole gzip file"):
        text_rows(path, Head(",", HEADER, 1).layout(HEADER)).read_all()


@pytest.mark.parametrize(
    ("header", "message"),
    [(b"a,b,a\n", "'a' stands twice"), (b"a,\xff\n", "no UTF-8"), (b'a,"b\nc"\n', "cannot be split")],
)
def test_a_header_that_cannot_be_is_refused(tmp_path: Path, header: bytes, message: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(header)
    with pytest.raises(DataError, match=message):
        csv_head(path, ",")
