"""backup.json: what a backup holds, with the sha256 of every file; and whether it holds it still."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from data.contract import DataError
from data.typed_json import from_json, to_json
from serving.backup.living_files import write_private

NAME = "backup.json"
FORMAT = 1
WORKSPACE, LOG, SETTINGS = "workspace", "log", "settings/leadscore.toml"
"""Where the workspace's files lie in a backup, those of the event log, and the settings."""
STORES: Mapping[str, str] = {"sqlite": "store.db", "postgresql": "store.dump"}
"""The file of a store, by its kind."""


@dataclass(frozen=True)
class Contents:
    """backup.json. made_at: µs UTC; what was acknowledged before is in it. files: sha256 by path.

    store: its kind, or none. revision: of the store's tables. lacks: what is not in it, a sentence for each.
    """

    made_at: int
    store: Literal["sqlite", "postgresql", "none"]
    revision: str
    lacks: tuple[str, ...]
    files: Mapping[str, str]
    format: int = FORMAT


def write_contents(backup: Path, contents: Contents) -> None:
    """Writes backup.json."""
    text = json.dumps(to_json(contents), indent=1, sort_keys=True, ensure_ascii=False)
    write_private(backup / NAME, iter([f"{text}\n".encode()]))


def checked(backup: Path) -> Contents:
    """What a backup holds, each file compared with its digest. Raises DataError for none, and for a damaged one."""
    try:
        contents = from_json(Contents, json.loads((backup / NAME).read_text(encoding="utf-8")), NAME)
    except FileNotFoundError:
        raise DataError(f"{backup} is no backup, it has no {NAME}; name a folder of `leadscore backup`") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{backup / NAME} cannot be read ({error}); take another backup") from None
    if contents.format != FORMAT:
        raise DataError(f"{backup} was made by a newer leadscore (format {contents.format}); update this one")
    for name, digest in contents.files.items():
        if not _is_inside(name) or not _is_kept(backup / name, digest):
            raise DataError(f"{backup} is damaged: {name} is not as it was backed up; take another backup")
    return contents


def sha256_of(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_inside(name: str) -> bool:
    """Whether a path stays in the folder that it is relative to."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and str(path) == name


def _is_kept(path: Path, digest: str) -> bool:
    try:
        return path.is_file() and not path.is_symlink() and sha256_of(path) == digest
    except OSError:
        return False
