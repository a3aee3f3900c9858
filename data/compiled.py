"""How functions are compiled: for any processor of this kind, and cached by a digest of all files they are made of.

Numba's own cache notices a change in the file of the function that it has compiled, and in no other: after a change
of a rule or a constant that another file holds, the old rule would go on working without a word. Here the cache's
folder is named after the sources themselves: of the function's file and of all files of ours that it imports, directly
or by way of others. So code made of other sources is in another folder: neither a kill in the middle of writing nor
a second process that still runs the old sources can bring it back. Folders of old sources stay until they are removed.

The folder is the first that holds such code already, or can be written to: NUMBA_CACHE_DIR, else `__pycache__` beside
the file, else the user's cache. Where there is none, functions are compiled in memory, in each process anew. What
`leadscore compile` has written beside the files travels with them: it names no path and is made for no processor in
particular, and who may not write there reads it all the same.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any

import numba
from numba.core.caching import FunctionCache, UserProvidedCacheLocator

from data.contract import DataError

ROOT = Path(__file__).resolve().parents[1]
"""The folder of our packages."""
ROOMS = ("data", "features", "training", "serving")
PACKAGE = __name__.removesuffix("compiled").removesuffix("data.")
"""What our modules' names begin with: nothing in the repository, `leadscore.` where it is installed as one package."""
IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?import[ \t]+(\([^)]*\)|[^\n]*)", re.MULTILINE)
NOWHERE = (
    f"{ROOT} cannot be written to; run `leadscore compile` as the user who has installed it, or let NUMBA_CACHE_DIR "
    "name a folder that nobody else can write to"
)
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
        for folder in _folders(Path(function.__code__.co_filename)):
            writable = _is_writable(folder)
            if writable or folder.is_dir():
                return _cached(function, folder, writable, options)
        return numba.njit(nogil=True, **options)(function)

    return compiled


class Locator(UserProvidedCacheLocator):  # type: ignore[misc]
    """Where the code of a function lies: in the folder itself, which may be read-only, whatever path the file has."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        super().__init__(function, file)
        self._cache_path = str(numba.config.CACHE_DIR)

    def ensure_cache_path(self) -> None:
        """There is nothing to ensure: `_folders` has chosen."""


class ReadOnlyCache(FunctionCache):  # type: ignore[misc]
    """Code that somebody else has compiled; what it lacks is compiled in memory."""

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Nothing is written."""


def _cached(function: Callable[..., Any], folder: Path, writable: bool, options: dict[str, bool]) -> Any:
    with _cached_in(folder):
        dispatcher = numba.njit(cache=True, nogil=True, **options)(function)
        if not writable:
            dispatcher._cache = ReadOnlyCache(function)
    return dispatcher


@cache
def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


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
    return tuple(place / f"{source.stem}-{digest(source)[:16]}" for place in _places(source))


def _places(source: Path) -> tuple[Path, ...]:
    user = Path(os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache"))
    told = [Path(numba.config.CACHE_DIR)] if numba.config.CACHE_DIR else []
    return (*told, source.parent / "__pycache__", *([user / "leadscore"] if user.is_absolute() else []))


def is_complete() -> bool:
    """Whether `leadscore compile` has done its work for these sources, this Python and this kind of processor."""
    return any(mark.exists() for mark in _marks())


def note_complete() -> Path:
    """Notes that all is compiled; where. Raises DataError when that can be written nowhere."""
    mark = next((mark for mark in _marks() if _is_writable(mark.parent)), None)
    if mark is None:
        raise DataError(f"what is compiled cannot be kept: {NOWHERE}")
    mark.touch()
    return mark.parent


def check_ready() -> bool:
    """Whether a server finds all compiled. Raises DataError when it does not, and could not keep what it compiles."""
    marks = _marks()
    if any(mark.exists() for mark in marks):
        return True
    if not any(_is_writable(mark.parent) for mark in marks):
        raise DataError(f"nothing is compiled for these sources: {NOWHERE}")
    return False


def _marks() -> list[Path]:
    made_of = hashlib.sha256(f"{platform.machine()} {platform.python_version()} {numba.__version__}".encode())
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        if b"@njit(" in path.read_bytes():
            made_of.update(digest(path).encode())
    return [place / f"compiled-{made_of.hexdigest()[:16]}" for place in _places(Path(__file__))]


@contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    """Lets Numba cache in this folder and nowhere else: it decides for each function, when that is decorated."""
    config = numba.config
    with CONFIGURING:
        if config.CPU_NAME is None:
            config.CPU_NAME, config.CPU_FEATURES = "generic", ""
        before = config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES
        config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = str(folder), f"{__name__}.Locator"
        try:
            yield
        finally:
            config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = before
