"""Bad input by the command line: one line with file, row or key, value and remedy, the right exit code, no harm."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import leadscore
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.sources.mapping import read_mapping
from tests.data.exports import HEADER, event_set

MAPPING = """
name = "plain"
event_types = ["page_view"]
[events]
lead_id = "lead"
event_type = "type"
occurred_at = "at"
received_at = "received"
channel = "channel"
value = "value"
source = "origin"
event_id = "id"
"""
GOOD = "l1,page_view,2024-01-01T00:00:00Z,,web,1,crm,1"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Ingests a file as a user would: the exit code, and what stands on standard error."""
    (tmp_path / "plain.toml").write_text(MAPPING)

    def command(file: Path | str, mapping: str | None = None) -> tuple[int, str]:
        chosen = mapping or str(tmp_path / "plain.toml")
        arguments = ["ingest", "--quiet", "--mapping", chosen, "--events", str(file), "--log", str(tmp_path / "log")]
        monkeypatch.setattr(sys, "argv", ["leadscore", *arguments])
        try:
            leadscore.main()
            code: int | str | None = 0
        except SystemExit as stop:
            code = stop.code
        return int(code or 0), capsys.readouterr().err

    return command


def text(*lines: str, header: str = HEADER) -> bytes:
    return "".join(f"{line}\n" for line in (header, *lines)).encode()


