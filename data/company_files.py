"""Companies as files, from which any number of threads and processes map them into memory."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.companies import Companies
from data.histories import Absences

NAMES, TRAIT, AWAY = "names.json", "trait-", "away-"
LISTS = ("types", "accounts")


def write_companies(companies: Companies, folder: Path) -> None:
    """Writes companies into a folder that is there. It holds ids of leads: it must not outlive its use."""
    names = {name: list(getattr(companies, name)) for name in LISTS}
    names |= {"lead_ids": companies.lead_ids.to_pylist(), "traits": list(companies.traits)}
    (folder / NAMES).write_text(json.dumps(names), encoding="utf-8")
    for name in _arrays():
        np.save(folder / f"{name}.npy", getattr(companies, name))
    for place, codes in enumerate(companies.traits.values()):
        np.save(folder / f"{TRAIT}{place}.npy", codes)
    for name in ("starts", "from_at", "until"):
        np.save(folder / f"{AWAY}{name}.npy", getattr(companies.absences, name))


def read_companies(folder: Path) -> Companies:
    """The same, mapped. Raises OSError when they are not there."""
    names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    traits = {name: _mapped(folder / f"{TRAIT}{place}.npy") for place, name in enumerate(names["traits"])}
    away = Absences(*(_mapped(folder / f"{AWAY}{name}.npy") for name in ("starts", "from_at", "until")))
    arrays = {name: _column(folder, name) for name in _arrays()}
    lists = {name: names[name] for name in LISTS}
    return Companies(lead_ids=pa.array(names["lead_ids"], pa.string()), traits=traits, absences=away, **lists, **arrays)


def _arrays() -> list[str]:
    others = {"lead_ids", "traits", "absences", *LISTS}
    return [field.name for field in fields(Companies) if field.name not in others]


def _column(folder: Path, name: str) -> Any:
    return _mapped(folder / f"{name}.npy")


def _mapped(path: Path) -> NDArray[Any]:
    """Copied where it is written to: Numba takes an array that may not be written to for another type."""
    return np.asarray(np.load(path, mmap_mode="c"))
