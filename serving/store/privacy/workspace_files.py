"""The files of a workspace, as an erasure meets them: which ids to look for, which files to clean, what cannot be."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from data.contract import DataError, UsageError
from data.erasure.files import can_clean, clean
from data.erasure.lead_ids import LeadIds
from data.erasure.ledger import Ledger
from data.ids import mentions, whole_word
from data.log.removal import erase_from_log, ids_in_log, is_full
from data.pull.folder import LANDING, only_puller
from data.temporary import sweep
from serving.store.privacy.places import FILES, TAKEN_OUT, Cleaning, is_declared, place_of
from training.registry.workspace_lock import Busy, writing

WAITS_FOR_OTHERS_S, PAUSE_S = 10.0, 0.1
"""So long an erasure waits for another one; a command that works for longer is told instead."""
COUNTED = tuple(place.name for place in FILES if place.cleaning in TAKEN_OUT)
DRAFT = re.compile(r"\..+\.\d+\.draft")
"""What writers of lists leave behind when they are killed."""
MOST = 10
"""Lines that a receipt has about files."""


class Unfinished(DataError):
    """Something kept an erasure from being done as a whole. There is no receipt; it is to be repeated."""


@dataclass(frozen=True)
class Removal:
    """What is gone from files: place -> rows. limits: what could not be searched or cleaned, a sentence each."""

    counts: Mapping[str, int] = field(default_factory=dict)
    limits: Sequence[str] = ()


@dataclass
class _Search:
    """What a search for ids has found so far. full: sentences about a full disk."""

    ids: LeadIds
    counts: Counter[str] = field(default_factory=Counter)
    limits: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)

    def clean(self, path: Path, name: str, place: str) -> None:
        """Cleans a file; what is wrong with it costs a line."""
        try:
            rows = clean(path, self.ids)
            if rows and path.stat().st_nlink > 1:
                self.limits.append(f"{name} has another name elsewhere, under which it is as it was")
            self.counts[place] += rows
        except FileNotFoundError:
            return  # who wrote it has removed it, or replaces it: by what the ledger lets pass
        except (DataError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            (self.full if is_full(error) else self.limits).append(f"{name} could not be searched: {reason}")

    def remove(self, path: Path, place: str) -> None:
        """Removes a file that mentions one of the ids: it is made anew when someone asks for it."""
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        if any(mentions(text, lead_id) for lead_id in self.ids.ids):
            path.unlink()
            self.counts[place] += 1


@dataclass(frozen=True)
class WorkspaceFiles:
    """A workspace, its event log, and the ledger beside that."""

    root: Path
    log_path: Path

    @property
    def ledger(self) -> Ledger:
        """Who was erased, as far as files know."""
        return Ledger.beside(self.log_path)

    def ids(self, lead_id: str) -> list[str]:
        """A lead and all ids that are its by the event log; itself where that cannot be read, which is told."""
        try:
            return ids_in_log(self.log_path, lead_id)
        except (DataError, OSError, ValueError):
            return [lead_id]

    def block(self, lead_ids: Collection[str], now: int) -> None:
        """Nothing about these leads comes into the log, or into lists, from now on (µs UTC)."""
        if self.root.exists() or self.log_path.parent.exists():
            self.ledger.add("erased", lead_ids, now)

    def note_objection(self, lead_id: str, objects: bool, now: int) -> None:
        """Notes that a lead must not be scored from the log either, or may be again (µs UTC)."""
        if self.log_path.parent.exists():
            ids = self.ids(lead_id)
            self.ledger.add("objects", ids, now) if objects else self.ledger.withdraw(ids)

    def clean(self, lead_ids: Sequence[str]) -> Removal:
        """Takes leads out of all files: of the log last, since it says which ids are a lead's when this is repeated.

        Raises Unfinished while another command writes to them, and when the disk is full.
        """
        search = self._clean_files(LeadIds(lead_ids), exists=self.root.exists())
        try:
            in_log = erase_from_log(self.log_path, lead_ids[0])
        except UsageError as error:
            raise Unfinished(f"{error}; then forget the lead again") from None
        except (DataError, OSError, ValueError) as error:
            search.limits.append(f"event log could not be searched: {error}")
            if is_full(error):
                search.full.append("the event log")
        else:
            search.counts["event log"] += in_log.rows
            search.limits += [f"event log: {line}" for line in in_log.unread]
        if search.full:
            raise Unfinished("the disk is full: make room, and forget the lead again")
        return Removal(dict(search.counts), _told(search, lead_ids))

    def clean_files(self, ids: LeadIds) -> Removal:
        """The same for all files but the log, of whomever is looked for."""
        search = self._clean_files(ids, exists=self.root.exists())
        return Removal(dict(search.counts), _told(search, ()))

    def _clean_files(self, ids: LeadIds, exists: bool) -> _Search:
        search = _Search(ids, Counter(dict.fromkeys(COUNTED, 0)))
        sweep()
        if exists:
            with self._nobody_else():
                self._remove_drafts()
                for path, name in _files(self.root, self.log_path, search.limits):
                    self._clean_one(path, name, search)
        self._clean_elsewhere(search)
        return search

    def _clean_one(self, path: Path, name: Path, search: _Search) -> None:
        place = place_of(name)
        if place.cleaning is Cleaning.AS_A_WHOLE:
            search.remove(path, place.name)
        if place.cleaning is Cleaning.UNDER_WAY and path.parent.name == LANDING:
            try:
                with only_puller(path.parent.parent):
                    search.remove(path, place.name)
            except UsageError as error:
                search.limits += [line for line in [f"{error}; what it holds goes then"] if line not in search.limits]
        if place.cleaning is not Cleaning.BY_FORM:
            return
        if can_clean(path):
            search.clean(path, name.as_posix(), place.name)
        elif place.name == "exports":
            search.unknown.append(name.as_posix())

    def _clean_elsewhere(self, search: _Search) -> None:
        """Lists that were written to other places."""
        written = self.ledger.written()
        if written and not self.root.exists():
            self._remove_drafts()
        gone = [path for path in written if not path.exists()]
        for path in written:
            search.clean(path, str(path), "exports")
        if gone:
            search.limits.append(
                f"{len(gone)} lists that were written outside the workspace are not where they were, the last one "
                f"{gone[-1]}: search where they are now"
            )

    @contextmanager
    def _nobody_else(self) -> Iterator[None]:
        """The workspace's lock. Raises Unfinished."""
        with ExitStack() as undo:
            until = time.monotonic() + WAITS_FOR_OTHERS_S
            while not self._is_taken(undo, until):
                time.sleep(PAUSE_S)
            yield

    def _remove_drafts(self) -> None:
        """What killed writers have left of lists, wherever those lie; nobody writes one meanwhile."""
        lists = self.ledger.written()
        with self.ledger.alone():
            _remove_drafts(self.root, self.log_path, lists)

    def _is_taken(self, undo: ExitStack, until: float) -> bool:
        try:
            undo.enter_context(writing(self.root, "erasing a lead"))
        except Busy as error:
            if time.monotonic() < until:
                return False
            raise Unfinished(f"{error}, then forget the lead again") from None
        except OSError as error:
            raise Unfinished(f"{self.root} cannot be written to ({error.strerror}), nothing was erased there") from None
        return True


