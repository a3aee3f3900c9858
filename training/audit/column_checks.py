"""What single columns give away: they know too much, are filled only after the outcome, or tell a state of later.

What data alone can show, and what it cannot. A column that was overwritten in place looks, row by row, like an honest
one. It gives itself away by knowing more than the future allows (`probed`), by being filled only where the outcome
is sure (`filled_late`), or by a name that says so (`later_states`). A weak leak with an innocent name stays unseen, and
an honest column that decides the outcome alone is reported: then allow it by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.numbers_in_words import number, percent
from training.audit.findings import Finding, Severity, words_of
from training.audit.probe import Knowledge, is_words, knowledge, levels_of, share_together, twins
from training.measuring.metrics import binomial_interval
from training.samples.log_odds import Array

HALF = 0.5
"""A column that takes away half of all uncertainty about the future is not believed."""
FEWEST_ADDED = 0.15
"""Less than that added to all other columns is no matter, however little those know."""
FEWEST_OUTCOMES = 10
SURE, UNSURE = 0.95, 0.05
FOLD_OF_ODDS = 50.0
"""Honest yes-or-no facts, like a booked demo, change the odds tenfold to thirtyfold."""
FEWEST_KNOWN, CHANCE = 0.005, 1e-3
SAYS_NOTHING = ("", "select", "unknown", "n/a", "na", "nan", "none", "null", "-", "?")
"""Words that stand for a missing value."""
LATER = {
    "a state that is overwritten": (
        "last",
        "latest",
        "final",
        "status",
        "stage",
        "letzte",
        "letzter",
        "letztes",
        "stufe",
    ),
    "a verdict": ("quality", "score", "index", "rating", "grade", "rank", "profile", "qualität", "bewertung", "profil"),
    "a note on how it went": (
        *("tag", "tags", "note", "notes", "comment", "comments", "remark", "remarks", "disposition"),
        *("outcome", "result", "bemerkung", "notiz", "ergebnis"),
    ),
}


def missing_values(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """bool[n]: null, NaN, or a word that says nothing.

    >>> missing_values(pa.chunked_array([["Select", "Google", None]])).tolist()
    [True, False, True]
    """
    if not is_words(column.type):
        return np.asarray(np.isnan(column.cast(pa.float64()).fill_null(np.nan).to_numpy()))
    words = pc.utf8_lower(pc.utf8_trim_whitespace(column.cast(pa.string()).fill_null("")))
    return np.asarray(pc.is_in(words, pa.array(SAYS_NOTHING)).to_numpy())


def known_by_columns(table: pa.Table, y: Array) -> dict[str, Knowledge]:
    """What each column of a table (n rows) knows of the outcomes `y` (n, 0/1) by itself."""
    columns = ((name, table.column(name)) for name in table.column_names)
    return {name: knowledge(levels_of(column, missing_values(column)), y) for name, column in columns}


def probed(
    table: pa.Table, y: Array, known: Mapping[str, Knowledge], suspects: Collection[str] = ()
) -> Iterator[Finding]:
    """Columns that know too much: half of everything alone, or as much again as all the others together.

    Columns that say the same (twins) count as one. Suspects, and what was found, are not among the others. Nothing is
    found by fewer than FEWEST_OUTCOMES of either kind: so few lie somewhere together by chance.
    """
    if min(y.sum(), len(y) - y.sum()) < FEWEST_OUTCOMES:
        return
    honest = [name for name in table.column_names if name not in suspects]
    share_of = cache(lambda names: share_together(table, names, y))
    for name in sorted(table.column_names, key=lambda column: -known[column].share):
        share = known[name].share
        if share < FEWEST_ADDED:
            return
        same = {name, *twins(name, known, honest)}
        rest = share_of(tuple(column for column in honest if column not in same))
        added = share_of(tuple(column for column in table.column_names if column in honest or column == name)) - rest
        if share >= HALF or added >= max(FEWEST_ADDED, rest):
            honest = [column for column in honest if column != name]
            yield Finding("probe", name, "fail", _too_much(name, share, rest, added))


def filled_late(table: pa.Table, y: Array) -> Iterator[Finding]:
    """Columns that are filled (or empty) only where the outcome is certain, beyond what an honest fact can tell."""
    for name in table.column_names:
        empty = missing_values(table.column(name))
        if 0 < empty.sum() < len(y):
            for word, rows in (("filled", ~empty), ("empty", empty)):
                if settles(y[rows], y[~rows], word):
                    yield Finding("filled", name, "fail", _settled(name, word, y[rows], y[~rows]))


def later_states(
    known: Mapping[str, Knowledge], severity: Severity, plain: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """Columns whose name says that they tell a state of later, where they do tell of the outcome.

    `plain` gives the name that a column has in the source, where that is another.
    """
    for name, knows in known.items():
        words = words_of((plain or {}).get(name, name))
        what = next((what for what, later in LATER.items() if words & set(later)), None)
        if what is not None and knows.share >= FEWEST_KNOWN and knows.p_value < CHANCE:
            evidence = (
                f"by its name {name!r} is {what}; it takes away {percent(knows.share, 1)} of the uncertainty about the "
                "outcome, and nothing says when it was written"
            )
            yield Finding("state", name, severity, evidence)


def settles(here: Array, there: Array, word: str = "filled") -> bool:
    """Whether one side's outcome is sure, and its odds are far from the other's; both by their 95 % intervals."""
    if not len(here) or not len(there):
        return False
    (low, high), (low_there, high_there) = (binomial_interval(float(y.mean()), len(y)) for y in (here, there))
    if low >= SURE:
        return bool(_odds(low) >= FOLD_OF_ODDS * _odds(high_there))
    # Leads of whom nothing is known never convert, and rightly so: only being filled is suspicious then.
    return word == "filled" and bool(high <= UNSURE and _odds(low_there) >= FOLD_OF_ODDS * _odds(high))


def is_far_surer(won: int, rows: int, won_there: int, rows_there: int) -> bool:
    """Whether nearly all of some leads converted, and their odds are surely far from the others'."""
    low = binomial_interval(won / rows, rows)[0]
    high_there = binomial_interval(won_there / rows_there, rows_there)[1]
    return won >= SURE * rows and _odds(low) >= FOLD_OF_ODDS * _odds(high_there)


def _odds(share: float) -> float:
    return share / max(1 - share, 1e-9)


def _too_much(name: str, share: float, rest: float, added: float) -> str:
    if share >= HALF:
        alone = f"{name!r} alone takes away {percent(share)} of the uncertainty about the outcome"
        return f"{alone}, all others {percent(rest)}"
    return (
        f"{name!r} adds {percent(added)} of the uncertainty about the outcome to the {percent(rest)} that all "
        f"other columns together take away ({percent(share)} alone)"
    )


def _settled(name: str, word: str, here: Array, there: Array) -> str:
    other = "empty" if word == "filled" else "filled"
    return (
        f"where {name!r} is {word}, {percent(here.mean(), 1)} of {number(len(here))} converted, "
        f"where it is {other}, {percent(there.mean(), 1)} of {number(len(there))}"
    )
