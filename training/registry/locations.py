"""Where the artifacts of a database of MLflow's lie now, wherever its folder was when they were written.

MLflow notes an absolute path for each of them, so that a workspace that is moved, copied or mounted elsewhere would
lose its models, and a copy would write into the original. They lie in `mlartifacts` beside the database: what stands
behind that is the same everywhere. Readers resolve by it; what is noted is brought up to date when the database can be
written to and nobody is writing, so that MLflow's own page and client find them too.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

FOLDER = "mlartifacts"
NOTED = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Tables and columns in which MLflow notes a location."""


def resolved(location: str, artifacts: Path) -> Path:
    """The folder that a location of MLflow's (URI or path) means for those who have its artifacts in `artifacts`.

    >>> resolved("file:///gone/ws/mlartifacts/1/artifacts", Path("/nowhere"))
    PosixPath('/gone/ws/mlartifacts/1/artifacts')
    """
    noted = Path(unquote(urlsplit(location).path) if location.startswith("file:") else location)
    here = artifacts / _below(str(noted))
    return here if _has_tail(str(noted)) and here.exists() else noted


def is_elsewhere(location: str, artifacts: Path) -> bool:
    """Whether a noted location lies in another `mlartifacts` than `artifacts`."""
    return _has_tail(location) and location != _renamed(location, artifacts)


def is_moved(database: Path, artifacts: Path) -> bool:
    """Whether an experiment would write elsewhere. False for what is no database: whoever opens it says so."""
    try:
        with closing(_connect(database, "ro")) as connection:
            rows = connection.execute("SELECT artifact_location FROM experiments").fetchall()
    except sqlite3.Error:
        return False
    return any(noted and is_elsewhere(noted, artifacts) for (noted,) in rows)


def note_anew(database: Path, artifacts: Path) -> None:
    """Notes in a database where its artifacts are now, in one transaction. Raises sqlite3.Error.

    An experiment always writes here; what was written is noted here unless it only lies where it was.
    """
    with closing(_connect(database, "rw")) as connection, connection:
        for table, column in NOTED:
            rows = connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
            moved = [
                (_renamed(noted, artifacts), row)
                for row, noted in rows
                if noted and _has_tail(noted) and (table == "experiments" or not _lies_elsewhere(noted, artifacts))
            ]
            connection.executemany(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", moved)


def _connect(database: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.as_uri()}?mode={mode}", uri=True)


def _has_tail(location: str) -> bool:
    return f"/{FOLDER}/" in f"{location}/"


def _below(location: str) -> str:
    """What stands behind the last `mlartifacts/`."""
    return f"{location}/".rpartition(f"/{FOLDER}/")[2].rstrip("/")


def _renamed(location: str, artifacts: Path) -> str:
    """The same location below `artifacts`, as a URI without an end slash, as MLflow notes it."""
    below = _below(location)
    return artifacts.as_uri() + (f"/{below}" if below else "")


def _lies_elsewhere(location: str, artifacts: Path) -> bool:
    """Whether what was written is there, but not here: the database was copied without its artifacts."""
    place = resolved(location, artifacts)
    return place.exists() and artifacts not in place.parents
