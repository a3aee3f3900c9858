"""Ids of leads and companies in addresses: one part of the path, matched before `%2F` means a slash, or in the query.

The query carries every id past whatever stands before the server.

Proxies and clients resolve `..`, decode `%2F` or refuse it. So an id that holds slashes, or is nothing but dots, has
its address in the query: `/v1/lead?lead_id=a%2Fb` is `/v1/leads/a%2Fb`, `/v1/company?account_id=a%2Fb` likewise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_plus, unquote_to_bytes

from starlette.routing import Match, Route
from starlette.types import Scope

from data.ids import NoId, required_id
from serving.http.authentication import Handler
from serving.messages.problems import Refused

DOTS = (".", "..")
"""Parts of a path that clients resolve, however they are written."""
SENT = "leadscore.sent"
"""In the scope of a request with its lead in the query: its address as it was sent, where people are sent back to."""


@dataclass(frozen=True)
class Subject:
    """What an address is about. one, many: its words in a query's path and before an id. name: of the id."""

    one: str
    many: str
    name: str


LEAD, COMPANY = Subject("lead", "leads", "lead_id"), Subject("company", "companies", "account_id")
IDS = {LEAD.name, COMPANY.name}


def address_of(scope: Scope) -> str:
    """The path as it was sent: decoded, `a%3Fb` would end at its question mark, and `a%2Fb` be two parts."""
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return path.decode("latin-1")


class LeadRoute(Route):
    """A route that has the id of a lead, or of its account, as one part of its path, percent-encoded."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route, but in the path as it was sent."""
        match, matched = super().matches({**scope, "path": address_of(scope)})
        names = matched.get("path_params", {})
        for name in IDS & names.keys():
            names[name] = unquote_to_bytes(names[name].encode("latin-1")).decode("utf-8", "surrogateescape")
        return match, matched


class LeadQueryRoute(Route):
    """The same route with the id as `lead_id` in the query. What is behind it sees the request that has it in its path.

    An id that is not there, or more than once, is the empty one, which no lead has.
    """

    about = LEAD

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route; the id leaves the query."""
        match, matched = super().matches(scope)
        if match is not Match.NONE:
            matched[SENT] = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
            root, _, rest = scope["path"].partition(f"/{self.about.one}")
            key, query = _taken_out(self.about.name, scope["query_string"].decode("latin-1"))
            quoted = quote(key, safe="", errors="surrogateescape")
            matched["path_params"], matched["query_string"] = {self.about.name: key}, query.encode("latin-1")
            matched["path"] = f"{root}/{self.about.many}/{key}{rest}"
            matched["raw_path"] = f"{root}/{self.about.many}/{quoted}{rest}".encode()
        return match, matched


class CompanyQueryRoute(LeadQueryRoute):
    """The same for a company: `account_id` in the query."""

    about = COMPANY


def _taken_out(name: str, query: str) -> tuple[str, str]:
    """The id that a query has by a name, and the rest of it."""
    parts = [part.partition("=") for part in query.split("&")]
    ids = [value for key, _, value in parts if key == name]
    rest = "&".join("".join(part) for part in parts if part[0] != name)
    return (unquote_plus(ids[0], errors="surrogateescape") if len(ids) == 1 else ""), rest


def lead_routes(path: str, endpoint: Handler, **options: Any) -> list[Route]:
    """Both routes of a handler that is about one lead; the path names the lead, `/v1/leads/{lead_id}/score`."""
    in_query = path.replace("leads/{lead_id}", "lead")
    by_query = LeadQueryRoute(in_query, endpoint, name=f"{endpoint.__name__}_by_query", **options)
    return [LeadRoute(path, endpoint, **options), by_query]


def fits_path(lead_id: str) -> bool:
    """Whether every proxy and client leaves an id in a path as it is.

    >>> fits_path("L-1"), fits_path("Müller & 1%"), fits_path("a/b"), fits_path("..")
    (True, True, False, False)
    """
    return "/" not in lead_id and "\\" not in lead_id and lead_id not in DOTS


def lead_url(root: str, lead_id: str, rest: str = "") -> str:
    """Where a lead is below a root, whatever its id. rest: what follows the lead, `/score`.

    >>> lead_url("/v1", "a b", "/score"), lead_url("/v1", "a/b", "/score")
    ('/v1/leads/a%20b/score', '/v1/lead/score?lead_id=a%2Fb')
    """
    return _url(LEAD, root, lead_id, rest)


def company_url(root: str, account_id: str) -> str:
    """The same for a company.

    >>> company_url("/v1", "a b"), company_url("", "a/b")
    ('/v1/companies/a%20b', '/company?account_id=a%2Fb')
    """
    return _url(COMPANY, root, account_id)


def _url(about: Subject, root: str, key: str, rest: str = "") -> str:
    quoted = quote(key, safe="")
    return (
        f"{root}/{about.many}/{quoted}{rest}" if fits_path(key) else f"{root}/{about.one}{rest}?{about.name}={quoted}"
    )


def in_path(lead_id: str) -> str:
    """An id as one part of a path, also one that does not fit there, for who asks the server itself.

    >>> in_path("a/b %2F"), in_path("..")
    ('a%2Fb%20%252F', '..%20')
    """
    # A blank behind belongs to no id, and makes it a part that no client resolves.
    return quote(lead_id, safe="") + ("%20" if lead_id in DOTS else "")


def sent_id(text: str) -> str:
    """The id of a lead that someone has sent. Raises Refused."""
    try:
        return required_id(text)
    except NoId as error:
        raise Refused("invalid", f"lead_id {error}") from None
