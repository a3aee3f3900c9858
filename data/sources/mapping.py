"""How a foreign export becomes the contract: a TOML file of tables, columns, constants, value tables and time zones."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from data.contract import UsageError
from data.sources.every_table import MappingTable, Product, TypeRule, Written
from data.sources.file_format import FileFormat
from data.sources.tables import EventsPart, FromColumn, IdentitiesPart, LeadsPart, Table
from data.vocabulary import NOTHING, Expected, Vocabulary

__all__ = ["BotRule", "EventsPart", "FileFormat", "IdentitiesPart", "LeadsPart", "Mapping", "Product", "TypeRule"]
SHIPPED = Path(__file__).parents[1] / "mappings"


class BotRule(MappingTable):
    """An event of `types` at most `seconds` after one of type `after` is a machine's; looks back only."""

    name: str
    types: tuple[str, ...]
    after: str
    seconds: float = Field(gt=0)


def _several(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class Mapping(FileFormat, Written):
    """The whole file. `event_types` and `groups` are the vocabulary that features speak of; where no types are listed,
    the log's vocabulary takes in those that occur often. files: how a named file is written, where it differs. How
    times and numbers are written holds for all tables that do not say otherwise. silent_after: after how many days
    without an event sources have ended.
    """

    name: str
    event_types: tuple[str, ...] = Field((), min_length=1)
    groups: dict[str, tuple[str, ...]] = Field({})
    words: dict[str, dict[str, str]] = Field({})
    files: dict[str, FileFormat] = Field({})
    events: Annotated[tuple[EventsPart, ...], BeforeValidator(_several)] = ()
    identities: Annotated[tuple[IdentitiesPart, ...], BeforeValidator(_several)] = ()
    leads: Annotated[tuple[LeadsPart, ...], BeforeValidator(_several)] = ()
    bots: tuple[BotRule, ...] = ()
    silent_after: dict[str, Annotated[float, Field(gt=0)]] = Field({})

    @model_validator(mode="before")
    @classmethod
    def _hand_down(cls, values: dict[str, Any]) -> dict[str, Any]:
        """What the mapping says of times and numbers, to its tables."""
        said = {key: values[key] for key in Written.model_fields if key in values}
        tables = {kind: _several(values[kind]) for kind in ("events", "identities", "leads") if kind in values}
        return values | {
            kind: [said | table if isinstance(table, dict) else table for table in some]
            for kind, some in tables.items()
        }

    @model_validator(mode="after")
    def _check_tables(self) -> Mapping:
        if not (self.events or self.leads or self.identities):
            raise ValueError("there is no table; add [events], [leads] or [identities]")
        for name, said in self.words.items():
            if said.get("expect", NOTHING) not in get_args(Expected):
                allowed = ", ".join(map(repr, get_args(Expected)))
                raise ValueError(f"words.{name}: expect = {said['expect']!r} is none of {allowed}")
        for name, kind in ((name, kind) for table in self.leads for name, kind in table.profile.items()):
            if self.profile[name] != kind:
                raise ValueError(f"profile column {name!r} is a category in one table and a number in another")
        return self

    @property
    def vocabulary(self) -> Vocabulary:
        """The types that are listed, and groups."""
        return Vocabulary(self.event_types, dict(self.groups))

    @property
    def profile(self) -> dict[str, str]:
        """Profile columns of all tables and their kind, `category` or `number`."""
        return {name: kind for table in self.leads for name, kind in table.profile.items()}

    def tables(self, kind: str) -> tuple[Table, ...]:
        """Its tables of a kind: events, leads or identities."""
        tables: dict[str, tuple[Table, ...]] = {
            "events": self.events,
            "leads": self.leads,
            "identities": self.identities,
        }
        return tables[kind]

    def format_of(self, name: str | None) -> FileFormat:
        """How a file of this name is written: as `[files.NAME]` says, else as the mapping does."""
        own = self.files.get(name or "")
        base = {key: getattr(self, key) for key in FileFormat.model_fields}
        return FileFormat(**base | (own.model_dump(exclude_unset=True) if own else {}))


def shipped_mappings() -> dict[str, Path]:
    """The mapping files that come with the program, by name."""
    return {file.stem: file for file in sorted(SHIPPED.glob("*.toml"))}


def read_mapping(path: Path | str, time_zone: str | None = None) -> Mapping:
    """Reads a mapping file, or a shipped one by its name (`simulated`). time_zone: that of times without a zone, in
    tables that do not name one. Raises UsageError: key, value, remedy.
    """
    shipped = shipped_mappings()
    file = shipped.get(str(path), Path(path))
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"mapping {path} cannot be read ({error.strerror}); shipped ones: {', '.join(shipped)}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"mapping {file} is no TOML: {error}") from None
    if time_zone is not None:
        values["time_zone"] = time_zone
    try:
        mapping = Mapping(**values)
    except ValidationError as error:
        raise UsageError(f"mapping {file}: {_explained(error, values)}") from None
    _check_types(mapping, file)
    return mapping


def _check_types(mapping: Mapping, file: Path) -> None:
    """Whatever speaks of event types speaks of known ones."""
    if not mapping.event_types:
        return
    named = {f"groups.{group}": members for group, members in mapping.groups.items()}
    named |= {f"bots.{rule.name}": (*rule.types, rule.after) for rule in mapping.bots}
    for key, members in named.items():
        for name in members:
            if name not in mapping.event_types:
                close = difflib.get_close_matches(name, mapping.event_types, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]}?" if close else "add it there"
                raise UsageError(f"mapping {file}: {key} names {name!r}, which is not in event_types; {hint}")


def _explained(error: ValidationError, values: dict[str, Any]) -> str:
    """The mistake that says most, in one line: an unknown key before what is missing, the innermost of a union."""
    first: Any = max(error.errors(), key=lambda mistake: (mistake["type"] == "extra_forbidden", len(mistake["loc"])))
    place = [str(part) for part in first["loc"] if part not in ("TypeRule", "Product", "str", "[key]")]
    if len(place) > 1 and place[0] in ("events", "leads", "identities") and not isinstance(values[place[0]], list):
        del place[1]
    key = ".".join(place)
    if first["type"] == "extra_forbidden":
        return _unknown(key, str(first["loc"][-1]))
    if first["type"] == "missing":
        return f"{key} is missing; add it, see docs/mappings.md"
    reason = first["msg"].removeprefix("Value error, ")
    if isinstance(first["input"], dict):
        return f"{key}: {reason}" if key else reason
    return f"{key} = {first['input']!r}: {reason}"


def _unknown(key: str, name: str) -> str:
    """What to say of a key that is none there: where it belongs, or which is the nearest."""
    places = [place for place, table in TABLES.items() if name in _keys(table)]
    if places:
        return f"{key} stands in the wrong place; it belongs to {' or '.join(places)}"
    close = difflib.get_close_matches(name, KEYS, n=1, cutoff=0.5)
    return f"{key} is no key of a mapping" + (f"; did you mean {close[0]}?" if close else "")


TABLES: dict[str, type[MappingTable]] = {
    "the top of the file": Mapping,
    "[files.NAME]": FileFormat,
    "[[events]]": EventsPart,
    "[[events.from_columns]]": FromColumn,
    "[[leads]]": LeadsPart,
    "[[identities]]": IdentitiesPart,
    "a rule of event_type": TypeRule,
    "a product": Product,
    "[[bots]]": BotRule,
}


def _keys(table: type[MappingTable]) -> set[str]:
    return {field.alias or name for name, field in table.model_fields.items()}


KEYS = sorted(set().union(*map(_keys, TABLES.values())))
"""Every key that a mapping may have."""
