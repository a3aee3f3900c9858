"""PostgreSQL as people operate it: behind a pooler, on several hosts, in a schema of its own, under any defaults.

Nothing is asked of a session, since a pooler gives each transaction another one: every transaction says with its first
words how it is isolated, that its commit waits for the disk, and where its tables are. No statement is prepared.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, Dialect, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError

from data.contract import UsageError
from serving.store.database.failures import READ_ONLY, refuse_unkeepable
from serving.store.database.fair_pool import FairPool

WAIT_S = 5
"""Seconds that a request waits for a connection that is in use, or for a server that does not answer."""
CONNECTIONS, MOST = 8, 200
"""How many connections one server takes at most; `?connections=` says otherwise."""
IDLE_S = 20.0
"""A connection that nobody has used for so long is given back."""
# A silent network is given up after seconds.
WORDS = {
    "connect_timeout": WAIT_S - 2,
    "tcp_user_timeout": WAIT_S * 1000,
    "keepalives_idle": WAIT_S,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "application_name": "leadscore",
}
# Not for the user to change: text is UTF-8, and a pooler's sessions know no statement that another one has prepared.
OURS = {"client_encoding": "utf8", "autocommit": True, "prepare_threshold": None}
READS = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Not READ WRITE: where an operator has made a database read-only, that holds.
WRITES = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = on"
EXACT = "SET LOCAL extra_float_digits = 1"
"""Numbers lose no digit, whatever the database's default."""
EMPTY = re.compile(r"[?&](\w+)=(?=&|$)")
HOSTS = re.compile(r"(?P<before>[^:/?]+://(?:[^/?]*@)?)(?P<hosts>[^/?@]*,[^/?@]*)(?P<after>[/?].*)?")
HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>\d+)?)?")


@dataclass(frozen=True)
class Address:
    """Where a store is. url: as SQLAlchemy reads it, several hosts in its query. schema: None for the role's own."""

    url: URL
    schema: str | None = None
    connections: int = CONNECTIONS

    @property
    def chooses(self) -> bool:
        """Whether there are several hosts, of which the one that takes writes is looked for."""
        return self.url.query.get("target_session_attrs") in ("read-write", "primary")


def address_of(text: str) -> Address:
    """Reads `postgresql://USER@HOST[,HOST…]/DATABASE?…`, with libpq's words and `schema` and `connections`.

    Raises UsageError for what cannot be read, and for a word that is none.
    """
    if (empty := EMPTY.search(text)) is not None:
        raise UsageError(f"{empty[1]!r} in the store's URL says nothing; give it a value or leave it out")
    url = _one_host(text).set(drivername="postgresql+psycopg")
    schema, connections = url.query.get("schema"), url.query.get("connections", str(CONNECTIONS))
    url = url.difference_update_query(["schema", "connections"])
    if not (isinstance(connections, str) and connections.isdecimal() and 1 <= int(connections) <= MOST):
        raise UsageError(f"connections={connections!r} in the store's URL is no number from 1 to {MOST}")
    if schema is not None and not (isinstance(schema, str) and len(schema.encode()) < 64 and "\0" not in schema):
        raise UsageError(f"schema={schema!r} in the store's URL is no name of a schema")
    _check_words(url.query)
    if _has_hosts(url) and "target_session_attrs" not in url.query:
        url = url.update_query_dict({"target_session_attrs": "read-write"})
    return Address(url, schema, int(connections))


def engine_of(address: Address) -> Engine:
    """An engine on it; nothing is connected yet."""
    engine = create_engine(
        address.url,
        connect_args={word: value for word, value in WORDS.items() if word not in address.url.query} | OURS,
        poolclass=FairPool,
        pool_size=address.connections,
        pool_timeout=WAIT_S,
        idle_s=IDLE_S,
        pool_pre_ping=True,
    )
    event.listen(engine, "begin", partial(_begin, _beginnings(address.schema)))
    event.listen(engine, "handle_error", refuse_unkeepable)
    if address.chooses:
        event.listen(engine, "do_connect", _connect_to_any)
        event.listen(engine, "handle_error", _choose_anew)
    return engine


def _beginnings(schema: str | None) -> Mapping[bool, str]:
    quoted = None if schema is None else '"{}"'.format(schema.replace('"', '""'))
    where = [] if quoted is None else [f"SET LOCAL search_path TO {quoted}"]
    return {writes: "; ".join([first, EXACT, *where]) for writes, first in ((False, READS), (True, WRITES))}


def _begin(beginnings: Mapping[bool, str], connection: Connection) -> None:
    connection.exec_driver_sql(beginnings[connection.get_execution_options().get("writes", False)])


def _connect_to_any(dialect: Dialect, record: object, given: Any, words: Any) -> Any:
    """The host that takes writes; while none does, one that can be read."""
    try:
        return dialect.connect(*given, **words)
    except dialect.loaded_dbapi.OperationalError as error:
        if "read-only" not in str(error) and "recovery" not in str(error):
            raise
        return dialect.connect(*given, **words | {"target_session_attrs": "any"})


def _choose_anew(context: ExceptionContext) -> None:
    """Another host may take writes by now: all connections are opened again."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


def _one_host(text: str) -> URL:
    """SQLAlchemy knows several hosts in the query alone."""
    match = HOSTS.fullmatch(text)
    try:
        if match is None:
            return make_url(text)
        url = make_url(f"{match['before']}{match['after'] or ''}")
    except (ArgumentError, ValueError):
        raise UsageError(
            "the store's URL cannot be read; write postgresql://USER@HOST[:PORT][,HOST…]/DATABASE, and %-escape "
            "what is special in a password"
        ) from None
    hosts = [HOST.fullmatch(host) for host in match["hosts"].split(",")]
    if not all(hosts):
        raise UsageError("the hosts in the store's URL cannot be read; write HOST:PORT,HOST:PORT, or [ADDRESS]:PORT")
    names, ports = zip(*((host["six"] or host["name"], host["port"] or "") for host in hosts if host), strict=True)
    return url.update_query_dict({"host": ",".join(names), "port": ",".join(ports)})


def _has_hosts(url: URL) -> bool:
    return isinstance(url.query.get("host"), tuple) or "," in str(url.query.get("host", url.host or ""))


def _check_words(query: Collection[str]) -> None:
    # Imported late: only who has a database of PostgreSQL's needs its driver.
    from psycopg.pq import Conninfo

    known = [option.keyword.decode() for option in Conninfo.get_defaults()]
    for word in query:
        if word not in known:
            near = difflib.get_close_matches(word, [*known, "schema", "connections"], 1)
            hint = f"; is {near[0]} meant?" if near else ""
            raise UsageError(f"{word!r} in the store's URL is no option of PostgreSQL's{hint}")
