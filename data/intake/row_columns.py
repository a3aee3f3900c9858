"""SQL that all kinds of rows share on the way in: where they come from, which are left out, which cells count."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from data.ids import CONTROL, spelled
from data.quoting import named, quoted
from data.sources.checks import id_check, name_check, personal_check
from data.sources.every_table import Shared
from data.sources.source import FILE, FILE_ROW, PLAIN, ROW, WHY, Source

NOT_GIVEN = "NULL::VARCHAR"
BETWEEN_CELLS = "chr(31)"
"""Between the reasons why cells of a row count as missing."""


def leading(source: Source, spec: Shared, own_words: Collection[str] = ()) -> str:
    """Where a row stands, what is wrong with it as a whole, whether the mapping leaves it out, and whether its names
    are of printable signs alone. own_words: what the mapping itself may put into names."""
    origin = f", {FILE} AS file, {FILE_ROW} AS file_row" if source.has_origin else ""
    is_plain = "false" if any(map(CONTROL.search, own_words)) else PLAIN
    return f"{ROW} AS n, {WHY} AS why, {_is_left_out(spec)} AS is_left_out, {is_plain} AS is_plain{origin}"


def checked_name(name: str, column: str, required: bool = False) -> str:
    """SQL for what is wrong with a name in a row of `leading`, else null."""
    return name_check(name, column, required, "is_plain")


def origin_columns(source: Source) -> str:
    """The columns of `leading` that say where a row comes from, as they go on."""
    return ", file, file_row" if source.has_origin else ""


def _is_left_out(spec: Shared) -> str:
    """By what its columns hold; a row that could not be split is never left out."""
    only = [f"{named(name)} IS NOT NULL AND {_is_one_of(name, words)}" for name, words in spec.only.items()]
    without = [f"NOT {_is_one_of(name, words)}" for name, words in spec.leave_out.items()]
    wanted = " AND ".join(f"({test})" for test in (*only, *without))
    return f"({WHY} IS NULL AND NOT ({wanted}))" if wanted else "false"


def _is_one_of(column: str, words: Collection[str]) -> str:
    return f"coalesce({named(column)}, '') IN ({', '.join(quoted(spelled(word.strip())) for word in words)})"


def id_checks(spec: Shared, name: str, *columns: str | None) -> list[str]:
    """An id that is not damaged and says nothing about a person, unless its columns are taken as they are."""
    column = "p_account_id" if name == "account_id" else name
    if not columns or None in columns or set(columns) & set(spec.as_is):
        return []
    personal = personal_check(name, column, str(columns[0]), "identify by a number that says nothing")
    return [id_check(name, column), *([personal] if name not in ("event_id", "deal_id") else [])]


def kept_check(spec: Shared, name: str, source: str | None, column: str | None = None) -> list[str]:
    """A word that says nothing about a person, unless its column is taken as it is."""
    if source is None or source in spec.as_is:
        return []
    return [personal_check(name, column or name, source, "add the column to personal")]


def cell_columns(cells: Mapping[str, str]) -> str:
    """SQL for a column bad_NAME for each cell: what is wrong with it, else null."""
    return ", ".join(f"{sql} AS {named(f'bad_{name}')}" for name, sql in cells.items())


def cells_sql(cells: Collection[str]) -> str:
    """Why cells of a row count as missing, null where all is well."""
    bad = ", ".join(named(f"bad_{name}") for name in cells)
    return f"CASE WHEN coalesce({bad}, NULL) IS NOT NULL THEN concat_ws({BETWEEN_CELLS}, {bad}) END"


def given(column: str | None) -> str:
    """SQL for the text of a column, null where the mapping names none."""
    return NOT_GIVEN if column is None else named(column)
