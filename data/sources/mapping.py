"""How a foreign export becomes the contract: a TOML file of columns, constants, value tables and time zones."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from data.contract import UsageError
from data.sources.time_sql import Times, known_format, known_zone
from data.times import DatesAre
from data.vocabulary import Vocabulary

SHIPPED = Path(__file__).parents[1] / "mappings"
RESERVED = (
    *("lead", "lead_id", "account_id", "valid_from"),
    *("part", "n", "bucket", "reason", "sort", "known", "high", "low", "content", "lead_hash", "outcome"),
)
"""Names that the log, or an ingest on the way to it, gives to columns of a profile; DuckDB ignores their case."""


class MappingTable(BaseModel):
    """A table of the file; a key that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Product(MappingTable):
    """A value that is the product of columns, e.g. quantity and price."""

    multiply: tuple[str, ...] = Field(min_length=1)


class TypeRule(MappingTable):
    """An event type made from columns, joined by a blank: by a table of values, else by prefix, else as it stands.

    `values` maps what the columns hold to an event type. `prefixes` maps how it begins. `otherwise` names all the rest.
    """

    columns: tuple[str, ...] = Field(min_length=1)
    values: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    otherwise: str | None = None


class Shared(MappingTable):
    """What events and leads have in common: where a row's lead and time stand, and how they are written.

    time_zone: IANA name for times without a zone. time_format: as in strptime, or epoch_s, epoch_ms, epoch_us;
    ISO 8601 if missing. dates_are: whether a date alone means the start of its day there, or its end, as is right for
    what happened on it. query: what to ask a SQL database. decimal_comma: numbers are written 1.234,56.
    """

    lead_id: str
    time_zone: str | None = None
    time_format: str | None = None
    dates_are: DatesAre = "end"
    query: str | None = None
    decimal_comma: bool = False

    @property
    def times(self) -> Times:
        """How its times are written."""
        return Times(self.time_zone, self.time_format, self.dates_are)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        if name is not None and not known_zone(name):
            raise ValueError("no IANA time zone; write one like Europe/Berlin")
        return name

    @field_validator("time_format")
    @classmethod
    def _known_format(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and not known_format(text):
            raise ValueError("no time format; write one like %d.%m.%Y %H:%M, or epoch_s, epoch_ms, epoch_us")
        if text is not None and info.data.get("time_zone") is None and not Times(None, text).aware:
            raise ValueError("holds no time zone; set time_zone, or add %z")
        return text


class EventsPart(Shared):
    """`[events]`: contract column = source column; constants for columns that the source does not have.

    event_id may name several columns, which identify an event together. retracted: a column that says true where the
    source takes an event back. shared: rows with one event_id and several leads are one event of all of these. deal_id:
    a column that tells several deals of one lead apart.
    """

    event_type: str | TypeRule
    occurred_at: str
    received_at: str | None = None
    channel: str | None = None
    value: str | Product | None = None
    source: str | None = None
    event_id: str | tuple[str, ...] | None = None
    retracted: str | None = None
    deal_id: str | None = None
    shared: bool = False
    constants: dict[Literal["channel", "source"], str] = {}

    @model_validator(mode="after")
    def _check_shared(self) -> Self:
        if self.shared and self.event_id is None:
            raise ValueError("shared = true needs event_id, which says which rows are one event; add it")
        return self

    @property
    def columns(self) -> list[str]:
        """The source columns that are read."""
        types = [self.event_type] if isinstance(self.event_type, str) else list(self.event_type.columns)
        value = list(self.value.multiply) if isinstance(self.value, Product) else [self.value]
        rest = [self.lead_id, self.occurred_at, self.received_at, self.channel, self.source, self.retracted]
        rest += [self.deal_id, *self.id_columns]
        return [name for name in dict.fromkeys([*rest, *types, *value]) if name is not None]

    @property
    def ids(self) -> frozenset[str]:
        """The source columns that hold ids."""
        deal = () if self.deal_id is None else (self.deal_id,)
        return frozenset((self.lead_id, *deal, *self.id_columns))

    @property
    def id_columns(self) -> list[str]:
        """The source columns that identify an event together; none where the id is derived from the row."""
        return [self.event_id] if isinstance(self.event_id, str) else list(self.event_id or ())


class LeadsPart(Shared):
    """`[leads]`: one row per version of a profile, or the state as exported.

    valid_from: since when a version holds. snapshot: the row is the state at the time of the export, which is that of
    the command, or of a column exported_at; created_at and the `unchanging` profile columns tell what was known of a
    lead from its creation on. missing = "deleted": the export is a full one, and a lead that is not in it is gone.
    categories, numbers: profile columns to keep, by name. personal: columns dropped at the door; flags keep whether
    one was filled in, e.g. has_email = "email".
    """

    valid_from: str | None = None
    snapshot: bool = False
    exported_at: str | None = None
    created_at: str | None = None
    unchanging: tuple[str, ...] = ()
    missing: Literal["kept", "deleted"] = "kept"
    account_id: str | None = None
    categories: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    flags: dict[str, str] = {}

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [*self.categories, *self.numbers, *self.flags]
        for name in names:
            if name.lower() in RESERVED or names.count(name) > 1:
                raise ValueError(f"profile column {name!r} has a name that is taken; rename it in the export")
            if name in self.personal:
                raise ValueError(f"column {name!r} is personal and kept as well; take it out of one of the two")
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
        for name in self.unchanging:
            if name != "account_id" and name not in self.profile:
                raise ValueError(f"unchanging column {name!r} is no profile column; add it to categories or numbers")
        return self

    @property
    def columns(self) -> list[str]:
        """The source columns that are read; personal ones only where a flag asks for them."""
        times = [self.valid_from, self.exported_at, self.created_at]
        rest = [self.lead_id, *times, self.account_id, *self.categories, *self.numbers, *self.flags.values()]
        return [name for name in dict.fromkeys(rest) if name is not None]

    @property
    def ids(self) -> frozenset[str]:
        """The source columns that hold ids."""
        return frozenset(name for name in (self.lead_id, self.account_id) if name is not None)

    @property
    def profile(self) -> dict[str, str]:
        """Profile columns and their kind, `category` or `number`."""
        kinds = dict.fromkeys((*self.categories, *self.flags), "category")
        return kinds | dict.fromkeys(self.numbers, "number")


class IdentitiesPart(Shared):
    """`[identities]`: an alias is another id of a lead, from a time on, and to another one where that is known."""

    alias: str
    valid_from: str
    valid_until: str | None = None

    @property
    def columns(self) -> list[str]:
        """The source columns that are read."""
        columns = [self.lead_id, self.alias, self.valid_from]
        return columns if self.valid_until is None else [*columns, self.valid_until]

    @property
    def ids(self) -> frozenset[str]:
        """The source columns that hold ids."""
        return frozenset((self.lead_id, self.alias))


class BotRule(MappingTable):
    """An event of `types` at most `seconds` after one of type `after` is a machine's; looks back only."""

    name: str
    types: tuple[str, ...]
    after: str
    seconds: float = Field(gt=0)


class Mapping(MappingTable):
    """The whole file. `event_types` and `groups` are the vocabulary that features speak of.

    silent_after: after how many days without an event sources have ended.
    """

    name: str
    delimiter: str = Field(",", min_length=1, max_length=1)
    event_types: tuple[str, ...] = Field(min_length=1)
    groups: dict[str, tuple[str, ...]] = {}
    words: dict[str, dict[str, str]] = {}
    events: EventsPart
    identities: IdentitiesPart | None = None
    leads: LeadsPart | None = None
    bots: tuple[BotRule, ...] = ()
    silent_after: dict[str, Annotated[float, Field(gt=0)]] = {}

    @field_validator("delimiter")
    @classmethod
    def _plain_delimiter(cls, sign: str) -> str:
        if not sign.isascii() or sign in '"\r\n':
            raise ValueError('one ASCII character that is no quote and no line end, like ";"')
        return sign

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.event_types, dict(self.groups))


