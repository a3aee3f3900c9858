"""The same events from every kind of source: CSV in its dialects, JSON lines, Parquet, SQLite, PostgreSQL."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

from data.contract import DataError, UsageError
from data.sources.mapping import Mapping
from tests.data.exports import HEADER, PLAIN, adds_up, event_set, into, rejected, write_csv
from tests.postgres import Postgres

ROWS: list[tuple[Any, ...]] = [
    ("l1", "page_view", "2024-01-01 10:00:00+00:00", None, "web", 1.5, "crm", "1"),
    ("l1", "email_sent", "2024-01-02 10:00:00+00:00", "2024-01-04 00:00:00+00:00", 'a "b", c', None, "crm", "2"),
    ("lü😀", "page_view", "2024-01-03 10:00:00.000001+00:00", None, None, -2.0, "crm", "3"),
    (None, "page_view", "2024-01-03 10:00:00+00:00", None, None, None, None, "4"),
    ("l2", "page_view", "2024-01-03 10:00:00+00:00", None, None, float("nan"), None, "5"),
]
NAMES = HEADER.split(",")
QUERY = "SELECT * FROM exported ORDER BY id"


def text(value: Any) -> str:
    return "" if value is None else str(value)


def csv_text(delimiter: str = ",", line_end: str = "\n", quoting: Any = csv.QUOTE_MINIMAL) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerows([NAMES, *([text(value) for value in row] for row in ROWS)])
    return out.getvalue()


def asking(mapping: Mapping = PLAIN, query: str | None = QUERY, **events: Any) -> Mapping:
    return mapping.model_copy(update={"events": (mapping.events[0].model_copy(update={"query": query, **events}),)})


def typed(row: tuple[Any, ...]) -> list[Any]:
    """With times as times, as a database or Parquet holds them."""
    return [datetime.fromisoformat(value) if i in (2, 3) and value else value for i, value in enumerate(row)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[Any, ...]]:
    folder = tmp_path_factory.mktemp("plain")
    (folder / "events.csv").write_text(csv_text())
    into(folder / "log", str(folder / "events.csv"))
    events = event_set(folder / "log")
    assert len(events) == 4
    return events


def check(log: Path, source: str, expected: set[tuple[Any, ...]], mapping: Mapping = PLAIN) -> None:
    report = into(log, source, mapping=mapping)
    assert event_set(log) == expected
    assert (report.events.received, report.events.accepted, report.events.rejected) == (5, 4, 1)
    assert adds_up(report)
    assert [(row, reason) for _, row, reason in rejected(report)] == [(4, "lead_id is missing")]
    assert report.cells == {"value … is not finite": 1}


TWO_PARTS = gzip.compress(csv_text().encode()[:99]) + gzip.compress(csv_text().encode()[99:])
DIALECTS: dict[str, tuple[str, bytes, str]] = {
    "gzip": ("events.csv.gz", gzip.compress(csv_text().encode()), ","),
    "gzip of two parts": ("events.csv.gz", TWO_PARTS, ","),
    "tab": ("events.tsv", csv_text("\t").encode(), ","),
    "tab, gzip": ("events.tsv.gz", gzip.compress(csv_text("\t").encode()), ","),
    "semicolon": ("events.csv", csv_text(";").encode(), ";"),
    "byte order mark": ("events.csv", csv_text().encode("utf-8-sig"), ","),
    "everything quoted": ("events.txt", csv_text(quoting=csv.QUOTE_ALL).encode(), ","),
    "lines of Windows": ("EVENTS.CSV", csv_text(line_end="\r\n").encode(), ","),
    "no end of the last line": ("events.csv", csv_text().rstrip("\n").encode(), ","),
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects_of_csv(tmp_path: Path, dialect: str, expected: set[tuple[Any, ...]]) -> None:
    name, content, delimiter = DIALECTS[dialect]
    (tmp_path / name).write_bytes(content)
    check(tmp_path / "log", str(tmp_path / name), expected, PLAIN.model_copy(update={"delimiter": delimiter}))


@pytest.mark.parametrize("name", ["events.jsonl", "events.ndjson", "events.jsonl.gz"])
def test_json_lines(tmp_path: Path, name: str, expected: set[tuple[Any, ...]]) -> None:
    lines = [json.dumps(dict(zip(NAMES, row, strict=True))).replace("NaN", '"nan"') for row in ROWS]
    content = "\n".join(lines).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    check(tmp_path / "log", str(tmp_path / name), expected)


def test_json_lines_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    good = dict.fromkeys(NAMES) | {"lead": "l1", "type": "page_view", "at": "2024-01-01T00:00:00Z", "unknown": [1]}
    lines = [
        json.dumps(good),
        "no json",
        "",
        "[1]",
        "{}",
        '{"lead": "\\ud800"}',
        json.dumps({**good, "lead": {"a": 1}}),
    ]
    path.write_text("\n".join(lines))
    report = into(tmp_path / "log", str(path))
    assert adds_up(report)
    assert rejected(report) == [
        ("events.jsonl", 2, "the line is no JSON"),
        ("events.jsonl", 4, "the line is no JSON object"),
        ("events.jsonl", 5, "lead_id is missing"),
        ("events.jsonl", 6, "the line is no JSON"),
        ("events.jsonl", 7, "lead_id is a list or a structure; name the part that is meant, or bring a row for each"),
    ]


def test_parquet(tmp_path: Path, expected: set[tuple[Any, ...]]) -> None:
    frame = pd.DataFrame([typed(row) for row in ROWS], columns=NAMES)
    frame["received"] = pd.to_datetime(frame["received"], utc=True)
    path = tmp_path / "events.parquet"
    frame.to_parquet(path)
    report = into(tmp_path / "log", str(path))
    assert event_set(tmp_path / "log") == expected
    assert rejected(report) == [("events.parquet", 4, "lead_id is missing")]


def test_sqlite(tmp_path: Path, expected: set[tuple[Any, ...]]) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.execute(f"CREATE TABLE exported ({HEADER})")
        rows = [[str(cell) if cell != cell else cell for cell in row] for row in ROWS]
        connection.executemany("INSERT INTO exported VALUES (?,?,?,?,?,?,?,?)", rows)
    connection.close()
    check(tmp_path / "log", f"sqlite:///{tmp_path / 'crm.db'}", expected, asking())


def test_postgres(tmp_path: Path, postgres: Postgres, expected: set[tuple[Any, ...]]) -> None:
    url = postgres.database("exports")
    with psycopg.connect(url) as connection:
        connection.execute(
            """CREATE TABLE exported (lead text, type text, at timestamptz, received timestamptz, channel text,
            value double precision, origin text, id text)"""
        )
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO exported VALUES (%s,%s,%s,%s,%s,%s,%s,%s)", [typed(row) for row in ROWS])
    check(tmp_path / "log", url, expected, asking())
    with psycopg.connect(url) as connection:
        connection.execute(
            """INSERT INTO exported SELECT 'l' || i, 'page_view', '2024-01-01', NULL, '', i, 'x', 'n' || i
            FROM generate_series(1, 120000) AS s(i)"""
        )
    report = into(tmp_path / "log", url, mapping=asking())
    assert (report.events.received, report.events.accepted, report.events.duplicate) == (120_005, 120_000, 4)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "SELECT * FROM nowhere",
            r"postgresql query failed: .*\"nowhere\" does not exist.*check URL and query",
        ),
        ("SELEKT", "postgresql query failed: .*syntax error"),
        ("SELECT 'ada@example.org'::int", "postgresql query failed: .*<e-mail>"),
        ("SELECT 1 AS lead, 2 AS kind", "postgresql query has no column 'at'; it has lead, kind"),
        ("SELECT 1 AS lead, 2 AS lead", "column 'lead' stands twice"),
    ],
)
def test_a_query_that_fails_names_the_reason(tmp_path: Path, postgres: Postgres, query: str, message: str) -> None:
    url = postgres.database(f"failing{abs(hash(query))}").replace("leadscore@", "leadscore:sesame@")
    with pytest.raises(DataError, match=message) as caught:
        into(tmp_path / "log", url, mapping=asking(query=query))
    assert "sesame" not in str(caught.value)
    assert "\n" not in str(caught.value)


def fails(source: Callable[[Path], str], kind: type[Exception], message: str, **events: Any) -> Any:
    return pytest.param(source, kind, message, events, id=message[:40])


@pytest.mark.parametrize(
    ("source", "kind", "message", "events"),
    [
        fails(lambda d: "sqlite:////nowhere/crm.db", DataError, "/nowhere/crm.db is no file"),
        fails(
            lambda d: f"sqlite:///{write_csv(d / 'crm.db', ['x'])}", DataError, "sqlite query failed: .*not a database"
        ),
        fails(lambda d: "sqlite:///x.db", UsageError, "a database needs a query", query=None),
        fails(lambda d: "oracle+none://me:sesame@db/crm", UsageError, "is no known kind of database"),
        fails(lambda d: "postgres://me:sesame@db/crm", UsageError, "postgres:// is no known kind of database"),
        fails(lambda d: "postgresql://me:sesame@127.0.0.1:1/crm", DataError, "postgresql query failed: .*refused"),
    ],
)
def test_a_database_that_cannot_be_asked(
    tmp_path: Path, source: Callable[[Path], str], kind: type[Exception], message: str, events: dict[str, Any]
) -> None:
    with pytest.raises(kind, match=message) as caught:
        into(tmp_path / "log", source(tmp_path), mapping=asking(**events))
    assert "sesame" not in str(caught.value)
    assert not (tmp_path / "log" / "log.json").exists()


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.execute("CREATE TABLE exported (lead, type, at)")
        connection.executemany(
            "INSERT INTO exported VALUES (?, 'page_view', ?)", [(b"l1", "2024-01-01"), (b"\xff", "")]
        )
    connection.close()
    mapping = asking(query="SELECT *, '' AS received, '' AS channel, '' AS value, '' AS origin, '' AS id FROM exported")
    with pytest.raises(DataError, match="sqlite query row 2: column 'lead' is no UTF-8 text; convert it in the query"):
        into(tmp_path / "log", f"sqlite:///{tmp_path / 'crm.db'}", mapping=mapping)


@pytest.mark.parametrize("name", ['le"ad', "le'ad", "a/b~c", "x); DROP TABLE rows_in; --", "n", "why", "#lead"])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_names_and_values_are_never_taken_for_sql(tmp_path: Path, name: str, ending: str) -> None:
    """Whatever columns and constants are called, they are only names."""
    row = {name: "l1'; --", "at": "2024-01-01T00:00:00Z"}
    path = tmp_path / f"it's {name.replace('/', '')}.{ending}"
    if ending == "csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([row.keys(), row.values()])
    elif ending == "jsonl":
        path.write_text(json.dumps(row))
    else:
        pd.DataFrame([row]).to_parquet(path)
    events = {
        "lead_id": name,
        "occurred_at": "at",
        "event_type": {"columns": [name], "values": {"it's": "x"}, "prefixes": {"l1'": "page'view"}, "otherwise": "'"},
        "constants": {"channel": "c'; --"},
    }
    mapping = Mapping(name="odd", event_types=("page'view",), events=events)
    into(tmp_path / "log", str(path), mapping=mapping)
    (event,) = event_set(tmp_path / "log")
    us = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    assert event[:6] == ("l1'; --", "page'view", us, us, "c'; --", None)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.234,56", 1234.56), ("12,5", 12.5), ("1.000.000", 1e6), ("-3", -3.0), ("1.5", None), ("1,234.56", None)],
)
def test_decimal_commas(tmp_path: Path, text: str, value: float | None) -> None:
    mapping = asking(query=None, decimal_comma=True).model_copy(update={"delimiter": ";"})
    lines = [f"l1;page_view;2024-01-01T00:00:00Z;;;{number};;" for number in ("7", text)]
    report = into(tmp_path / "log", write_csv(tmp_path / "a.csv", lines, HEADER.replace(",", ";")), mapping=mapping)
    values = {event[5] for event in event_set(tmp_path / "log")} - {7.0}
    assert values == {value}
    assert sum(report.cells.values()) == (value is None)
