"""An id: what the rule says, that the SQL of an ingest says the same, and that a float is no other id."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.contract import BLANKS
from data.ids import NO_ID, NoId, damage_of, id_from_text, mentions
from data.sources import checks
from data.sources.database import _whole
from data.sources.mapping import EventsPart, LeadsPart, Mapping
from tests.data.exports import into, logged, rejected
from tests.written_ids import IDS, NO_IDS

SIGNS = st.sampled_from(
    [
        *BLANKS,
        "\t",
        "\n",
        "\0",
        "\x1f",
        "\x7f",
        "\x80",
        "\x85",
        "\u2028",
        "a",
        "é",
        "\u0301",
        "\u200d",
        "\u1100",
        "\u1161",
        "😀",
        "'",
        "/",
    ]
)
TEXTS = st.text(st.characters(codec="utf-8")) | st.builds(
    lambda before, middle, size, after: before + middle * size + after,
    st.text(SIGNS, max_size=3), st.text(SIGNS, min_size=1, max_size=3), st.integers(60, 201), st.text(SIGNS, max_size=3)
)  # fmt: skip


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def said(text: str) -> tuple[str | None, str | None]:
    """The id and why there is none, by the function."""
    try:
        name = id_from_text(text)
    except NoId as error:
        return None, f"id {error}"
    return name, None if name else "id is missing"


def disagreements(con: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> list[str]:
    """Texts that are one id to the function and another to the SQL of an ingest."""
    con.register("sent", pa.table({"i": range(len(texts)), "sent": pa.array(texts, pa.string())}))
    rows = con.execute(
        f"""SELECT id, {checks.name_check("id", "id", required=True)} FROM
        (SELECT i, {checks.filled("sent", ("",))} AS id FROM sent) ORDER BY i"""
    ).fetchall()
    return [
        text
        for text, (name, reason) in zip(texts, rows, strict=True)
        if (None if reason else name, reason) != said(text)
    ]


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=30))
@example([*IDS, *NO_IDS])
def test_sql_and_function_agree(con: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    assert disagreements(con, texts) == []


DAMAGED = ("1.23E+11", "9,1e+3", '["1", "2"]', '{"id": 1}', "Null", *NO_ID)
NOT_DAMAGED = ("1.23E11", "E+11", "1.5e+1000", "[1", "{}x", "nulls", "nobody", "0", "--", "")
LIKE_JSON = st.text(st.sampled_from('[]{}",:0123eE+-. nulNaNtrue'), max_size=12)


def damage_disagreements(con: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> list[str]:
    """Texts that are damaged ids to the function and not to the SQL of an ingest, or the contrary."""
    con.register("sent", pa.table({"i": range(len(texts)), "id": pa.array(texts, pa.string())}))
    rows = con.execute(f"SELECT {checks.id_check('id', 'id')} FROM sent ORDER BY i").fetchall()
    return [
        text
        for text, (reason,) in zip(texts, rows, strict=True)
        if (reason and reason.removeprefix(f"id '{text}' ").removeprefix("id ")) != damage_of(text)
    ]


@settings(deadline=None)
@given(st.lists(TEXTS | LIKE_JSON, min_size=1, max_size=30))
@example([*DAMAGED, *NOT_DAMAGED])
def test_sql_and_function_agree_on_damage(con: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    assert damage_disagreements(con, texts) == []


def test_what_is_no_id_is_damaged_and_nothing_else(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(map(damage_of, DAMAGED))
    assert not any(map(damage_of, NOT_DAMAGED))
    monkeypatch.setattr(checks, "NO_ID", NO_ID[1:])
    assert damage_disagreements(con, DAMAGED) == ["Null", "null"], "the planted fault"


@pytest.mark.parametrize(
    ("name", "fault"), [("NAME_LIMIT", 199), ("filled", lambda text, nothing: f"nullif({text}, '')"), ("CONTROL", None)]
)
def test_sql_that_says_something_else_is_caught(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, name: str, fault: object
) -> None:
    """The planted faults."""
    monkeypatch.setattr(checks, name, fault or re.compile("[\x01-\x1f]"))
    assert disagreements(con, [*IDS, *NO_IDS])


def test_a_lone_surrogate_is_in_no_id() -> None:
    with pytest.raises(NoId, match="half a character"):
        id_from_text("a\ud800")


@given(st.sampled_from([name for name in IDS if name.strip()]))
def test_a_sentence_mentions_an_id_as_a_whole_word(lead_id: str) -> None:
    name = str(id_from_text(lead_id))
    assert mentions(name, name)
    assert mentions(f"value '{name}' is no number", name)
    assert not mentions(f"x{name}x", name)


NUMBERED = Mapping(
    name="numbered",
    event_types=("visit",),
    events=EventsPart(lead_id="lead", event_type="type", occurred_at="at", event_id="id", channel="channel"),
    leads=LeadsPart(lead_id="lead", valid_from="at", account_id="account", categories=("code",)),
)
AT = "2024-01-01T00:00:00Z"


def test_whole_numbers_that_arrive_as_floats_are_the_same_ids(tmp_path: Path) -> None:
    """pandas makes floats of whole numbers as soon as one is missing. A text stays what it is."""
    events = tmp_path / "events.parquet"
    columns: dict[str, Any] = {
        "lead": [123, 456, 789],
        "type": ["visit"] * 3,
        "at": [AT] * 3,
        "id": [1, 2, 3],
        "channel": ["a"] * 3,
    }
    pq.write_table(pa.table(columns), events)
    again = tmp_path / "again.parquet"
    pq.write_table(pa.table(columns | {"id": [1.0, 2.0, 3.5]}), again)
    lines = tmp_path / "lines.jsonl"
    rows: list[dict[str, Any]] = [
        {"lead": 123.0, "id": 4.0},
        {"lead": "123.0", "id": 5},
        {"lead": 1.23e2, "id": "6.0"},
        {"lead": 0.5},
    ]
    lines.write_text("".join(json.dumps(row | {"type": "visit", "at": AT, "channel": None}) + "\n" for row in rows))
    leads = tmp_path / "leads.parquet"
    floats = pa.array([123.0, 456.0, None, float("nan"), 789.0, 2.0**60], pa.float64())
    pq.write_table(pa.table({"lead": floats, "at": [AT] * 6, "account": floats, "code": floats}), leads)
    report = into(tmp_path / "log", str(events), str(again), leads=[str(leads)], mapping=NUMBERED)
    assert (report.events.accepted, report.events.duplicate, report.leads.accepted) == (4, 2, 3)
    lost = "lead_id '1.152921504606847e+18' has lost digits (a spreadsheet took the id for a number); export it as text"
    assert [reason for _, _, reason in rejected(report)] == ["lead_id is missing"] * 2 + [lost]
    assert {row["lead_id"] for row in logged(tmp_path / "log")} == {"123", "456", "789"}
    report = into(tmp_path / "log", str(lines), mapping=NUMBERED.model_copy(update={"leads": ()}))
    assert {row["lead_id"] for row in logged(tmp_path / "log")} == {"123", "456", "789", "123.0", "0.5"}
    assert {"4", "5", "6.0", "3.5"} <= {row["event_id"] for row in logged(tmp_path / "log")}


KINDS: dict[str, pa.DataType] = {
    "integers": pa.int64(),
    "floats": pa.float64(),
    "single floats": pa.float32(),
    "texts": pa.string(),
    "decimals": pa.decimal128(30, 4),
    "whole decimals": pa.decimal128(20, 0),
    "categories of floats": pa.dictionary(pa.int8(), pa.float64()),
    "categories of integers": pa.dictionary(pa.int8(), pa.int64()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_is_one_id_in_columns_of_any_kind(tmp_path: Path, kind: str) -> None:
    """The events of two leads with integers, then the same with ids of another kind: not one of them is new."""
    numbers = pa.array([100, 123, None], pa.int64())
    rest = {"type": ["visit"] * 3, "at": [AT] * 3, "channel": ["a"] * 3}
    for name, column in (("plain", numbers), ("other", _as(numbers, KINDS[kind]))):
        pq.write_table(pa.table({"lead": column, "id": column, **rest}), tmp_path / f"{name}.parquet")
    mapping = NUMBERED.model_copy(update={"leads": ()})
    report = into(
        tmp_path / "log", *(str(tmp_path / f"{name}.parquet") for name in ("plain", "other")), mapping=mapping
    )
    assert (report.events.accepted, report.events.duplicate, report.events.rejected) == (2, 2, 2)
    assert {(row["lead_id"], row["event_id"]) for row in logged(tmp_path / "log")} == {("100", "100"), ("123", "123")}


def _as(numbers: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return numbers.cast(kind.value_type).dictionary_encode()
    return numbers.cast(kind)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "db"])
def test_a_number_is_one_id_in_sources_of_any_kind(tmp_path: Path, ending: str) -> None:
    rows: list[dict[str, Any]] = [{"lead": n, "type": "visit", "at": AT, "id": n, "channel": "a"} for n in (100, 123)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "plain.parquet")
    path = tmp_path / f"other.{ending}"
    if ending == "csv":
        path.write_text("lead,type,at,id,channel\n" + "".join(f"{n},visit,{AT},{n},a\n" for n in (100, 123)))
    elif ending == "jsonl":
        path.write_text("".join(json.dumps(row | {"lead": float(row["lead"])}) + "\n" for row in rows))
    elif ending == "parquet":
        pq.write_table(pa.Table.from_pylist([row | {"lead": float(row["lead"])} for row in rows]), path)
    else:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE events (lead REAL, type TEXT, at TEXT, id INTEGER, channel TEXT)")
            database.executemany("INSERT INTO events VALUES (:lead, :type, :at, :id, :channel)", rows)
    part = NUMBERED.events[0].model_copy(update={"query": "SELECT * FROM events"})
    mapping = NUMBERED.model_copy(update={"leads": (), "events": (part,)})
    location = f"sqlite:///{path}" if ending == "db" else str(path)
    report = into(tmp_path / "log", str(tmp_path / "plain.parquet"), location, mapping=mapping)
    assert (report.events.accepted, report.events.duplicate) == (2, 2)
    assert {row["lead_id"] for row in logged(tmp_path / "log")} == {"100", "123"}


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (Decimal("123.00"), "123"), (Decimal("100"), "100"), (Decimal("1E+2"), "100"), (Decimal("0.50"), "0.5"),
        (Decimal("NaN"), None), (Decimal(10**30 + 1), str(10**30 + 1)), (123.0, "123"), (123, "123"),
        (2.0**60, str(2.0**60)),
    ],
)  # fmt: skip
def test_decimals_of_a_database_are_the_same_ids(sent: object, text: str | None) -> None:
    whole = _whole(sent)
    assert (None if whole is None else str(whole)) == text


def test_whole_numbers_that_a_database_gives_as_floats_are_the_same_ids(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as database:
        database.execute("CREATE TABLE events (lead REAL, type TEXT, at TEXT, id REAL, channel REAL)")
        database.executemany("INSERT INTO events VALUES (?, 'visit', ?, ?, 5)", [(123, AT, 1), (0.5, AT, 2)])
    part = NUMBERED.events[0].model_copy(update={"query": "SELECT * FROM events"})
    mapping = NUMBERED.model_copy(update={"leads": (), "events": (part,)})
    into(tmp_path / "log", f"sqlite:///{tmp_path / 'crm.db'}", mapping=mapping)
    rows = {row["lead_id"]: (row["event_id"], row["channel"]) for row in logged(tmp_path / "log")}
    assert rows == {"123": ("1", "5.0"), "0.5": ("2", "5.0")}
