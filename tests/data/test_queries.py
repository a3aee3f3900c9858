"""SQL as a mapping: what queries see, how their mistakes are told, and what hostile ones cannot do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.contract import DataError, UsageError
from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.log.eventlog import EventLog
from data.sources.mapping import Mapping
from tests.data.exports import NOW, event_set, logged, rejected

AT = "2024-01-02T00:00:00Z"


def asking(query: str, **more: Any) -> Mapping:
    events = {"lead_id": "person", "event_type": "type", "occurred_at": "seen", "query": query, **more}
    return Mapping(name="asked", event_types=("won", "page"), events=events)


def ask(folder: Path, mapping: Mapping, **files: Path | list[Path]) -> IngestReport:
    named = {
        name: [str(path) for path in (paths if isinstance(paths, list) else [paths])] for name, paths in files.items()
    }
    return ingest(folder / "log", mapping, files=named, clock=lambda: NOW, buckets=2, query_seconds=20)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def contacts(tmp_path: Path) -> Path:
    return write(tmp_path / "contacts.csv", "id,email\n007,a@example.org\n8,b@example.org\n")


@pytest.fixture
def deals(tmp_path: Path) -> Path:
    rows = [{"contact": {"mail": f"{who}@example.org"}, "won": AT, "lines": [{"n": 2}, {"n": 3}]} for who in "ab"]
    return write(tmp_path / "deals.json", json.dumps({"data": rows}))


JOIN = """
SELECT c.id AS person, 'won' AS type, d.won AS seen, list_sum(list_transform(d.lines, lambda line: line.n)) AS value
FROM contacts c JOIN (SELECT unnest(data) AS d FROM deals) ON d.contact.mail = c.email
"""


def test_files_are_joined_and_nested_values_reached(tmp_path: Path, contacts: Path, deals: Path) -> None:
    report = ask(tmp_path, asking(JOIN, value="value"), contacts=contacts, deals=deals)
    assert {(row["lead_id"], row["value"]) for row in logged(tmp_path / "log")} == {("007", 5.0), ("8", 5.0)}
    assert (report.events.received, report.files.received) == (2, 3)


def test_arrows_reach_into_json_too(tmp_path: Path) -> None:
    lines = [{"user": {"id": "u1"}, "p": {"k": 1}, "seen": AT}, {"user": {"id": "u2"}, "p": "text", "seen": AT}]
    events = write(tmp_path / "e.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    ask(tmp_path, asking("SELECT user->>'id' AS person, 'page' AS type, seen FROM e WHERE p IS NOT NULL"), e=events)
    assert {row["lead_id"] for row in logged(tmp_path / "log")} == {"u1", "u2"}


def test_several_tables_come_in_as_one_part_of_the_log(tmp_path: Path, contacts: Path, deals: Path) -> None:
    mapping = Mapping(
        name="several",
        event_types=("won", "page"),
        events=[
            {"lead_id": "person", "event_type": "type", "occurred_at": "seen", "query": JOIN},
            {"lead_id": "id", "constants": {"event_type": "page"}, "occurred_at": "seen", "file": "visits"},
        ],
        leads=[{"lead_id": "id", "snapshot": True, "file": "contacts", "flags": {"has_email": "email"}}],
    )
    visits = write(tmp_path / "visits.tsv", f"id\tseen\n007\t{AT}\n9\t{AT}\n")
    report = ask(tmp_path, mapping, contacts=contacts, deals=deals, visits=visits)
    assert (report.events.accepted, report.leads.accepted) == (4, 2)
    assert sorted((row["lead_id"], row["event_type"]) for row in logged(tmp_path / "log")) == [
        ("007", "page"), ("007", "won"), ("8", "won"), ("9", "page"),
    ]  # fmt: skip
    assert EventLog.open(tmp_path / "log").manifest.ingests == 1


def test_a_rejected_row_is_told_by_file_and_row_where_the_query_keeps_them(tmp_path: Path) -> None:
    first = write(tmp_path / "one.csv", f"person,seen\na,{AT}\n\n,{AT}\n")
    second = write(tmp_path / "two.csv", f"person,seen\n{'x' * 201},{AT}\nb,{AT}\nc,{AT},too many\n")
    query = "SELECT *, 'page' AS type FROM visits"
    report = ask(tmp_path, asking(query), visits=[first, second])
    assert rejected(report) == [
        ("one.csv", 3, "lead_id is missing"),
        ("two.csv", 1, "lead_id has 201 characters, 200 are allowed"),
        ("two.csv", 3, "the row has too many fields"),
    ]
    assert (report.files.received, report.files.accepted, report.files.rejected) == (5, 4, 1)
    assert (report.events.accepted, report.events.rejected) == (2, 2)
    without = "SELECT person, seen, 'page' AS type FROM visits ORDER BY person NULLS FIRST"
    report = ask(tmp_path / "again", asking(without), visits=[first, second])
    assert [(source, row) for source, row, why in rejected(report) if "missing" in why] == [
        ("the query of [events]", 1)
    ]


def test_rows_of_a_join_that_share_a_row_of_a_file_stay_apart(tmp_path: Path) -> None:
    """The number that a query keeps names a row for people; it does not say which rows are the same."""
    rows = write(tmp_path / "rows.csv", f"person,seen\na,{AT}\n")
    query = "SELECT r.*, t.type FROM rows_of_crm r, (VALUES ('won'), ('page'), ('page')) t(type)"
    report = ask(tmp_path, asking(query), rows_of_crm=rows)
    assert (report.events.received, report.events.accepted, report.events.duplicate) == (3, 2, 1)
    assert len(event_set(tmp_path / "log")) == 2


def test_texts_stay_texts_and_words_for_nothing_are_null(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", f'person,seen,Other,OTHER\n"00123 ",{AT},null,x\n')
    query = "SELECT person, seen, CASE WHEN Other IS NULL AND OTHER_1 = 'x' THEN 'page' END AS type FROM r"
    ask(tmp_path, asking(query), r=rows)
    assert [row["lead_id"] for row in logged(tmp_path / "log")] == ["00123"]


def test_types_of_a_query_are_read_as_those_of_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"person": [1.0, None, 3.0], "day": pd.to_datetime(["2024-01-02"] * 3)})
    frame.to_parquet(tmp_path / "frame [1].parquet")
    query = "SELECT person, 'page' AS type, day::DATE AS seen FROM f"
    report = ask(tmp_path, asking(query, time_zone="UTC", dates_are="start"), f=tmp_path / "frame [1].parquet")
    assert {(row["lead_id"], row["occurred_at"]) for row in logged(tmp_path / "log")} == {
        ("1", 1704153600000000), ("3", 1704153600000000),
    }  # fmt: skip
    assert report.events.rejected == 1


def refused(
    folder: Path, query: str, kind: type[Exception] | tuple[type[Exception], ...], message: str, **more: Any
) -> str:
    """The message; the log is not there."""
    rows = write(folder / "rows.csv", f"person,type,seen\na,page,{AT}\n")
    with pytest.raises(kind, match=message) as caught:
        ingest(folder / "log", asking(query), files={"r": [str(rows)]}, clock=lambda: NOW, **more)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("mapping asked, the query of [events]")
    assert not (folder / "log" / "log.json").exists()
    assert not (folder / "log" / "staging").exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("query", "kind", "message"),
    [
        (
            "SELECT person,\n type,\n nope AS seen\nFROM r",
            UsageError,
            'line 3: Binder Error: .*"nope".*; correct the query',
        ),
        ("SELECT person FROMM r", UsageError, "line 1: Parser Error: syntax error"),
        ("SELECT * FROM\n contacts", UsageError, "Table with name contacts does not exist.*The files are r; .*--file"),
        ("", UsageError, "it has to be one SELECT"),
        ("SELECT *, person::INT AS n FROM r", DataError, "Conversion Error: Could not convert string 'a'"),
        ("SELECT *, error('ada@example.org') AS n FROM r", DataError, "<e-mail>"),
    ],
)
def test_a_mistake_is_told_with_mapping_line_and_reason(
    tmp_path: Path, query: str, kind: type[Exception], message: str
) -> None:
    refused(tmp_path, query, kind, message)


def test_a_column_that_the_query_does_not_answer_is_named(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", f"person,seen\na,{AT}\n")
    with pytest.raises(DataError, match=r"the query of \[events\] has no column 'type'; the nearest is 'person'"):
        ask(tmp_path, asking("SELECT person, seen FROM r"), r=rows)


HOSTILE = {
    "a file of the machine": "SELECT content AS person, 'page' AS type, 'x' AS seen FROM read_text('/etc/passwd')",
    "the same, quoted": "SELECT * FROM '/etc/passwd'",
    "as CSV": "SELECT * FROM read_csv('/etc/passwd')",
    "a list of files": "SELECT file AS person FROM glob('/etc/*')",
    "a file through SQL in a text": "SELECT * FROM query('SELECT * FROM read_blob(''/etc/passwd'')')",
    "the network": "SELECT * FROM read_json('http://127.0.0.1:9/x.json')",
    "write": "COPY (SELECT 1) TO '{folder}/out.csv'",
    "export": "EXPORT DATABASE '{folder}/out'",
    "attach": "ATTACH '{folder}/other.db'",
    "install": "INSTALL httpfs",
    "load": "LOAD httpfs",
    "set": "SET enable_external_access = true",
    "pragma": "PRAGMA enable_external_access = true",
    "reset": "RESET lock_configuration",
    "make": "CREATE TABLE t AS SELECT 1",
    "call": "CALL pragma_version()",
    "checkpoint": "CHECKPOINT",
    "secret": "CREATE SECRET (TYPE s3)",
    "several statements": "SELECT * FROM r; COPY r TO '{folder}/out.csv'",
    "several selects": "SELECT * FROM r; SELECT * FROM r",
    "a variable of ours": "SELECT * FROM tables",
    "the environment": "SELECT getenv('HOME') AS person",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_query_reaches_nothing_but_its_files(tmp_path: Path, kind: str) -> None:
    message = refused(tmp_path, HOSTILE[kind].format(folder=tmp_path), (UsageError, DataError), "^mapping")
    assert "root:" not in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "rows.csv"]


@pytest.mark.parametrize(
    "query",
    [
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) AS person FROM t",
        "SELECT a.i AS person FROM range(1000000000) a(i), range(1000000000) b(i) WHERE a.i + b.i < 0",
        "SELECT i AS person, 'page' AS type, 'x' AS seen FROM range(1000000000000) t(i)",
    ],
)
def test_a_query_that_does_not_end_is_stopped(tmp_path: Path, query: str) -> None:
    refused(
        tmp_path, query, DataError, "took longer than 0.5 s and was stopped; nothing was ingested", query_seconds=0.5
    )


def test_a_query_that_wants_all_memory_is_stopped_by_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.sources.query.MEMORY", "60MB")
    monkeypatch.setattr("data.sources.query.SPILL", "1MB")
    query = "SELECT list(repeat('x', 100) || i) AS person, 'page' AS type, '' AS seen FROM range(5000000) t(i)"
    refused(tmp_path, query, DataError, "Out of Memory")


def test_a_file_that_no_table_reads_is_a_mistake(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", f"person,type,seen\na,page,{AT}\n")
    events = {"lead_id": "person", "event_type": "type", "occurred_at": "seen", "file": "visits"}
    mapping = Mapping(name="named", event_types=("page",), events=events)
    with pytest.raises(
        UsageError, match=r"--file visit=…: no table of mapping named reads 'visit'; did you mean visits\?"
    ):
        ask(tmp_path, mapping, visit=rows)
    with pytest.raises(UsageError, match=r"all tables \[events\] of mapping named name their file; give it by --file"):
        ingest(tmp_path / "log", mapping, [str(rows)])
    with pytest.raises(UsageError, match="nothing to ingest; give mapping named its files: --file visits=PATH"):
        ingest(tmp_path / "log", mapping)
    with pytest.raises(UsageError, match="--events and --file events=… give two files one name"):
        ingest(tmp_path / "log", asking("SELECT 1 AS person"), [str(rows)], files={"events": [str(rows)]})
    with pytest.raises(UsageError, match="a name has letters, digits and _"):
        ask(tmp_path, asking("SELECT 1 AS person"), **{"a-b": rows})
    assert not (tmp_path / "log" / "log.json").exists()


def test_files_that_are_not_named_go_by_their_kind(tmp_path: Path) -> None:
    rows = write(tmp_path / "rows.csv", f"person,type,seen\na,page,{AT}\n")
    ingest(tmp_path / "log", asking("SELECT * FROM events"), [str(rows)], clock=lambda: NOW)
    assert [row["lead_id"] for row in logged(tmp_path / "log")] == ["a"]
