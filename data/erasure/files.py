"""Takes leads out of a file, whatever form it has of those that are written here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from data.contract import DataError
from data.erasure import documents, separated, tables, workbooks
from data.erasure.lead_ids import LeadIds
from data.erasure.replacing import rewrite_file

Cleaner = Callable[[Path, Path, LeadIds], int]
CLEANERS: Mapping[str, Cleaner] = {
    ".parquet": tables.without_rows,
    ".csv": separated.without_rows,
    ".tsv": separated.without_rows,
    ".xlsx": workbooks.without_rows,
    ".json": documents.without_objects,
    ".jsonl": documents.without_lines,
}
"""By the ending of a file's name."""


def can_clean(path: Path) -> bool:
    """Whether a file has a form that leads can be taken out of."""
    return path.suffix.lower() in CLEANERS


def clean(path: Path, ids: LeadIds) -> int:
    """Takes rows about these leads out of a file, in place; says how many. Raises DataError: why that cannot be done.

    OSError says that the disk, not the file, is to blame.
    """
    cleaner = CLEANERS[path.suffix.lower()]
    try:
        return rewrite_file(path, lambda old, draft: cleaner(old, draft, ids))
    except (pa.ArrowException, UnicodeError, KeyError) as error:
        raise DataError(str(error).splitlines()[0][:200]) from None
