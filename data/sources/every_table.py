"""What a mapping may say of every table: which rows are read, where lead and time stand, and how they are written."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from data.sources.time_columns import TimeColumn, known_format, known_zone
from data.times import EARLIEST, DatesAre, NoTime, time_from_text


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""One word or several."""


class MappingTable(BaseModel):
    """A table of the file; a key that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Product(MappingTable):
    """A value that is the product of columns, e.g. quantity and price."""

    multiply: tuple[str, ...] = Field(min_length=1)


class TypeRule(MappingTable):
    """An event type made from columns, joined by a blank: by a table of values, else by prefix, else as it stands.

    `values` maps what the columns hold to an event type, or to "" for rows that are left out. `prefixes` maps how it
    begins. `otherwise` names all the rest.
    """

    columns: tuple[str, ...] = Field(min_length=1)
    values: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    otherwise: str | None = None


class Written(MappingTable):
    """How times and numbers are written: said of a table, or of all tables of a mapping that do not say it themselves.

    time_zone: IANA name for times without a zone. time_format: as in strptime, or epoch_s, epoch_ms, epoch_us; ISO 8601
    if missing. dates_are: whether a date alone means the start of its day there, or its end, as is right for what
    happened on it. decimal_comma: numbers are written 1.234,56.
    """

    time_zone: str | None = None
    time_format: str | None = None
    dates_are: DatesAre = "end"
    decimal_comma: bool = False

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        if name is not None and not known_zone(name):
            raise ValueError(
                "no IANA time zone of a place; write one like Europe/Berlin or America/New_York, or UTC "
                "(abbreviations like EST mean several zones, or one without summer time)"
            )
        return name

    @field_validator("time_format")
    @classmethod
    def _known_format(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and not known_format(text):
            raise ValueError("no time format; write one like %d.%m.%Y %H:%M, or epoch_s, epoch_ms, epoch_us")
        if text is not None and info.data.get("time_zone") is None and not TimeColumn(None, text).aware:
            raise ValueError("holds no time zone; set time_zone, or add %z")
        return text


class Shared(Written):
    """What tables have in common: which rows they read, where lead and time stand, and how they are written.

    file: the name under which the command gives the file; without it the table is left out. query: what to ask a SQL
    database, or SQL over the named files. only, except: rows to read and to leave out, by what columns hold. optional:
    columns that may be missing. as_is: columns taken as they stand, with e-mail addresses, phone numbers and ids that
    look damaged. earliest: times before it are null dates.
    """

    lead_id: str
    file: str | None = None
    query: str | None = None
    only: dict[str, Words] = {}
    leave_out: dict[str, Words] = Field({}, alias="except")
    optional: tuple[str, ...] = ()
    as_is: tuple[str, ...] = ()
    earliest: str | None = None

    @property
    def times(self) -> TimeColumn:
        """How its times are written."""
        earliest = EARLIEST if self.earliest is None else time_from_text(self.earliest, day_zone=UTC)
        return TimeColumn(self.time_zone, self.time_format, self.dates_are, earliest)

    @property
    def filtered(self) -> list[str]:
        """The columns by which rows are chosen."""
        return [*self.only, *self.leave_out]

    @field_validator("earliest")
    @classmethod
    def _known_time(cls, text: str | None) -> str | None:
        try:
            if text is not None:
                time_from_text(text, day_zone=UTC)
        except NoTime as error:
            raise ValueError(str(error)) from None
        return text
