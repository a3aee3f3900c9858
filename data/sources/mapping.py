"""How a foreign export becomes the contract: a TOML file of tables, columns, constants, value tables and time zones."""

from __future__ import annotations

import codecs
import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from data.contract import UsageError
from data.sources.every_table import MappingTable, Product, Shared, TypeRule
from data.sources.tables import EventsPart, FromColumn, IdentitiesPart, LeadsPart, Table
from data.vocabulary import Vocabulary

__all__ = ["BotRule", "EventsPart", "FileFormat", "IdentitiesPart", "LeadsPart", "Mapping", "Product", "TypeRule"]
SHIPPED = Path(__file__).parents[1] / "mappings"
NULL_WORDS = ("null", "NULL", "\\N", "N/A", "n/a", "#N/A", "-")
"""What means that nothing is known, where a mapping does not say otherwise."""


class FileFormat(MappingTable):
    """How files are written.

    delimiter: between fields, that of the header if missing. encoding: as Python names it; by the byte order mark, or
    UTF-8, if missing. header = false: the first line is a row, and columns are called "1", "2" … sheet: of a
    spreadsheet, the first if missing. rows: path of the list of rows in a JSON document. null_words: words that mean
    that nothing is known.
    """

    delimiter: str | None = Field(None, min_length=1, max_length=1)
    encoding: str | None = None
    header: bool = True
    sheet: str | None = None
    rows: str | None = None
    null_words: tuple[str, ...] = NULL_WORDS

    @field_validator("delimiter")
    @classmethod
    def _plain_delimiter(cls, sign: str | None) -> str | None:
        if sign is not None and (not sign.isascii() or sign in '"\r\n'):
            raise ValueError('one ASCII character that is no quote and no line end, like ";"')
        return sign

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str | None) -> str | None:
        try:
            if name is not None and "a".encode(codecs.lookup(name).name).decode(name) == "a":
                return name
        except (LookupError, ValueError):
            pass
        if name is not None:
            raise ValueError("no encoding of texts; write one like latin-1, cp1252 or utf-16")
        return None

    @property
    def nothing(self) -> tuple[str, ...]:
        """Every text that means that nothing is known."""
        return ("", *self.null_words)


class BotRule(MappingTable):
    """An event of `types` at most `seconds` after one of type `after` is a machine's; looks back only."""

    name: str
    types: tuple[str, ...]
    after: str
    seconds: float = Field(gt=0)


def _several(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class Mapping(FileFormat):
    """The whole file. `event_types` and `groups` are the vocabulary that features speak of; where no types are listed,
    the log's vocabulary takes in those that occur often. files: how a named file is written, where it differs.
    silent_after: after how many days without an event sources have ended.
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

    @model_validator(mode="after")
    def _check_tables(self) -> Mapping:
        if not (self.events or self.leads or self.identities):
            raise ValueError("there is no table; add [events], [leads] or [identities]")
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
        close = difflib.get_close_matches(str(first["loc"][-1]), KEYS, n=1, cutoff=0.5)
        return f"{key} is no key of a mapping" + (f"; did you mean {close[0]}?" if close else "")
    if first["type"] == "missing":
        return f"{key} is missing; add it, see docs/mappings.md"
    reason = first["msg"].removeprefix("Value error, ")
    if isinstance(first["input"], dict):
        return f"{key}: {reason}" if key else reason
    return f"{key} = {first['input']!r}: {reason}"


TABLES = (Mapping, FileFormat, Shared, EventsPart, FromColumn, LeadsPart, IdentitiesPart, TypeRule, Product, BotRule)
KEYS = sorted({field.alias or name for table in TABLES for name, field in table.model_fields.items()})
"""Every key that a mapping may have."""
