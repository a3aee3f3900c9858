"""The door for those who were erased: their rows are refused before anything is judged, and nothing of them is kept."""

from __future__ import annotations

from pathlib import Path

import duckdb

from data.erasure.ledger import Known
from data.quoting import quoted

REASON = "the lead was erased; nothing more is taken in about it"
COLUMNS = {"events": ("lead_id",), "leads": ("lead_id",), "identities": ("lead_id", "alias")}
"""Staged columns of ids, by kind of row."""


def reject_erased(con: duckdb.DuckDBPyConnection, staging: Path, kind: str, known: Known) -> None:
    """Moves staged rows of a kind that are about erased leads to `rejected`; costs what the ids of an export cost."""
    if not known.subjects.get("erased"):
        return
    for folder in sorted((staging / kind).glob("bucket=[0-9]*")):
        rows = f"read_parquet({quoted(str(folder / '*.parquet'))}, union_by_name = true)"
        names = " UNION ".join(f"SELECT {column} FROM {rows}" for column in COLUMNS[kind])
        erased = known.erased([name for (name,) in con.execute(names).fetchall()])
        if erased:
            theirs = " OR ".join(
                f"{column} IN ({', '.join(quoted(name) for name in sorted(erased))})" for column in COLUMNS[kind]
            )
            _reject(con, kind, rows, theirs, folder)


def _reject(con: duckdb.DuckDBPyConnection, kind: str, rows: str, theirs: str, folder: Path) -> None:
    con.execute(
        f"INSERT INTO rejected SELECT '{kind}', part, n, {quoted(REASON)} FROM {rows} WHERE n > 0 AND ({theirs})"
    )
    old, rest = list(folder.glob("*.parquet")), folder / "rest.parquet"
    con.execute(f"COPY (SELECT * FROM {rows} WHERE NOT ({theirs})) TO {quoted(str(rest))} (FORMAT parquet)")
    for file in old:
        file.unlink()
