"""The compiled walk as plain Python: to plant a fault in it, and to count what it does."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from tests.conftest import REPOSITORY

FILES = ("state", "places", "counts", "values", "tracks", "decays", "derived", "walk")
"""Of the walk, in the order in which they import one another."""
FOLDER = REPOSITORY / "features" / "walk"
COMPILED = re.compile(r"^@(?:njit\(.*\)|compiled|step)\n", re.MULTILINE)
IMPORTED = re.compile(r"^from (?:__future__|features\.walk\.(?!instructions)).*\n", re.MULTILINE)
"""What one file need not import, when all stand in one."""
Walk = Callable[..., bool]


def mutant(*changes: tuple[str, str]) -> Walk:
    """`features.walk.walk.walk`, uncompiled, with these replacements in its source; each must occur there."""
    source = "".join((FOLDER / f"{name}.py").read_text(encoding="utf-8") for name in FILES)
    source = IMPORTED.sub("", COMPILED.sub("", source))
    for old, new in changes:
        if old not in source:
            raise ValueError(f"there is no {old!r} to plant a fault in")
        source = source.replace(old, new)
    module: dict[str, Any] = {"__name__": "features.planted"}
    exec(compile(source, "planted", "exec"), module)
    return module["walk"]  # type: ignore[no-any-return]


def lines_of(job: Callable[[], object]) -> int:
    """How many lines of a mutant's source a job runs: work that can be counted, where time cannot."""
    count = 0

    def step(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename != "planted":
            return None
        count += event == "line"
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        job()
    finally:
        sys.settrace(before)
    return count