def read_mapping(path: Path | str) -> Mapping:
    """Reads a mapping file, or a shipped one by its name (`simulated`). Raises UsageError: key, value, remedy."""
    shipped = SHIPPED / f"{path}.toml"
    file = shipped if shipped.exists() else Path(path)
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        names = ", ".join(sorted(toml.stem for toml in SHIPPED.glob("*.toml")))
        raise UsageError(f"mapping {path} cannot be read ({error.strerror}); shipped ones: {names}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"mapping {file} is no TOML: {error}") from None
    try:
        mapping = Mapping(**values)
    except ValidationError as error:
        raise UsageError(f"mapping {file}: {_explained(error)}") from None
    _check_types(mapping, file)
    return mapping


def _check_types(mapping: Mapping, file: Path) -> None:
    """Whatever speaks of event types speaks of known ones."""
    named = {f"groups.{group}": members for group, members in mapping.groups.items()}
    named |= {f"bots.{rule.name}": (*rule.types, rule.after) for rule in mapping.bots}
    for key, members in named.items():
        for name in members:
            if name not in mapping.event_types:
                close = difflib.get_close_matches(name, mapping.event_types, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]}?" if close else "add it there"
                raise UsageError(f"mapping {file}: {key} names {name!r}, which is not in event_types; {hint}")


def _explained(error: ValidationError) -> str:
    """The mistake that says most, in one line: an unknown key before what is missing, the innermost of a union."""
    first: Any = max(error.errors(), key=lambda mistake: (mistake["type"] == "extra_forbidden", len(mistake["loc"])))
    key = ".".join(str(part) for part in first["loc"] if part not in ("TypeRule", "Product", "str", "[key]"))
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(first["loc"][-1]), KEYS, n=1, cutoff=0.5)
        return f"{key} is no key of a mapping" + (f"; did you mean {close[0]}?" if close else "")
    if first["type"] == "missing":
        return f"{key} is missing; add it, see docs/mappings.md"
    reason = first["msg"].removeprefix("Value error, ")
    return f"{key}: {reason}" if isinstance(first["input"], dict) else f"{key} = {first['input']!r}: {reason}"


KEYS = sorted(
    {
        name
        for part in (Mapping, EventsPart, LeadsPart, IdentitiesPart, TypeRule, Product, BotRule)
        for name in part.model_fields
    }
)
"""Every key that a mapping may have."""
