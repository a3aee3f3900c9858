"""Watches for a new champion: copied, tried out in a process of its own, loaded, warmed, and only then put in place."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from data.contract import DataError
from serving.champion.artifact_cache import ArtifactCache, CachedArtifact, Damaged
from serving.champion.artifact_sources import ArtifactSource
from serving.champion.champion import Champion
from serving.champion.child_process import MachineFault
from serving.champion.postponement import Postponement
from serving.champion.smoke_test import smoke_test, warm
from serving.messages.problems import without_folders
from serving.scoring.served_model import ServedModel
from serving.telemetry.metrics import Metrics
from serving.telemetry.server_log import ServerLog


class Watcher:
    """Looks every `seconds` on a thread of its own. Whatever goes wrong, the model in place goes on serving."""

    def __init__(
        self,
        source: ArtifactSource,
        cache: ArtifactCache,
        champion: Champion,
        metrics: Metrics,
        log: ServerLog,
        seconds: float,
    ) -> None:
        self.source, self.cache, self.champion = source, cache, champion
        self.metrics, self.log, self.seconds = metrics, log, seconds
        self.in_place: str | None = None
        self.refused: str | None = None
        self.noted: str | None = None
        self.away = False
        self.postponed: Postponement | None = None
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Puts the model that was in place last in place again; where there is none, begins to watch at once."""
        self.cache.path.mkdir(parents=True, exist_ok=True)
        copy = self.cache.current()
        if copy is not None:
            try:
                self._place(copy)
            except DataError as error:
                self.log.write("shelf_unusable", reason=str(error))
        if self.champion.live is None:
            self.watch()

    def watch(self) -> None:
        """Begins to watch, unless it does already: once the server answers, so that asking does not hold up a start."""
        if self.thread.ident is None:
            self.thread.start()

    def stop(self) -> None:
        """Ends the watch; a trial that is running is not waited for."""
        self.stopped.set()

    def look(self) -> None:
        """One look: a new champion is put in place, or refused with a reason."""
        try:
            mark = self.source.mark()
        except DataError as error:
            self._note_away(str(error))
            return
        self.away = False
        if mark is None or mark in (self.in_place, self.refused):
            self._forget_refusal(mark)
            return
        if self.postponed is not None and self.postponed.holds(mark):
            return
        self._change(mark)

    def _run(self) -> None:
        while not self.stopped.is_set():
            try:
                self.look()
                self.champion.refresh()
            except Exception as error:  # a thread that dies would leave an old model in place for ever, unsaid
                self.log.failure("watcher_failed", error)
            self.stopped.wait(self.seconds)

    def _change(self, mark: str) -> None:
        try:
            copy = self.source.bring(self.cache)
        except DataError as error:
            # Whatever is not the artifact's own fault may pass: tried again at the next look.
            self._refuse(mark, str(error), retry=not isinstance(error, Damaged))
            return
        if self.champion.live is not None and copy.digests == self.champion.live.digests:
            self.in_place = mark
            return
        before = self.postponed if self.postponed is not None and self.postponed.mark == mark else None
        try:
            for step in copy.chain or (copy,):
                smoke_test(Path(step.folder), Postponement.patience(before))
            self._place(copy)
        except MachineFault as error:
            self.postponed = Postponement.after(before, mark, self.seconds)
            self._refuse(mark, f"{error}; {self.postponed}", retry=True)
            return
        except DataError as error:
            self.cache.discard(copy)
            self._refuse(mark, str(error), retry=False)
            return
        self.cache.keep(copy)

    def _place(self, copy: CachedArtifact) -> None:
        live = _loaded(copy).in_chain([_loaded(step) for step in copy.chain])
        for model in (live, *live.chain.values()):
            warm(model)
        self.champion.swap(live)
        self.in_place, self.refused = copy.mark, None
        self.log.write("model_in_place", name=copy.name, version=copy.version, digest=copy.digest)
        with suppress(DataError):  # a model without grounds scores all the same
            self.champion.current().grounds  # noqa: B018 -- read now, so that nobody waits for it on a page

    def _refuse(self, mark: str, why: str, retry: bool) -> None:
        said = without_folders(f"version {mark[:12]} was refused: {why}")
        # What is tried again at every look is noted once; another artifact with the same fault is noted anew.
        if (mark, said) != (self.noted, self.champion.refusal):
            self.metrics.refused.inc()
            self.log.write("model_refused", mark=mark, reason=why)
        self.champion.refuse(said)
        self.noted = mark
        self.refused = None if retry else mark

    def _forget_refusal(self, mark: str | None) -> None:
        """A refusal is over when the source names the model in place again."""
        if mark is not None and mark == self.in_place:
            self.refused = None
            self.champion.refuse(None)

    def _note_away(self, why: str) -> None:
        if not self.away:
            self.log.write("registry_away", reason=why)
        self.away = True
        if self.champion.live is None:
            self.champion.refuse(why)


def _loaded(copy: CachedArtifact) -> ServedModel:
    """An artifact of the cache. Raises DataError when it is not what it was."""
    live = ServedModel.load(Path(copy.folder), copy.name, copy.version)
    if live.model.digest != copy.digest:
        raise DataError(f"{copy.folder} is not the artifact that it was; it is fetched again")
    live.run, live.made_at = copy.run, copy.made_at
    return live
