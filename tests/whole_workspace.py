"""A workspace in which leads are in every place there is, without a model; and what a slow search finds in it."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from html import unescape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from data.csv_safety import inert, revived
from data.erasure.ledger import Ledger
from data.hidden_signs import as_written
from data.ids import NoId, id_from_text
from data.log.eventlog import EventLog
from data.sources.mapping import EventsPart, LeadsPart, Mapping
from serving.pages.exports.columns import Column
from serving.pages.exports.separated import FORMS, pieces
from serving.pages.exports.workbook import workbook
from serving.scoring.batch import ScoredLog, write_scores
from serving.store.access.replies import Answer, Claim
from serving.store.database.connection import Database
from serving.store.database.schema import metadata, rescorings
from serving.store.events.event_validation import EventIn
from serving.store.scores.reason import Explanation
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from tests.data.exports import into
from tests.serving.scored_leads import scored_lead
from training.thresholds.stages import StageThreshold

AT = 1_700_000_000_000_000
WRITTEN = "2024-05-01T12:00:00Z"
RAW = Mapping(
    name="raw",
    null_words=(),
    event_types=("page_view",),
    events=EventsPart(lead_id="lead_id", event_type="type", occurred_at="at", event_id="id", as_is=("lead_id",)),
    leads=LeadsPart(lead_id="lead_id", valid_from="at", categories=("country",), as_is=("lead_id",)),
)


def events_of(path: Path, leads: Sequence[str], time: str = WRITTEN) -> str:
    """An export of two events for each lead."""
    rows = [{"lead_id": lead, "type": "page_view", "at": time, "id": f"{place}-{n}-{time}"}
            for place, lead in enumerate(leads) for n in range(2)]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


def fill(root: Path, store: Store, leads: Sequence[str], outside: Path) -> None:
    """Puts leads into every place: the log and what its ingests leave, the store, training sets, lists of all forms."""
    root.mkdir(exist_ok=True)
    _fill_log(root, leads)
    _fill_store(store, leads)
    with store.database.write() as connection:
        values = {"target": "conversion", "model_digest": "d", "as_of": AT, "started_at": AT, "scored": 1}
        connection.execute(rescorings.insert().values(values | {"after": leads[0]}))
    for place in ("training_set/conversion/rows/shard-000", "backtest/conversion/scratch/1/rows/shard-000", "scores"):
        path = root / f"{place}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"lead_id": pa.array(leads).dictionary_encode(), "x": range(len(leads))}), path)
    _fill_lists(root, leads, outside)


def _fill_log(root: Path, leads: Sequence[str]) -> None:
    exports = root.with_name("exports")
    exports.mkdir(exist_ok=True)
    profiles = [{"lead_id": lead, "at": WRITTEN, "country": "DE"} for lead in leads]
    pq.write_table(pa.Table.from_pylist(profiles), exports / "leads.parquet")
    into(root / "log", events_of(exports / "a.parquet", leads), leads=[str(exports / "leads.parquet")], mapping=RAW)
    # A second part; a time that is an id by mistake is shown as the reason why its row was refused.
    shown = pa.table({"lead_id": ["somebody"], "type": ["page_view"], "at": [leads[0][:50]], "id": ["shown"]})
    pq.write_table(pa.concat_tables([pq.read_table(events_of(exports / "b.parquet", leads[:2], "2024-05-02T12:00:00Z")),
                                     shown]), exports / "b.parquet")  # fmt: skip
    into(root / "log", str(exports / "b.parquet"), mapping=RAW)
    killed = root / "log" / "staging" / "events" / "bucket=0"
    killed.mkdir(parents=True)
    pq.write_table(pa.table({"lead_id": leads}), killed / "killed.parquet")


def _fill_store(store: Store, leads: Sequence[str]) -> None:
    bad = [EventIn(lead, "page_view", AT, value=float("nan")) for lead in leads]
    store.events.add([*(EventIn(lead, "page_view", AT) for lead in leads), *bad], AT)
    for lead in leads:
        store.leads.put(lead, AT, "account", {"country": "DE"}, AT)
    scored = [StoredScore(lead, "conversion", AT, 0.4, 0.3, 0.5, "1", "d") for lead in leads]
    store.scores.record(scored, [StageThreshold("MQL", 0.2)], AT)
    store.explanations.note("conversion", [Explanation(lead, AT, "d", (), None, ()) for lead in leads])
    for lead in leads:
        claim = store.answers.recall(f"key of {lead}", b"", AT)
        if isinstance(claim, Claim):
            store.answers.remember(claim, Answer(200, json.dumps({"lead_id": lead})))


def _fill_lists(root: Path, leads: Sequence[str], outside: Path) -> None:
    scored = [scored_lead(lead) for lead in leads]
    rows = [lead.row() for lead in scored]
    outside.mkdir(exist_ok=True)
    for path in (root / "best.csv", outside / "best of May.csv"):
        write_scores(ScoredLog(scored, AT), path, Ledger.beside(root / "log"))
    columns = [
        Column("Lead", "text", 16, lambda line: None), Column("Contacts", "count", 5, lambda line: None)
    ]  # fmt: skip
    for form, name in (("", "leads.csv"), ("de", "leads de.csv")):
        (root / name).write_bytes(b"".join(pieces(columns, [[[lead, 1] for lead in leads]], FORMS[form])))
    with workbook(columns, [[[lead, 1] for lead in leads]], "Leads", "en") as file:
        (root / "leads.xlsx").write_bytes(file.read())
    (root / "top.json").write_text(json.dumps({"leads": len(leads), "top": rows}))
    (root / "all.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    (root / ".best.csv.99.draft").write_text("lead_id\n" + "".join(f"{inert(lead)}\n" for lead in leads))
    refused = [("source", "row", "reason"), *(("a.csv", "1", f"time '{lead}' is no time") for lead in leads)]
    with (root / "rejected.csv").open("w", newline="") as out:
        csv.writer(out).writerows(refused)


Said = Callable[[str], Sequence[str]]


@lru_cache(100_000)
def ids_in(text: str, said: Said) -> frozenset[str]:
    """The ids that a text may be; said: what it may say in a file of its kind."""
    lead_ids = set[str]()
    for reading in said(text):
        with suppress(NoId):
            lead_ids.add(id_from_text(reading) or "")
    if text.startswith("{"):
        with suppress(ValueError):
            lead_ids |= ids_of_row(list(json.loads(text).values()), said)
    return frozenset(lead_ids - {""})


def ids_of_row(row: Sequence[Any], said: Said) -> frozenset[str]:
    """All ids that are values of a row."""
    return frozenset().union(*(ids_in(cell, said) for cell in row if isinstance(cell, str)))


def said_in(name: str) -> Said:
    """How a file is to be read: in text for spreadsheets no cell runs, and in all sheets every sign is seen.

    A workbook may be a text that somebody has saved as one, so in it `'=1` is one id as well as the other.
    """
    if name.endswith((".csv", ".draft")):
        return unarmed
    return either if name.endswith(".xlsx") else itself


def itself(cell: str) -> tuple[str]:
    """A value that is written as it is."""
    return (cell,)


def unarmed(cell: str) -> tuple[str]:
    """What a cell of text for a spreadsheet says."""
    return (as_written(revived(cell)),)


def either(cell: str) -> tuple[str, str]:
    """What a cell of a workbook says, or said as text."""
    return as_written(cell), *unarmed(cell)


def rows_in(path: Path) -> list[tuple[Any, ...]]:
    """All rows of a file, whatever it is; none of files that hold none."""
    if path.suffix == ".parquet":
        return [tuple(row.values()) for row in pq.read_table(path).to_pylist()]
    if path.suffix == ".arrow":
        with pa.OSFile(str(path)) as file:
            return [tuple(row.values()) for row in pa.ipc.open_file(file).read_all().to_pylist()]
    if path.suffix in (".csv", ".draft"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [tuple(row) for row in csv.reader(file, delimiter=";" if " de" in path.name else ",")]
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as book:
            sheet = book.read("xl/worksheets/sheet1.xml").decode()
        return [tuple(map(unescape, re.findall(r"<t[^>]*>([^<]*)</t>", row))) for row in sheet.split("<row ")[1:]]
    if path.suffix == ".json" and path.parent.name != "log":
        content = json.loads(path.read_text())
        return [tuple(row.values()) for row in content["top"]] if "top" in content else []
    if path.suffix == ".jsonl":
        return [tuple(json.loads(line).values()) for line in path.read_text().split("\n") if line]
    return _rows_of_database(path) if path.suffix == ".db" else []


def rows_of_store(database: Database) -> list[tuple[Any, ...]]:
    """The same of a store: the table before each row's values."""
    with database.read() as connection:
        return [(table.name, *row) for table in metadata.sorted_tables for row in connection.execute(select(table))]


