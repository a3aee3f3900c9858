"""Which version is champion: promoted by hand, and taken back.

A running server notices in watcher.py, and swaps in champion.py.
"""

from __future__ import annotations

from data.contract import DataError, UsageError
from training.registry.registry import CHAMPION, FORMER, Registry


def promote(registry: Registry, name: str, version: str, reason: str) -> str | None:
    """Makes a version champion, its files compared with their hashes first; returns the version that was.

    Raises UsageError when there is no such version or it is champion already, DataError when it is damaged or looks at
    own features.
    """
    candidate = registry.get(name, version)
    if candidate is None:
        raise UsageError(f"{name} has no version {version}; give the number of one that was trained")
    before = registry.find(name)
    if before is not None and before.version == candidate.version:
        raise UsageError(f"version {version} of {name} is champion already")
    candidate.load().manifest.check_servable()
    registry.alias(name, version, CHAMPION, reason)
    return None if before is None else before.version


def rollback(registry: Registry, name: str, reason: str) -> tuple[str, str]:
    """Makes the former champion champion again; returns (the version that was, the version that is).

    Raises DataError when there is no former one.
    """
    former, current = registry.find(name, FORMER), registry.find(name)
    if former is None or current is None or former.version == current.version:
        raise DataError(f"{name} has no former champion; promote a version with `leadscore promote VERSION`")
    promote(registry, name, former.version, reason)
    return current.version, former.version
