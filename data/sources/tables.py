"""What a mapping says of a table: `[events]`, `[leads]`, `[identities]`, and which columns are read for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from data.contract import CATEGORY, NUMBER, ColumnKind
from data.sources.every_table import MappingTable, Product, Shared, TypeRule

RESERVED = ("bucket", "lead", "lead_id", "account_id", "valid_from")
"""Names that the log gives to columns of a profile; DuckDB ignores their case."""


class FromColumn(MappingTable):
    """`[[events.from_columns]]`: one event for each row in which this column of times is filled."""

    column: str
    event_type: str = Field(min_length=1)
    value: str | Product | None = None


class EventsPart(Shared):
    """`[events]`: contract column = source column; constants for columns that the source does not have.

    event_id may name several columns, which identify an event together. retracted: a column that says true where the
    source takes an event back. shared: rows with one event_id and several leads are one event of all of these. deal_id:
    a column that tells several deals of one lead apart. campaign, asset: in which campaign an event happened, and with
    what, such as a white paper. from_columns: columns of times, each an event of its own,
    instead of event_type and occurred_at. emptied = "retracted": where such a column is empty, an event that it had in
    an earlier export is taken back.
    """

    event_type: str | TypeRule | None = None
    occurred_at: str | None = None
    from_columns: tuple[FromColumn, ...] = ()
    emptied: Literal["kept", "retracted"] = "kept"
    received_at: str | None = None
    channel: str | None = None
    campaign: str | None = None
    asset: str | None = None
    value: str | Product | None = None
    source: str | None = None
    event_id: str | tuple[str, ...] | None = None
    retracted: str | None = None
    deal_id: str | None = None
    shared: bool = False
    constants: dict[Literal["event_type", "channel", "source"], str] = Field({})

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        has_type = self.event_type is not None or "event_type" in self.constants
        if self.from_columns and (has_type or self.occurred_at is not None):
            raise ValueError("from_columns says type and time; leave event_type and occurred_at out")
        if not self.from_columns and not has_type:
            raise ValueError("event_type is missing; add it, or constants = { event_type = … }, or from_columns")
        if not self.from_columns and self.occurred_at is None:
            raise ValueError("occurred_at is missing; add it, or from_columns")
        if not self.from_columns and self.emptied == "retracted":
            raise ValueError("emptied belongs to from_columns, whose columns may be empty; add them, or leave it out")
        if self.shared and self.event_id is None:
            raise ValueError("shared = true needs event_id, which says which rows are one event; add it")
        return self

    @property
    def unfolded(self) -> Sequence[EventsPart]:
        """One table for each of `from_columns`, or this one."""
        return [_of_column(self, column) for column in self.from_columns] or [self]

    @property
    def columns(self) -> list[str]:
        """The source columns that are read."""
        rule = self.event_type
        types = list(rule.columns) if isinstance(rule, TypeRule) else [rule]
        value = list(self.value.multiply) if isinstance(self.value, Product) else [self.value]
        rest = [self.lead_id, self.occurred_at, self.received_at, self.channel, self.source, self.retracted]
        rest += [self.campaign, self.asset, self.deal_id, *self.id_columns]
        return [name for name in dict.fromkeys([*rest, *types, *value, *self.filtered]) if name is not None]

    @property
    def ids(self) -> frozenset[str]:
        """The source columns that hold ids."""
        deal = () if self.deal_id is None else (self.deal_id,)
        return frozenset((self.lead_id, *deal, *self.id_columns))

    @property
    def id_columns(self) -> list[str]:
        """The source columns that identify an event together; none where the id is derived from the row."""
        return [self.event_id] if isinstance(self.event_id, str) else list(self.event_id or ())


class FilledColumn(EventsPart):
    """One of `from_columns`: rows in which `occurred_at` is filled are events, identified by row and column."""


def _of_column(table: EventsPart, column: FromColumn) -> FilledColumn:
    own = {
        "occurred_at": column.column,
        "constants": {**table.constants, "event_type": column.event_type},
        "value": column.value if column.value is not None else table.value,
        "event_id": table.event_id if table.event_id is not None else table.lead_id,
        "from_columns": (),
    }
    return FilledColumn.model_construct(**{**dict(table), **own})


class LeadsPart(Shared):
    """`[leads]`: one row per version of a profile, or the state as exported.

    valid_from: since when a version holds. snapshot: the row is the state at the time of the export, which is that of
    the command, or of a column exported_at; created_at and the `unchanging` profile columns tell what was known of a
    lead from its creation on. missing = "deleted": the export is a full one, and a lead that is not in it is gone.
    deleted: a column that says true where the lead is gone from valid_from on; such a row is no version.
    categories, numbers: profile columns to keep, by name. rename: source column -> what it is called in the log.
    personal: columns dropped at the door; flags keep whether one was filled in, e.g. has_email = "email".
    """

    valid_from: str | None = None
    snapshot: bool = False
    exported_at: str | None = None
    created_at: str | None = None
    unchanging: tuple[str, ...] = ()
    missing: Literal["kept", "deleted"] = "kept"
    deleted: str | None = None
    account_id: str | None = None
    categories: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    rename: dict[str, str] = Field({})
    personal: tuple[str, ...] = ()
    flags: dict[str, str] = Field({})

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        columns = [*self.categories, *self.numbers]
        names = [self.called(name).lower() for name in (*columns, *self.flags)]
        for column, name in zip((*columns, *self.flags), names, strict=True):
            if name in RESERVED or names.count(name) > 1:
                raise ValueError(
                    f"profile column {column!r} has a name that is taken; "
                    f'add rename = {{ "{column}" = "…" }} with another one'
                )
            if column in self.personal:
                raise ValueError(f"column {column!r} is personal and kept as well; take it out of one of the two")
        for column in self.rename:
            if column not in columns:
                raise ValueError(
                    f"rename names {column!r}, which is no profile column; add it to categories or numbers"
                )
        if self.lead_id in self.personal:
            raise ValueError(f"lead_id {self.lead_id!r} is personal; identify leads by a number that says nothing")
        return self

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.snapshot and self.valid_from is not None:
            raise ValueError(
                "valid_from and snapshot = true exclude each other; created_at says since when a lead exists"
            )
        if not self.snapshot and self.valid_from is None:
            raise ValueError("valid_from is missing; add it, or snapshot = true where rows are the state as exported")
        if not self.snapshot and (self.exported_at or self.created_at or self.unchanging or self.missing == "deleted"):
            raise ValueError(
                "exported_at, created_at, unchanging and missing belong to snapshot = true; add it, or leave them out"
            )
        if self.snapshot and self.deleted is not None:
            raise ValueError("deleted needs valid_from, since when the lead is gone; add it instead of snapshot = true")
        for name in self.unchanging:
            if name != "account_id" and name not in (*self.categories, *self.numbers, *self.flags):
                raise ValueError(f"unchanging column {name!r} is no profile column; add it to categories or numbers")
        return self

    @property
    def columns(self) -> list[str]:
        """The source columns that are read; personal ones only where a flag asks for them."""
        times = [self.valid_from, self.exported_at, self.created_at]
        rest = [
            self.lead_id,
            *times,
            self.deleted,
            self.account_id,
            *self.categories,
            *self.numbers,
            *self.flags.values(),
        ]
        return [name for name in dict.fromkeys([*rest, *self.filtered]) if name is not None]

    @property
    def ids(self) -> frozenset[str]:
        """The source columns that hold ids."""
        return frozenset(name for name in (self.lead_id, self.account_id) if name is not None)

    def called(self, column: str) -> str:
        """What a profile column is called in the log."""
        return self.rename.get(column, column)

    @property
    def profile(self) -> dict[str, ColumnKind]:
        """Profile columns, as the log calls them, and their kind, `category` or `number`."""
        categories = (*map(self.called, self.categories), *self.flags)
        return {**dict.fromkeys(categories, CATEGORY), **dict.fromkeys(map(self.called, self.numbers), NUMBER)}


class IdentitiesPart(Shared):
    """`[identities]`: an alias is another id of a lead, from a time on, and to another one where that is known."""

    alias: str
    valid_from: str
    valid_until: str | None = None

    @property
    def columns(self) -> list[str]:
        """The source columns that are read."""
        columns = [self.lead_id, self.alias, self.valid_from, self.valid_until, *self.filtered]
        return [name for name in dict.fromkeys(columns) if name is not None]

    @property
    def ids(self) -> frozenset[str]:
        """The source columns that hold ids."""
        return frozenset((self.lead_id, self.alias))


Table = EventsPart | LeadsPart | IdentitiesPart
