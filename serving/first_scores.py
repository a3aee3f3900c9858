"""Scores leads that services send for the first time, at once, so that lists have them within seconds.

A thread looks for leads that came and have no score. All others wait for the next scoring: a score at each event would
count busy leads more often than quiet ones when scores are compared with what came of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from serving.champion.champion import Champion
from serving.scoring.rescoring import Rescorer
from serving.scoring.served_model import ServedModel
from serving.store.database.failures import StoreError
from serving.store.leads.unscored import BEGINNING, Arrived
from serving.store.store import Store
from serving.telemetry.server_log import ServerLog

NOTED_S = 60.0
"""How often it is kept how far the looks have come; what came since is looked at again by the next server."""
AT_ONCE = 50
"""Leads that are scored in one go: requests wait a moment at most."""


class FirstScores:
    """Looks every `look_s` seconds, from `start` until `stop`. clock: µs UTC."""

    def __init__(
        self, store: Store, champion: Champion, log: ServerLog, clock: Callable[[], int], look_s: float = 1.0
    ) -> None:
        self._store, self._champion, self._log, self._clock, self._look_s = store, champion, log, clock, look_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="first scores", daemon=True)
        self._seen: tuple[str, Arrived] = ("", BEGINNING)
        self._noted: tuple[str, int] = ("", 0)
        self._noted_at = time.monotonic()

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after what is under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        with suppress(StoreError):  # then the next server looks at more
            self.note()

    def note(self) -> None:
        """Keeps how far the looks have come, for the next server."""
        target, place = self._seen
        if target and (target, place.number) != self._noted:
            self._store.unscored.note(target, place, self._clock())
            self._noted = target, place.number
        self._noted_at = time.monotonic()

    def look(self) -> int:
        """Scores who has come since the last look; says how many leads got a score."""
        live = self._champion.live
        if live is None:
            return 0
        target, scored = live.target.name, 0
        place = self._seen[1] if self._seen[0] == target else self._store.unscored.looked_until(target)
        while not self._stopping.is_set():
            place = self._store.unscored.after(target, place)
            try:
                scored += self._score(live, place.lead_ids)
            except StoreError:
                raise  # looked at again from where it was
            except Exception:
                self._seen = (target, place)  # would be tried for ever; the next scoring has them
                raise
            self._seen = (target, place)
            if place.is_all:
                break
        return scored

    def _score(self, live: ServedModel, lead_ids: list[str]) -> int:
        rescorer = Rescorer(self._store, live.scorer, live.model.version, live.model.digest, live.steps)
        parts = (lead_ids[start : start + AT_ONCE] for start in range(0, len(lead_ids), AT_ONCE))
        return sum(rescorer.first_scores(part, self._clock, live.effective_thresholds) for part in parts)

    def _run(self) -> None:
        failed = ""
        while not self._stopping.wait(self._look_s):
            try:
                scored = self.look()
                if time.monotonic() - self._noted_at > NOTED_S:
                    self.note()
            except Exception as error:
                if type(error).__name__ != failed:  # not once a second, for as long as the store is away
                    failed = type(error).__name__
                    self._log.write("first_scores_failed", error=failed)
                continue
            failed = ""
            if scored:
                self._log.write("first_scores", leads=scored)