NAIVE = GOOD.replace("Z", "")
LONG = GOOD.replace("page_view", "x" * 10**6)
CUT = "events.csv.gz is no whole gzip file"
GZIP = gzip.compress(text(GOOD))
ROW = {
    "naive time": (NAIVE, "occurred_at '2024-01-01T00:00:00' has no time zone; set time_zone"),
    "unknown zone": (GOOD.replace("Z", " Mars"), "occurred_at '2024-01-01T00:00:00 Mars' is no time in ISO 8601"),
    "no such day": (GOOD.replace("01-01", "02-30"), "occurred_at '2024-02-30T00:00:00Z' is no time in ISO 8601"),
    "future": (GOOD.replace("2024", "2999"), "occurred_at '2999-01-01T00:00:00Z' lies in the future"),
    "year 9999": (GOOD.replace("2024", "9999"), "occurred_at '9999-01-01T00:00:00Z' lies in the future"),
    "no lead": (GOOD.replace("l1", ""), "lead_id is missing"),
    "million characters": (LONG, "event_type has 1000000 characters, 200 are allowed"),
    "too few fields": ("l1,page_view", "the row has too few fields"),
    "too many fields": (GOOD + ",x", "the row has too many fields"),
    "open quote": ('l1,"page_view,2024', "a quote is not closed"),
}  # fmt: skip
CELL = {
    "NaN": (GOOD.replace("web,1", "web,NaN"), "value … is not finite"),
    "infinite": (GOOD.replace("web,1", "web,-inf"), "value … is not finite"),
    "too large for a double": (GOOD.replace("web,1", "web,1e999"), "value … is not finite"),
    "too large": (GOOD.replace("web,1", "web,1e12"), "value … is beyond ±5e+11"),
    "wrong type": (GOOD.replace("web,1", "web,one"), "value … is no number"),
    "NUL": (GOOD.replace("web", "w\x00b"), "channel holds control characters"),
    "long": (GOOD.replace("web", "w" * 201), "channel has too many characters, 200 are allowed"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CELL)
def test_a_bad_optional_cell_costs_the_cell_and_is_counted(tmp_path: Path, kind: str) -> None:
    row, reason = CELL[kind]
    (tmp_path / "plain.toml").write_text(MAPPING)
    (tmp_path / "events.csv").write_bytes(text("", row))
    report = ingest(tmp_path / "log", read_mapping(tmp_path / "plain.toml"), [str(tmp_path / "events.csv")])
    assert (report.events.accepted, report.events.rejected, report.cells) == (1, 0, {reason: 1})
    ((*_, channel, value, _, _),) = event_set(tmp_path / "log")
    assert (channel, value) == ((None, 1.0) if reason.startswith("channel") else ("web", None))


@pytest.mark.parametrize("kind", ROW)
def test_a_file_without_a_good_row_is_refused(tmp_path: Path, run: Run, kind: str) -> None:
    row, reason = ROW[kind]
    (tmp_path / "events.csv").write_bytes(text("", row))
    code, line = run(tmp_path / "events.csv")
    assert code == 3
    assert line.startswith(f"error: events.csv row 2: {reason}")
    assert line.endswith("; no row fits, correct the mapping\n")
    assert line.count("\n") == 1
    assert not (tmp_path / "log" / "log.json").exists()


def test_good_rows_beside_all_bad_ones_are_kept(tmp_path: Path, run: Run) -> None:
    rows = [row for row, _ in ROW.values()]
    (tmp_path / "events.csv").write_bytes(text(*rows, "l2,page\xff,2024-01-01", GOOD))
    assert run(tmp_path / "events.csv") == (0, "")
    assert [event[0] for event in event_set(tmp_path / "log")] == ["l1"]


FILES: dict[str, tuple[str, bytes | None, int, str]] = {
    "missing": ("events.csv", None, 3, "events.csv is no file that can be read; check the path"),
    "empty": ("events.csv", b"", 3, "events.csv is empty (0 bytes); export it again"),
    "header only": ("events.csv", text(), 3, "events.csv: there is a header, but no row; export again"),
    "blank lines only": ("events.csv", b"\n\n", 3, "events.csv has no column 'lead'"),
    "missing column": ("events.csv", text("x", header="lead,typ,at"), 3, "has no column 'received'"),
    "nearest column": (
        "events.csv", text("x", header=HEADER.replace("type", "event_typ")), 3,
        "events.csv has no column 'type'; the nearest is 'event_typ': correct the mapping",
    ),
    "column twice": ("events.csv", text("x", header=HEADER + ",lead"), 3, "column 'lead' stands twice in the header"),
    "truncated gzip": ("events.csv.gz", gzip.compress(text(*[GOOD] * 999))[:-40], 3, CUT),
    "gzip cut in the trailer": ("events.csv.gz", GZIP[:-3], 3, CUT),
    "damaged gzip": (
        "events.csv.gz", GZIP[:-6] + b"\x00" * 6, 3, f"{CUT} (CRC check",
    ),
    "no Parquet": ("events.parquet", text(GOOD), 3, "events.parquet is no Parquet file: "),
    "cut Parquet": ("events.parquet", b"PAR1" + b"\x00" * 50 + b"PAR1", 3, "events.parquet is no Parquet file: "),
    "Latin-1": ("events.csv", text(GOOD, header=HEADER + ",größe").decode().encode("latin-1"), 3,
                "events.csv: the header is no UTF-8; add encoding ="),
    "UTF-16 without a mark": ("events.csv", text(GOOD).decode().encode("utf-16-le"), 3, 'encoding = "utf-16-le"'),
    "UTF-16 without a mark, high byte first": (
        "events.csv", text(GOOD).decode().encode("utf-16-be"), 3, 'encoding = "utf-16-be"',
    ),
    "header of two lines": (
        "events.csv", text("x", header='"la\nbel",' + HEADER), 3, "the header cannot be split (unexpected end of data)",
    ),
    "half of UTF-16": ("events.csv", text(GOOD).decode().encode("utf-16")[:-1], 3, "is no utf-16 to its end"),
    "unknown ending": ("events.doc", text(GOOD), 2, "events.doc: the ending 'doc' is none of csv, "),
    "no spreadsheet": ("events.xlsx", text(GOOD), 3, "events.xlsx is no spreadsheet that can be read"),
    "no JSON": ("events.json", text(GOOD), 3, "events.json is no JSON (Expecting value"),
    "JSON that ends early": ("events.json", b'[{"lead": 1}, {"lead"', 3, "events.json ends inside its list"),
    "JSON behind its end": ("events.json", b"[] []", 3, "something stands behind its end"),
    "glob of nothing": ("*.nothing", None, 3, "*.nothing is no file, and none matches it; check the path"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_cannot_be_read_harms_nothing(tmp_path: Path, run: Run, kind: str) -> None:
    (tmp_path / "good.csv").write_bytes(text(GOOD))
    assert run(tmp_path / "good.csv") == (0, "")
    digest = EventLog.open(tmp_path / "log").digest
    name, content, expected, message = FILES[kind]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code, line = run(tmp_path / name)
    assert code == expected
    assert line.startswith("error: ")
    assert message in line
    assert line.count("\n") == 1
    assert len(line) < 600
    assert EventLog.open(tmp_path / "log").digest == digest
    assert not (tmp_path / "log" / "staging").exists()


def test_a_folder_is_no_file(tmp_path: Path, run: Run) -> None:
    code, line = run(tmp_path)
    assert (code, line) == (3, f"error: {tmp_path} is no file that can be read; check the path\n")


def test_profiles_without_a_place_in_the_mapping(tmp_path: Path) -> None:
    """Through a real process, as a shell sees it."""
    (tmp_path / "plain.toml").write_text(MAPPING)
    (tmp_path / "events.csv").write_bytes(text(GOOD))
    files = ["--events", str(tmp_path / "events.csv"), "--leads", str(tmp_path / "events.csv")]
    options = ["--quiet", "--mapping", str(tmp_path / "plain.toml"), "--log", str(tmp_path / "log")]
    ended = subprocess.run(
        [sys.executable, leadscore.__file__, "ingest", *options, *files], capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stderr == "error: mapping plain has no [leads]; add it or leave the leads files out\n"
    assert not (tmp_path / "log" / "log.json").exists()


def test_a_mapping_that_is_none_is_usage(tmp_path: Path, run: Run) -> None:
    code, line = run(tmp_path / "events.csv", "nonsense")
    assert code == 2
    assert line.startswith("error: mapping nonsense cannot be read")
