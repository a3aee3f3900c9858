"""Folders that appear whole: written as a draft beside their place, made visible by one rename.

A mount point, as of a container's volume, cannot be replaced: its draft lies in it, and is moved there piece by piece,
what says who was erased first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.contract import DataError, UsageError
from data.log.manifest import sync

MARK = ".leadscore-draft-"
FIRST = ("erased.db", "store.db")
"""What goes into a mount point first: cut off behind them, nobody comes back who was erased."""
SPARE = 32 << 20
"""Bytes that are left free."""


def check_free(place: Path) -> None:
    """Raises UsageError unless nothing is at a place, or an empty folder that can be replaced."""
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise UsageError(f"{place} is there already and is not written over; name a folder that is not there")
    if place.exists() and any(not _may_be_there(entry, place) for entry in place.iterdir()):
        raise UsageError(f"{place} is not empty and is not written over; name a folder that is not there")


def _may_be_there(entry: Path, place: Path) -> bool:
    """What a file system brings along, and drafts, in a mount point."""
    return place.is_mount() and (entry.name == "lost+found" or entry.name.startswith(MARK))


def check_room(place: Path, size: int) -> None:
    """Raises DataError when the disk of a place has no room for so many bytes."""
    there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < size + SPARE:
        raise DataError(f"{there} has {free >> 20} MB of free disk, {(size + SPARE >> 20) + 1} are needed; make room")


@contextmanager
def draft_of(place: Path) -> Iterator[Path]:
    """A private folder beside a place, or in a mount point, which `appear` makes that place; else gone at the end.

    What killed processes have left there is removed first.
    """
    beside = place.absolute() if place.is_mount() else place.absolute().parent
    beside.mkdir(parents=True, exist_ok=True)
    for folder in beside.glob(f"{MARK}*"):
        _remove_if_dead(folder)
    draft = Path(tempfile.mkdtemp(prefix=MARK, dir=beside))
    handle = os.open(draft, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(handle)


def appear(draft: Path, place: Path) -> None:
    """Makes a draft its place, all of it on disk first. Raises UsageError when something is there meanwhile."""
    check_free(place)
    for path in (*draft.rglob("*"), draft):
        sync(path)
    if not place.is_mount():
        os.rename(draft, place)
        sync(place.absolute().parent)
        return
    for entry in sorted(draft.iterdir(), key=lambda entry: (entry.name not in FIRST, entry.name)):
        os.rename(entry, place / entry.name)
    sync(place)


def _remove_if_dead(draft: Path) -> None:
    """Whoever writes to a draft holds its lock, which ends with the process."""
    handle = os.open(draft, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(draft, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(handle)
