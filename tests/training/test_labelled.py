"""Plain labelled tables: delimiters, outcomes, time, and one line for whatever cannot be read."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contract import DataError, UsageError
from training.samples.labelled_table import read_labelled

ROWS: list[tuple[str, ...]] = [
    ("day", "colour", "n", "won"),
    ("2024-03-02", "red", "1", "yes"),
    ("2024-03-01", "Select", "", "no"),
]


def written(path: Path, delimiter: str = ",", rows: list[tuple[str, ...]] = ROWS) -> Path:
    text = "".join(delimiter.join(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.csv.gz", ";")])
def test_rows_are_read_in_the_order_of_the_file(tmp_path: Path, name: str, delimiter: str) -> None:
    made = read_labelled(written(tmp_path / name, delimiter), "won", drop=["day"], missing=["Select"])
    assert made.y.tolist() == [1.0, 0.0]
    assert made.as_of.tolist() == [0, 1]
    assert made.lead.tolist() == ["0", "1"]
    assert made.mature.all()
    assert made.features.to_pylist()[0] == {"colour": "red", "n": 1.0}
    assert made.features.column("colour").to_pylist() == ["red", None]
    assert np.isnan(made.features.column("n").to_numpy()[1])


def test_rows_are_sorted_by_time(tmp_path: Path) -> None:
    made = read_labelled(written(tmp_path / "a.csv"), "won", time="day", lead="colour")
    assert made.y.tolist() == [0.0, 1.0]
    assert made.as_of.tolist() == [1_709_251_200_000_000, 1_709_337_600_000_000]
    assert made.lead.tolist() == ["Select", "red"]
    assert made.features.column_names == ["n"]


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0, 2.0], "y": [True, False]}), tmp_path / "a.parquet")
    made = read_labelled(tmp_path / "a.parquet", "y")
    assert made.y.tolist() == [1.0, 0.0]


def test_the_value_that_means_conversion_is_named(tmp_path: Path) -> None:
    made = read_labelled(written(tmp_path / "a.csv"), "colour", positive="Select", drop=["won", "day"])
    assert made.y.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"target": "wont"}, "no column 'wont'; there are day, colour, n, won"),
        ({"target": "won", "drop": ["x"]}, "no column 'x'"),
        ({"target": "colour"}, "holds red, select: say with --positive"),
        ({"target": "won", "positive": "maybe"}, "holds no, yes: say with --positive"),
        ({"target": "n", "positive": "1"}, "1 rows have no 'n'"),
        ({"target": "won", "time": "colour"}, "'colour' cannot be sorted as time"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, arguments: dict[str, object], said: str) -> None:
    with pytest.raises((UsageError, DataError), match=said):
        read_labelled(written(tmp_path / "a.csv"), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"\xff\xfe\x00", b"a,b\n1,2,3,4\n\n1,2\n"])
def test_what_cannot_be_read_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises((DataError, UsageError), match=r"bad\.csv"):
        read_labelled(path, "c")
    with pytest.raises(DataError, match="absent"):
        read_labelled(tmp_path / "absent.csv", "c")
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(np.random.default_rng(0).bytes(500).hex().encode())[:200])
    with pytest.raises(DataError, match="cut"):
        read_labelled(cut, "b")
