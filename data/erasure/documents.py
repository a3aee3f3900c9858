"""Takes leads out of JSON: objects that are about them, in one document or one to a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data.contract import DataError
from data.erasure.lead_ids import HEADINGS, LeadIds


def without_objects(path: Path, draft: Path, ids: LeadIds) -> int:
    """Writes a document without the objects that name one of these leads, wherever they stand in it."""
    text = path.read_text(encoding="utf-8")
    try:
        content, gone = _pruned([json.loads(text)], ids)
    except (ValueError, RecursionError) as error:
        raise DataError(f"it is no JSON: {error}") from None
    if gone:
        indent = 1 if "\n" in text.strip() else None
        ends = "\n" if text.endswith("\n") else ""
        draft.write_text(json.dumps(content[0] if content else None, indent=indent) + ends, encoding="utf-8")
    return gone


def without_lines(path: Path, draft: Path, ids: LeadIds) -> int:
    """The same for one object to a line; a line that is none stays as it is, and is told."""
    gone = 0
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file, draft.open("wb") as out:
        for number, line in enumerate(file, start=1):
            try:
                _, theirs = _pruned([json.loads(line)] if line.strip() else [], ids)
            except (ValueError, RecursionError) as error:
                raise DataError(f"line {number} is no JSON: {error}") from None
            gone += bool(theirs)
            if not theirs:
                out.write(line.encode("utf-8", "surrogateescape"))
    return gone


def _pruned(value: Any, ids: LeadIds) -> tuple[Any, int]:
    """A value without objects that are about these leads, and how many those were."""
    if isinstance(value, list):
        parts = [_pruned(part, ids) for part in value if not _is_theirs(part, ids)]
        gone = sum(_is_theirs(part, ids) for part in value)
        return [part for part, _ in parts], gone + sum(more for _, more in parts)
    if isinstance(value, dict):
        pairs = {name: _pruned(part, ids) for name, part in value.items() if not _is_theirs(part, ids)}
        gone = sum(_is_theirs(part, ids) for part in value.values())
        return {name: part for name, (part, _) in pairs.items()}, gone + sum(more for _, more in pairs.values())
    return value, 0


def _is_theirs(value: Any, ids: LeadIds) -> bool:
    return isinstance(value, dict) and any(ids.is_value(value.get(name)) for name in HEADINGS)
