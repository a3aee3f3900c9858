"""How functions are compiled: cached on disk by a digest of every file of ours that a function can be made of.

Numba's own cache notices a change in the file of the function that it has compiled, and in no other: after a change
of a rule or a constant that another file holds, the old rule would go on working without a word. Here the cache's
folder is named after the sources themselves: of the function's file and of all files of ours that it imports, directly
or by way of others. So code made of other sources is in another folder: neither a kill in the middle of writing nor
a second process that still runs the old sources can bring it back. Folders of old sources stay until they are removed.

The folder is the first that can be written to: NUMBA_CACHE_DIR, else `__pycache__` beside the file, else the user's
cache. Where none can, functions are compiled in memory, in each process anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any

import numba

ROOT = Path(__file__).resolve().parents[1]
"""The folder of our packages."""
PACKAGE = __name__.removesuffix("compiled").removesuffix("data.")
"""What our modules' names begin with: nothing in the repository, `leadscore.` where it is installed as one package."""
IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?import[ \t]+(\([^)]*\)|[^\n]*)", re.MULTILINE)
CONFIGURING = RLock()
"""Numba's configuration is one for the whole process."""
STARTED = time.time() - 0.01
"""A file that changes later may not be the one that this process runs. Clocks of file systems lag a little."""


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` with these options, cached, and running without the interpreter's lock.

    >>> @njit()
    ... def twice(x):
    ...     return x + x
    >>> twice(21)
    42
    """

    def compiled(function: Callable[..., Any]) -> Any:
        source = Path(function.__code__.co_filename)
        for folder in _folders(source):
            try:
                with _cached_in(folder):
                    return numba.njit(cache=True, nogil=True, **options)(function)
            except RuntimeError:  # the folder cannot be written to
                continue
        return numba.njit(nogil=True, **options)(function)

    return compiled


def digest(source: Path) -> str:
    """Hexadecimal digest of a file of ours and of every file of ours that it imports, directly or by way of others."""
    made_of = hashlib.sha256()
    for path in sorted(_reachable(source)):
        made_of.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return made_of.hexdigest()


def _reachable(source: Path) -> set[Path]:
    reached, waiting = set[Path](), {source.resolve()}
    while waiting:
        path = waiting.pop()
        reached.add(path)
        waiting |= _imported(path) - reached
    return reached


@cache
def _imported(path: Path) -> frozenset[Path]:
    """Files of ours that a file imports; a name that is imported may be a module itself."""
    modules = set[str]()
    for origin, names in IMPORT.findall(path.read_text(encoding="utf-8")):
        words = re.findall(r"[\w.]+", names)
        modules |= {origin, *(f"{origin}.{word}" for word in words)} if origin else set(words)
    return frozenset(place for module in modules for place in _files(module))


def _files(module: str) -> Iterator[Path]:
    """The file of a module of ours; none for those of others."""
    if module.startswith(PACKAGE):
        base = ROOT.joinpath(*module.removeprefix(PACKAGE).split("."))
        yield from (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())


@cache
def _folders(source: Path) -> tuple[Path, ...]:
    """Where the functions of a file may be cached, in order of preference.

    Nowhere for a file that is not ours, and for one that has changed under this process.
    """
    if not source.is_file() or not source.resolve().is_relative_to(ROOT):
        return ()
    if max(path.stat().st_ctime for path in _reachable(source)) > STARTED:
        return ()
    user = Path(os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache"))
    places = [Path(numba.config.CACHE_DIR)] if numba.config.CACHE_DIR else []
    places += [source.parent / "__pycache__", *([user / "leadscore"] if user.is_absolute() else [])]
    return tuple(place / f"{source.stem}-{digest(source)[:16]}" for place in places)


@contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    """Lets Numba cache in this folder and nowhere else: it decides for each function, when that is decorated."""
    with CONFIGURING:
        before = numba.config.CACHE_DIR, numba.config.CACHE_LOCATOR_CLASSES
        numba.config.CACHE_DIR, numba.config.CACHE_LOCATOR_CLASSES = str(folder), "UserProvidedCacheLocator"
        try:
            yield
        finally:
            numba.config.CACHE_DIR, numba.config.CACHE_LOCATOR_CLASSES = before
