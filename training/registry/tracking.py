"""The MLflow that a workspace registers in: its own SQLite file, or what MLFLOW_TRACKING_URI names; opened safely."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from data.contract import DataError, UsageError
from training.registry.locations import FOLDER, is_moved, note_anew
from training.registry.workspace_lock import Busy, is_ours, writing

SAFE = {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""Unless the user says otherwise. MLflow's own are 120 s, eight times: an hour until a server is known to be away."""
OWN = "mlflow.db"


@dataclass(frozen=True)
class Tracking:
    """A store of MLflow's. uri: MLflow's address of it. database: its SQLite file, None when it is none.

    artifacts: where new artifacts are written; None where a tracking server says that.
    """

    workspace: Path
    uri: str
    database: Path | None
    artifacts: Path | None

    @staticmethod
    def of(workspace: Path) -> Tracking:
        """The store of a workspace. Raises UsageError for an address or a path that MLflow cannot follow."""
        elsewhere = os.environ.get("MLFLOW_TRACKING_URI")
        if elsewhere is None or not elsewhere.strip():
            database = (workspace / OWN).resolve()
            return Tracking(workspace, _sqlite_uri(database), database, database.with_name(FOLDER))
        scheme = urlsplit(elsewhere).scheme
        if scheme in ("", "file"):
            raise UsageError(f"MLFLOW_TRACKING_URI {elsewhere!r} is a file store; give a database or server URI")
        if scheme in ("http", "https", "databricks"):
            return Tracking(workspace, elsewhere, None, None)
        # A database says nothing of artifacts, and MLflow would write them to ./mlruns of the current folder.
        file = _sqlite_file(elsewhere) if scheme.startswith("sqlite") else None
        return Tracking(workspace, elsewhere, file, ((file.parent if file else workspace) / FOLDER).resolve())

    @property
    def address(self) -> str:
        """The URI to show: without a password."""
        parts = urlsplit(self.uri)
        return self.uri.replace(f":{parts.password}@", ":***@", 1) if parts.password else self.uri

    @property
    def is_shared(self) -> bool:
        """Whether other workspaces may register here too."""
        return self.database is None or self.database.parent != self.workspace.resolve()

    def _bring_up_to_date(self) -> None:
        """Notes in the store where its artifacts are now, unless it cannot be written to or another process writes.

        Then it waits: readers resolve what is noted, and a writer whose artifacts would lie elsewhere is refused.
        """
        file, artifacts = self.database, self.artifacts
        if file is None or artifacts is None or not is_moved(file, artifacts) or not os.access(file, os.W_OK):
            return
        with suppress(Busy, OSError, sqlite3.Error):
            if is_ours(file.parent):
                note_anew(file, artifacts)
                return
            with writing(file.parent, "bringing locations up to date"):
                note_anew(file, artifacts)

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """The mlflow module, set up: no telemetry, no pickle, locations as they are now. Raises DataError."""
        os.environ.update(SAFE)
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        if not self.workspace.is_dir():
            self.workspace.mkdir(parents=True, exist_ok=True)
        self._bring_up_to_date()
        # Imported late because it takes seconds.
        import mlflow
        from sqlalchemy.exc import SQLAlchemyError

        given = os.environ.get("MLFLOW_TRACKING_URI")
        mlflow.set_tracking_uri(self.uri)
        if given is None:
            # MLflow has set it, and another workspace of this process would take it for the user's wish.
            os.environ.pop("MLFLOW_TRACKING_URI", None)
        try:
            yield mlflow
        except (mlflow.exceptions.MlflowException, SQLAlchemyError) as error:
            why = next(iter(str(error).splitlines()), type(error).__name__)
            raise DataError(f"MLflow at {self.address} cannot do that: {why[:200]}") from None


def _sqlite_uri(database: Path) -> str:
    """The address of a file. Raises UsageError for a path that MLflow would take for another one."""
    from sqlalchemy import make_url

    uri = f"sqlite:///{database}"
    if make_url(uri).database != str(database):
        raise UsageError(
            f"the path of the workspace, {str(database.parent)!r}, means another one to MLflow: take ? and % out of "
            "it; a workspace can be moved"
        )
    return uri


def _sqlite_file(uri: str) -> Path | None:
    from sqlalchemy import make_url

    name = make_url(uri).database
    return Path(name).resolve() if name and name != ":memory:" else None
