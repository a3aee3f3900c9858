"""A plain table is read as people export it, or refused in words."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contract import DataError, UsageError
from data.sources.plain_table import column_of, outcomes, read_plain_table

ROWS = [("age", "job", "y"), ("41", "nurse", "yes"), ("", "cook; chef", "no"), ("7.5", "", "no")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_numbers_and_words_are_told_apart_whatever_the_delimiter(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    text = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in ROWS)
    path.write_bytes(gzip.compress(text.encode()))
    table = read_plain_table(path)
    assert table.to_pydict() == {"age": [41, None, 7.5], "job": ["nurse", "cook; chef", None], "y": ["yes", "no", "no"]}
    assert table.schema.field("age").type == pa.float64()
    assert outcomes(table, "y").to_pylist() == [1, 0, 0]
    pq.write_table(table, tmp_path / "table.parquet")
    assert read_plain_table(tmp_path / "table.parquet") == table


def test_an_unknown_outcome_is_no_outcome_and_a_word_can_be_named_positive() -> None:
    table = pa.table({"stage": ["Won", "Open", " won", "", None]})
    assert outcomes(table, "stage", "won").to_pylist() == [1, 0, 1, None, None]
    with pytest.raises(UsageError, match="say with --positive"):
        outcomes(table, "stage")
    with pytest.raises(UsageError, match="say with --positive"):
        outcomes(table, "stage", "sold")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no column 'z'; there are a"):
        column_of(pa.table({"a": [1]}), "z")
    (tmp_path / "broken.csv").write_text("a,b\n1,2\n3\n")
    with pytest.raises(DataError, match=r"broken.csv row 2: the row has too few fields"):
        read_plain_table(tmp_path / "broken.csv")
    (tmp_path / "broken.parquet").write_text("nothing")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_plain_table(tmp_path / "broken.parquet")
    with pytest.raises(DataError, match="cannot be read"):
        read_plain_table(tmp_path / "nowhere.csv")
