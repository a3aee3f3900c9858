"""Copies of files that others go on writing to: all of them as they were at one moment.

A pass copies what differs from the listing before it; when the listing after it is the same, nothing has changed in
between, and what was copied is what was there. No lock is needed, so that whoever writes is never kept waiting.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PASSES = 8
"""What still differs then changes all the time."""
CHUNK = 1 << 20


class Signature(NamedTuple):
    """What changes when a file does. Times are those of the last changes of its content and of its inode, ns."""

    inode: int
    size: int
    written_ns: int
    changed_ns: int


def copy_living(source: Path, place: Path, belongs: Callable[[Path], bool]) -> tuple[dict[str, str], list[str]]:
    """Copies the files below a folder that `belongs` says yes to: their sha256 by relative path.

    Also those that never held still: they are not among the copies. Links are not followed, and no file of a database
    of SQLite's is copied, see databases.py. What a pass finds gone is taken out again.
    """
    copies: dict[str, tuple[Signature, str]] = {}
    there = listing(source, belongs)
    for _ in range(PASSES):
        _bring_up_to_date(source, place, copies, there)
        before, there = there, listing(source, belongs)
        if there == before == _signatures(copies):
            break
    restless = sorted(name for name in there.keys() | copies.keys() if _signatures(copies).get(name) != there.get(name))
    for name in restless:
        _remove(place, copies, name)
    return {name: digest for name, (_, digest) in sorted(copies.items())}, restless


def listing(source: Path, belongs: Callable[[Path], bool]) -> dict[str, Signature]:
    """The files below a folder, by relative path, and what changes when they do."""
    signatures = {}
    for path in _below(source, belongs):
        with suppress(FileNotFoundError):
            about = path.stat(follow_symlinks=False)
            if stat.S_ISREG(about.st_mode):
                name = path.relative_to(source).as_posix()
                signatures[name] = Signature(about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    return signatures


def links(source: Path, belongs: Callable[[Path], bool]) -> list[str]:
    """Symbolic links below a folder."""
    return sorted(path.relative_to(source).as_posix() for path in _below(source, belongs) if path.is_symlink())


def write_private(place: Path, chunks: Iterator[bytes]) -> str:
    """Writes a file that only its owner may read from its first byte on, to disk; its sha256."""
    make_private(place.parent)
    digest = hashlib.sha256()
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(handle)
    return digest.hexdigest()


def make_private(folder: Path) -> None:
    """Makes a folder, and those above it that are missing, for its owner alone."""
    for missing in [above for above in (folder, *folder.parents) if not above.exists()][::-1]:
        missing.mkdir(mode=0o700)


def content(path: Path) -> Iterator[bytes]:
    """A file's bytes, piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _below(source: Path, belongs: Callable[[Path], bool]) -> Iterator[Path]:
    """All that is no folder, without entering folders that do not belong."""
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if belongs(Path(folder, name))]
        linked = [name for name in folders if Path(folder, name).is_symlink()]
        yield from (path for name in (*names, *linked) if belongs(path := Path(folder, name)))


def _bring_up_to_date(
    source: Path, place: Path, copies: dict[str, tuple[Signature, str]], there: Mapping[str, Signature]
) -> None:
    for name in copies.keys() - there.keys():
        _remove(place, copies, name)
    for name, signature in there.items():
        if name not in copies or copies[name][0] != signature:
            try:
                copies[name] = signature, write_private(place / name, content(source / name))
            except FileNotFoundError:
                _remove(place, copies, name)


def _remove(place: Path, copies: dict[str, tuple[Signature, str]], name: str) -> None:
    copies.pop(name, None)
    (place / name).unlink(missing_ok=True)


def _signatures(copies: Mapping[str, tuple[Signature, str]]) -> dict[str, Signature]:
    return {name: signature for name, (signature, _) in copies.items()}
