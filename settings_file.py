"""Reading leadscore.toml, and single keys: where it lies, what is wrong with it, which keys there are."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from data.contract import UsageError
from settings import Settings
from settings_sections import TargetSection, ThresholdSection


def read_settings(path: Path | None) -> Settings:
    """Reads a settings file; without one the defaults. Raises UsageError: key, value, remedy."""
    if path is None:
        return Settings()
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); name a settings file that exists") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
    try:
        return Settings(**values).lying_in(path.parent)
    except ValidationError as error:
        raise UsageError(f"{path}{_line(text, error)}: {_explained(error)}") from None


def threshold_section(**values: Any) -> ThresholdSection:
    """One stage's rule from single values. Raises UsageError: value, remedy."""
    try:
        return ThresholdSection(**values)
    except ValidationError as error:
        raise UsageError(_explained(error)) from None


def settings_path(config: Path | None) -> Path | None:
    """The settings file: as given, or leadscore.toml where there is one."""
    default = Path("leadscore.toml")
    return config or (default if default.exists() else None)


def _explained(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{key} is no setting{_nearest(first['loc'])}"
    return f"{key} = {first['input']!r}: {first['msg']}"


def _line(text: str, error: ValidationError) -> str:
    """The line of the settings in which the first error is; empty where it cannot be told."""
    wanted = [str(part) for part in error.errors()[0]["loc"] if not isinstance(part, int)]
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        header, key = re.match(r"\s*\[+([^\]]*)\]", line), re.match(r"\s*[\"']?([\w -]+?)[\"']?\s*=", line)
        if header:
            table = [part.strip(" \"'") for part in header[1].split(".")]
        if wanted == ([*table, key[1]] if key else table if header else None):
            return f" line {number}"
    return ""


def _nearest(loc: tuple[int | str, ...]) -> str:
    known = [key.split(".") for key in keys()]
    names = sorted({name for parts in known for name in parts})
    close = difflib.get_close_matches(str(loc[-1]), names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(names)}"


def keys() -> list[str]:
    """Every key that can be set, dotted; a target's own keys stand below `targets.NAME`.

    >>> [key.rpartition(".")[2] for key in keys() if key.startswith("thresholds.mql")]
    ['precision', 'confidence', 'per_week', 'value', 'cost']
    """
    return list(_keys(Settings, ""))


def _keys(section: type[BaseModel], prefix: str) -> list[str]:
    dotted: list[str] = []
    for name, field in section.model_fields.items():
        kind = TargetSection if name == "targets" else field.annotation
        inner = f"{prefix}{name}.NAME" if name == "targets" else f"{prefix}{name}"
        is_section = isinstance(kind, type) and issubclass(kind, BaseModel)
        dotted += _keys(kind, f"{inner}.") if is_section else [f"{prefix}{name}"]  # type: ignore[arg-type]
    return dotted
