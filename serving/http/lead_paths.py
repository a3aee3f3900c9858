"""Ids of leads in paths: any id fits into one part of a path, which is matched before `%2F` means a slash."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from starlette.routing import Match, Route
from starlette.types import Scope

from data.ids import NoId, required_id
from serving.messages.problems import Refused

IDS = {"lead_id", "account_id"}
DOTS = (".", "..")
"""Parts of a path that clients resolve, however they are written."""


class LeadRoute(Route):
    """A route that has the id of a lead, or of its account, as one part of its path, percent-encoded."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route, but in the path as it was sent."""
        path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        match, matched = super().matches({**scope, "path": path.decode("latin-1")})
        names = matched.get("path_params", {})
        for name in IDS & names.keys():
            names[name] = unquote_to_bytes(names[name].encode("latin-1")).decode("utf-8", "surrogateescape")
        return match, matched


def in_path(lead_id: str) -> str:
    """An id as one part of a path.

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
