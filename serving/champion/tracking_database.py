"""The champion of a tracking database: when it has changed, MLflow's client is asked, in a process of its own.

The client costs seconds to import, and the tables are MLflow's own. So SQLite's file is watched for a change, whoever
made it, and a database elsewhere is asked every ASK_S seconds; a tracking server before it is quicker and cheaper.
"""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import make_url

from data.contract import DataError
from serving.champion.artifact_cache import ArtifactCache, CachedArtifact
from serving.champion.fetch import Fetched, fetch, into_cache

ASK_S = 300.0
"""Between two questions to a database that is no file."""
REST_S = 15.0
"""Between two questions however often the file changes, as it does while a model is trained."""
Stamp = tuple[tuple[int, int, int], ...]


class TrackingDatabaseSource:
    """The version that an alias of the database at `uri` points at; `workspace` is where it is copied to first.

    noted: what the workspace itself last made of the alias: the answer until the database is asked, REST_S later.
    """

    def __init__(self, workspace: Path, uri: str, name: str, alias: str, noted: Fetched | None = None) -> None:
        self.workspace, self.name, self.alias = workspace, name, alias
        url = make_url(uri)
        self.file = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
        self.fetched = noted
        self.failure: DataError | None = None
        self.stamp: Stamp = ()
        self.rests_until = 0.0 if noted is None else time.monotonic() + REST_S

    def mark(self) -> str | None:
        """The version, None when the alias points nowhere. Raises DataError when the database cannot be asked."""
        stamp = self._stamp()
        if time.monotonic() >= self.rests_until and (self.file is None or stamp != self.stamp):
            self._ask(stamp)
        if self.failure is not None:
            raise self.failure
        return None if self.fetched is None else self.fetched.version

    def bring(self, cache: ArtifactCache) -> CachedArtifact:
        """Raises DataError also when model.json is not the one that was registered."""
        try:
            return into_cache(self.fetched, self.name, cache)
        except DataError:
            self.stamp = ()  # what was fetched may be gone: asked anew
            raise

    def _ask(self, stamp: Stamp) -> None:
        try:
            self.fetched, self.failure, self.stamp = fetch(self.workspace, self.name, self.alias), None, stamp
        except DataError as error:
            self.failure = error
        self.rests_until = time.monotonic() + (ASK_S if self.file is None else REST_S)

    def _stamp(self) -> Stamp:
        """What changes with every commit, taken before a question, so that no change falls between the two.

        Raises DataError when there is no such file: MLflow would make one.
        """
        if self.file is None:
            return ()
        if not self.file.exists():
            raise DataError(f"there is no model registry at {self.file}; run `leadscore train` first")
        written = [path.stat() for path in (self.file, Path(f"{self.file}-wal")) if path.exists()]
        return tuple((state.st_ino, state.st_mtime_ns, state.st_size) for state in written)