def _rows_of_database(path: Path) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    with sqlite3.connect(path) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows += [(table, *row) for row in connection.execute(f'SELECT * FROM "{table}"')]
    connection.close()
    return rows


def files(*folders: Path) -> Iterator[Path]:
    """All files below folders."""
    for folder in folders:
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def holders(lead: str, *folders: Path) -> Counter[str]:
    """In which files a lead is, as a value of its own, and in how many rows."""
    counts = Counter[str]()
    for path in files(*folders):
        count = sum(lead in ids_of_row(row, said_in(path.name)) for row in rows_in(path))
        if count:
            counts[path.name] += count
    return counts


def bytes_of(lead: str, *folders: Path) -> list[str]:
    """Files in which the bytes of an id are, in any encoding that we write."""
    written = {lead, inert(lead), json.dumps(lead)[1:-1], lead.replace('"', '""')}
    return [path.name for path in files(*folders) if any(text.encode() in path.read_bytes() for text in written)]


def histories(log_path: Path, leads: Sequence[str]) -> dict[str, tuple[int, list[Any]]]:
    """What the log says of leads."""
    log = EventLog.open(log_path)
    found_histories = {lead: log.find(lead) for lead in leads}
    return {lead: (one.n_events, one.profiles.columns.to_pylist()) for lead, one in found_histories.items()}