def _remove_drafts(root: Path, log_path: Path, lists: Sequence[Path]) -> None:
    """Those below a workspace, and those beside lists elsewhere and beside what links of the workspace point at."""
    below = [Path(folder) / name for folder, _, names in os.walk(root) for name in names]
    below += [path for path, _ in _files(root, log_path, [])]
    elsewhere = [*lists, *(path.resolve() for path in below if path.is_symlink())]
    beside = [other for path in elsewhere for other in path.parent.glob(".*.draft") if _is_of(other.name, path.name)]
    for path in (*beside, *(path for path in below if DRAFT.fullmatch(path.name))):
        with suppress(FileNotFoundError):
            path.unlink()


def _is_of(draft: str, name: str) -> bool:
    return draft.startswith(f".{name}.") and DRAFT.fullmatch(draft) is not None


def _files(root: Path, log_path: Path, limits: list[str]) -> Iterator[tuple[Path, Path]]:
    """All files below a workspace but those of the log, with their names there; says which links it does not follow.

    A file that is a link is cleaned where it lies. A folder that is one is followed where it is a place of ours.
    """
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            limits.append(f"{folder.relative_to(root).as_posix()} could not be searched: {error.strerror}")
            continue
        for entry in entries:
            path = Path(entry.path)
            name = path.relative_to(root)
            if path == log_path or path.resolve() == log_path.resolve():
                continue
            if entry.is_dir():
                if not entry.is_symlink() or is_declared(name):
                    waiting.append(path)
                else:
                    limits.append(f"{name.as_posix()} is a link to another folder, and was not searched")
            elif entry.is_file():
                yield path, name


def _told(search: _Search, lead_ids: Collection[str]) -> tuple[str, ...]:
    """What a receipt says; names of files may hold an id themselves."""
    lines = list(search.limits)
    if search.unknown:
        shown = ", ".join(search.unknown[:MOST])
        lines.append(f"{len(search.unknown)} files of forms that are not known were not searched: {shown}")
    if len(lines) > MOST:
        lines = [*lines[:MOST], f"and {len(lines) - MOST} more"]
    return tuple(_without(line, lead_ids) for line in lines)


def _without(line: str, lead_ids: Collection[str]) -> str:
    for lead_id in lead_ids:
        if mentions(line, lead_id):
            line = re.sub(whole_word(lead_id), "…", line)
    return line
