"""The door for those who were erased: their rows are refused before anything is judged, and nothing of them is kept.

An id that is said to be an erased lead's from some time on is erased as well, as if it had been known before. One that
was the lead's for a time only is another's: what it did in that time is nobody's, and the rest stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb

from data.erasure.ledger import ErasedAndObjecting
from data.quoting import quoted

REASON = "the lead was erased; nothing more is taken in about it"
COLUMNS = {"events": ("lead_id",), "leads": ("lead_id",), "identities": ("lead_id", "alias")}
"""Staged columns of ids, by kind of row."""


def erased_aliases(con: duckdb.DuckDBPyConnection, staging: Path, known: ErasedAndObjecting) -> list[str]:
    """Staged ids that are, by the staged rows, aliases of erased leads and stay so, directly or by way of others.

    Looks at all staged aliases where anybody was erased.
    """
    if not known.subjects.get("erased") or not any((staging / "identities").glob("bucket=[0-9]*")):
        return []
    files = quoted(str(staging / "identities" / "bucket=[0-9]*" / "*.parquet"))
    rows = con.execute(f"SELECT lead_id, alias FROM read_parquet({files}) WHERE valid_until IS NULL").fetchall()
    aliases: dict[str, list[str]] = {}
    for lead_id, alias in rows:
        aliases.setdefault(lead_id, []).append(alias)
    before = known.erased([lead_id for row in rows for lead_id in row])
    theirs = [*before]
    for lead_id in theirs:
        theirs += aliases.pop(lead_id, ())
    return sorted(set(theirs) - before)


def reject_erased(con: duckdb.DuckDBPyConnection, staging: Path, kind: str, known: ErasedAndObjecting) -> None:
    """Moves staged rows of a kind that are about erased leads to `rejected`; costs what the ids of an export cost."""
    if not known.subjects.get("erased"):
        return
    for folder in sorted((staging / kind).glob("bucket=[0-9]*")):
        rows = f"read_parquet({quoted(str(folder / '*.parquet'))}, union_by_name = true)"
        names = " UNION ".join(f"SELECT {column} FROM {rows}" for column in COLUMNS[kind])
        erased = known.erased([name for (name,) in con.execute(names).fetchall()])
        if erased:
            _reject(con, kind, rows, {column: _among(column, erased) for column in COLUMNS[kind]}, folder)


def _among(column: str, lead_ids: Collection[str]) -> str:
    return f"{column} IN ({', '.join(quoted(name) for name in sorted(lead_ids))})"


def _reject(con: duckdb.DuckDBPyConnection, kind: str, rows: str, erased: Mapping[str, str], folder: Path) -> None:
    """Leaves the rest of a bucket of rows. erased: whether an id is an erased lead's, by its column."""
    theirs, columns = " OR ".join(erased.values()), "*"
    if kind == "identities":
        # The alias is another's by now; whose it was until then is forgotten.
        theirs = f"{erased['alias']} OR (valid_until IS NULL AND {erased['lead_id']})"
        columns = f"* REPLACE (CASE WHEN {erased['lead_id']} THEN '' ELSE lead_id END AS lead_id)"
    con.execute(
        f"INSERT INTO rejected SELECT '{kind}', part, n, {quoted(REASON)} FROM {rows} WHERE n > 0 AND ({theirs})"
    )
    old, rest = list(folder.glob("*.parquet")), folder / "0.parquet"
    con.execute(f"COPY (SELECT {columns} FROM {rows} WHERE NOT ({theirs})) TO {quoted(str(rest))} (FORMAT parquet)")
    for file in old:
        file.unlink()
