"""Functions of a user's own that settings name: found, told apart by the sha256 of their file, and called."""

from __future__ import annotations

import hashlib
import importlib.util
import linecache
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from data.contract import UsageError

FORM = re.compile(r"(?P<file>[^:]+\.py):(?P<of_file>\w+)|(?P<module>\w+(\.\w+)*)\.(?P<of_module>\w+)")
"""`FILE.py:FUNCTION`, the file as seen from the settings' folder, or `MODULE.FUNCTION`."""


@dataclass(frozen=True)
class OwnFunction:
    """A function by its name in the settings, and the sha256 of the file that defines it.

    file: where that lies here, which is no part of what the function is. module: by which it is imported where it is an
    installed one, which may need others of its package; "" for a file.
    """

    name: str
    digest: str
    file: Path = field(default=Path(), compare=False)
    module: str = field(default="", compare=False)

    @property
    def short_name(self) -> str:
        """The function's own name.

        >>> OwnFunction("mine.py:lift", "").short_name, OwnFunction("mine.lift", "").short_name
        ('lift', 'lift')
        """
        return re.split(r"[:.]", self.name)[-1]

    def load(self) -> Callable[..., Any]:
        """The function itself: its file is run, once. Raises UsageError: file, line and what went wrong."""
        try:
            function = getattr(_module(self.file, self.digest, self.module), self.short_name, None)
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(f"{self.name}: {self.blame(error)}") from None
        if not callable(function):
            raise UsageError(f"{self.name}: {self.file} defines no function {self.short_name!r}")
        return function  # type: ignore[no-any-return]

    def blame(self, error: Exception) -> str:
        """The line of the file at which something went wrong, and the kind of error; never its text, which may quote
        what the function was given."""
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(self.file)
        ]
        number = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        if number is None:
            return f"{self.file}: {type(error).__name__}"
        return (
            f"{self.file} line {number} (`{linecache.getline(str(self.file), number).strip()}`): {type(error).__name__}"
        )


def own_function(name: str, folder: Path) -> OwnFunction:
    """The function that a setting names; `folder`: that of the settings. Its code is read, and not run yet.

    Raises UsageError for a name of another form, and for a file or module that is not there.
    """
    file, module = _place_of(name, folder)
    try:
        return OwnFunction(name, hashlib.sha256(file.read_bytes()).hexdigest(), file, module)
    except OSError as error:
        raise UsageError(
            f"{name}: {file} cannot be read ({error.strerror}); name a Python file that is there"
        ) from None


def check_form(name: str) -> str:
    """The name again. Raises ValueError for what names no function.

    >>> check_form("metrics/mine.py:lift"), check_form("mine.lift")
    ('metrics/mine.py:lift', 'mine.lift')
    """
    if not FORM.fullmatch(name):
        raise ValueError(f"{name!r} names no function: write FILE.py:FUNCTION or MODULE.FUNCTION")
    return name


def _place_of(name: str, folder: Path) -> tuple[Path, str]:
    """The file that defines it, and the name of its module where that is installed."""
    form = FORM.fullmatch(name)
    if form is None:
        raise UsageError(f"{name!r} names no function: write FILE.py:FUNCTION or MODULE.FUNCTION")
    if form["file"]:
        return (folder / form["file"]).absolute(), ""
    beside = (folder / form["module"].replace(".", "/")).with_suffix(".py").absolute()
    if beside.exists():
        return beside, ""
    try:
        spec = importlib.util.find_spec(form["module"])
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.origin:
        raise UsageError(f"{name}: there is no module {form['module']!r}, installed or in {folder.absolute()}")
    return Path(spec.origin), form["module"]


@cache
def _module(file: Path, digest: str, module: str) -> ModuleType:
    """What a file defines. It is compiled from what was hashed: Python's own cache may be of another version of it."""
    source = file.read_bytes()
    if hashlib.sha256(source).hexdigest() != digest:
        raise UsageError(f"{file} has changed since the settings were read; start again")
    if module:
        return importlib.import_module(module)
    made = importlib.util.module_from_spec(ModuleSpec(f"own_{digest[:16]}", None, origin=str(file)))
    made.__file__ = str(file)
    # Dataclasses and type hints look for the module of what they stand in.
    sys.modules[made.__name__] = made
    exec(compile(source, str(file), "exec"), vars(made))
    return made
