"""What is asked of a vendor: a TOML file of resources, their pages, and the columns that are kept of each answer."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from data.contract import UsageError

SHIPPED = Path(__file__).parent
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ConfigTable(BaseModel):
    """A table of the file; a key that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Auth(ConfigTable):
    """Who asks. Secrets are placeholders, like "{env.HUBSPOT_TOKEN}": they come from the environment and nowhere else.

    bearer: a token. api_key: a token in a header of its own. oauth2_client_credentials: a token that is asked for.
    """

    type: Literal["bearer", "api_key", "oauth2_client_credentials"]
    token: str = ""
    header: str = "Authorization"
    client_id: str = ""
    client_secret: str = ""
    access_token_url: str = ""

    @model_validator(mode="after")
    def _check_secrets(self) -> Self:
        wanted = ("client_id", "client_secret") if self.type == "oauth2_client_credentials" else ("token",)
        for name in wanted:
            value: str = getattr(self, name)
            if not (value.startswith("{env.") and value.endswith("}")):
                raise ValueError(f'{name} has to be "{{env.NAME}}": secrets come from the environment')
        return self


class ClientPart(ConfigTable):
    """The vendor. overlap_minutes: how much of the time before is asked for again, since searches lag behind."""

    base_url: str
    auth: Auth
    overlap_minutes: int = Field(15, ge=0)
    headers: dict[str, str] = {}


class Paginator(ConfigTable):
    """How one gets from a page to the next: by a cursor of the answer, by a link in it, or by the last row's id.

    cursor: `cursor_path` in the answer goes into the parameter `cursor_param`. link: `next_url_path` in the answer is
    where to go on. keyset: the `id` of the last row goes to `place` in the body, until a page is empty.
    """

    type: Literal["cursor", "link", "keyset", "single"] = "single"
    cursor_path: str = ""
    cursor_param: str = "cursor"
    next_url_path: str = ""
    id: str = "id"
    place: str = ""


class Endpoint(ConfigTable):
    """A request, and where in the answer its records stand."""

    path: str
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, Any] = {}
    body: dict[str, Any] = Field({}, alias="json")
    data_selector: str
    paginator: Paginator = Paginator()


class ForEach(ConfigTable):
    """A request for each of the ids that have landed in a column of tables, so many at once."""

    tables: tuple[str, ...] = Field(min_length=1)
    column: str
    at_once: int = Field(1, ge=1)


class TablePart(ConfigTable):
    """What is kept of records: a file of rows with these columns, and nothing else of what the vendor says.

    rows: where in a record its rows stand, like "propertiesWithHistory.*.*"; the record itself if missing. columns:
    name -> path in the row, "$." and a path in the record, "*", the last key that `rows` went through, or "@id", the id
    that was asked for. only: rows to keep, by what stands at a path.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    rows: str = ""
    only: dict[str, tuple[str, ...]] = {}
    columns: dict[str, str] = Field(min_length=1)


class Resource(ConfigTable):
    """Pages of records that are asked for one after the other.

    once_known: left out by the first pull, which needs no deletions of what was never there. newer: path of a time;
    records from before the last pull are left out, where the vendor cannot be asked for newer ones only. gone: status
    with which the vendor says that there is none of an id, which may have been deleted since it was listed.
    """

    name: str
    endpoint: Endpoint
    tables: tuple[TablePart, ...] = Field(min_length=1)
    for_each: ForEach | None = None
    once_known: bool = False
    newer: str = ""
    gone: tuple[int, ...] = ()


class CheckPart(ConfigTable):
    """Names that have to be known to the vendor: asked before anything is pulled, since unknown ones would be columns
    of nothing. list: which of `lists` holds them. what: how messages call one. field: where the vendor's names stand.
    """

    endpoint: Endpoint
    list: str
    what: str
    field: str = "name"


class AccountPart(ConfigTable):
    """How the vendor tells which account a token is of. field: where its id stands in the record; the record itself if
    missing."""

    endpoint: Endpoint
    field: str = ""


class Connector(ConfigTable):
    """The whole file: what is asked of a vendor, and the mapping that brings it into the log.

    name: the source that events in the log have. Placeholders in requests: {env.NAME}, {since} (RFC 3339) and
    {since_ms}, the time of the last pull, {until}, now; in `for_each` {id}, {ids}, {id_list}, {quoted_ids} and
    {id_objects}; {lists.NAME} for one of `lists`; {columns} for the paths of a resource's columns.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    mapping: str
    client: ClientPart
    account: AccountPart | None = None
    lists: dict[str, tuple[str, ...]] = {}
    checks: tuple[CheckPart, ...] = ()
    resources: tuple[Resource, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        landed = set[str]()
        for check in self.checks:
            if check.list not in self.lists:
                raise ValueError(f"a check names {check.list!r}, which is none of lists; add it there")
        for resource in self.resources:
            for name in resource.for_each.tables if resource.for_each else ():
                if name not in landed:
                    raise ValueError(
                        f"resource {resource.name} asks for each of {name!r}, which no resource before lands"
                    )
            landed |= {table.name for table in resource.tables}
        for name in landed:
            columns = {tuple(table.columns) for table in self.tables if table.name == name}
            if len(columns) > 1:
                raise ValueError(f"table {name!r} has other columns in another resource; give it the same ones")
        return self

    @property
    def tables(self) -> list[TablePart]:
        """All tables that land."""
        return [table for resource in self.resources for table in resource.tables]

    @property
    def digest(self) -> str:
        """A hash of what is asked: who asks for more has to ask from the beginning."""
        asked = self.model_dump(mode="json", include={"lists", "resources"})
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def shipped() -> list[str]:
    """The names that `leadscore pull` knows."""
    return sorted(file.stem for file in SHIPPED.glob("*.toml"))


def read_connector(name: str) -> Connector:
    """What is asked, by a shipped name (`hubspot`) or by a file of one's own, beside which its mapping may lie.

    Raises UsageError: key, value, remedy.
    """
    own = SHIPPED / f"{name}.toml"
    file = own if name in shipped() else Path(name)
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"pull {name}: nothing is known under that name ({error.strerror}); there are {', '.join(shipped())}, or "
            "give a file like them"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no TOML: {error}") from None
    try:
        connector = Connector(**values)
        beside = file.parent / connector.mapping
        return connector.model_copy(update={"mapping": str(beside)}) if beside.is_file() else connector
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"{file}: {place or 'the file'}: {first['msg'].removeprefix('Value error, ')}") from None


def require_safe(url: str) -> None:
    """Secrets go over TLS only, or nowhere. Raises UsageError."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise UsageError(f"base_url {url!r} is no https:// address, and the token would be readable; correct it")
