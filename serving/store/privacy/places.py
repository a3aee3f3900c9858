"""Every place that can hold the id of a lead: declared here once, with how an erasure searches and cleans it.

A test puts a random id through all that there is and looks for its bytes in the whole workspace: a place that is not
declared is found there. A new table of the store, or a new folder of a workspace, is a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatch
from pathlib import PurePath

from sqlalchemy import Table

from serving.store.database import schema


class Cleaning(Enum):
    """How a place is searched and cleaned."""

    BY_LEAD = "rows whose lead_id it is"
    REJECTED = "rows whose lead_id it is, and rows of nobody that mention it"
    MENTIONS = "rows that mention it"
    POSITION = "a position in the order of ids, which becomes that of the lead before it"
    BY_FORM = "rows of tables, lists, sheets and documents, by the form of the file"
    AS_A_WHOLE = "the file is removed when it mentions it: it is made anew"
    UNDER_WAY = "the file is removed when it mentions it and nobody is at work there: it is asked for again"
    OWN_WAY = "parts are written anew without it (data/log/removal.py)"
    BY_TABLES = "by the tables below; then the write-ahead log of SQLite is emptied"
    HASHES = "nothing: it holds keyed hashes of ids"
    NO_IDS = "nothing: it holds numbers, models and settings"


TABLES: Mapping[Table, Cleaning] = {
    **dict.fromkeys(
        (
            schema.events,
            schema.events_before_merge,
            schema.attributes,
            schema.profiles,
            schema.scores,
            schema.standings,
            schema.explanations,
            schema.stage_changes,
            schema.episodes,
            schema.work,
            schema.leads,
        ),
        Cleaning.BY_LEAD,
    ),
    schema.rejected: Cleaning.REJECTED,
    schema.answers: Cleaning.MENTIONS,
    schema.rescorings: Cleaning.POSITION,
    schema.blocked: Cleaning.HASHES,
    schema.audit: Cleaning.HASHES,
    schema.trail_head: Cleaning.HASHES,
    **dict.fromkeys(
        (
            schema.changes,
            schema.threshold_changes,
            schema.summaries,
            schema.secrets,
            schema.keys,
            schema.vocabularies,
            schema.accounts,
            schema.sessions,
            schema.attempts,
        ),
        Cleaning.NO_IDS,
    ),
}
"""Of the store."""


@dataclass(frozen=True)
class FilePlace:
    """Files of a workspace, by their paths below it; the first place that fits a file is its. name: in receipts."""

    name: str
    patterns: tuple[str, ...]
    cleaning: Cleaning


FILES = (
    FilePlace("event log", ("log/*",), Cleaning.OWN_WAY),
    FilePlace("training sets", ("training_set/*",), Cleaning.BY_FORM),
    FilePlace("backtests", ("backtest/*",), Cleaning.BY_FORM),
    FilePlace("store", ("store.db*",), Cleaning.BY_TABLES),
    FilePlace("ledger", ("erased.db*",), Cleaning.HASHES),
    FilePlace("runs", ("runs/*",), Cleaning.NO_IDS),
    FilePlace("reports", ("reports/*",), Cleaning.NO_IDS),
    FilePlace("MLflow", ("mlflow.db*", "mlartifacts/*"), Cleaning.NO_IDS),
    FilePlace("copies of models", ("serving/*",), Cleaning.NO_IDS),
    FilePlace("notes", ("workspace.lock", "workspace.json", "champions/*", "*.toml"), Cleaning.NO_IDS),
    FilePlace("pulls", ("pull/*",), Cleaning.UNDER_WAY),
    FilePlace("checks", ("rejected.csv",), Cleaning.AS_A_WHOLE),
    FilePlace("exports", ("*",), Cleaning.BY_FORM),
)
"""Of a workspace. The last one is all that people have let write there, under whatever name."""
TAKEN_OUT = (Cleaning.BY_FORM, Cleaning.AS_A_WHOLE, Cleaning.UNDER_WAY, Cleaning.OWN_WAY)
"""Of what a receipt counts."""


def place_of(path: PurePath) -> FilePlace:
    """The place of a file, by its path below the workspace.

    >>> place_of(PurePath("training_set/conversion/rows/shard-0.parquet")).name, place_of(PurePath("my list.csv")).name
    ('training sets', 'exports')
    """
    return next(place for place in FILES if any(fnmatch(path.as_posix(), pattern) for pattern in place.patterns))


def is_declared(folder: PurePath) -> bool:
    """Whether a folder right below the workspace is one of ours, also when it is a link to another disk."""
    return place_of(folder / "any").name != "exports"
