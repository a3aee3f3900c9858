"""Who may do what: the roles of people, each of which includes those before it, and the roles of API keys."""

from __future__ import annotations

from typing import Literal

PageRole = Literal["anyone", "viewer", "editor", "admin"]
ACCOUNT_ROLES = ("viewer", "editor", "admin")
"""What each may do, the one before and more: read; also change stages and thresholds; also erase and object."""
KeyRole = Literal["score", "ingest", "read", "admin"]
KEY_ROLES: tuple[KeyRole, ...] = ("score", "ingest", "read", "admin")


def may_see(role: str | None, needed: PageRole) -> bool:
    """Whether a person with a role (None: nobody is signed in) may do what needs one.

    >>> may_see("editor", "viewer"), may_see("viewer", "editor"), may_see(None, "viewer"), may_see(None, "anyone")
    (True, False, False, True)
    """
    if needed == "anyone" or role is None:
        return needed == "anyone"
    return ACCOUNT_ROLES.index(role) >= ACCOUNT_ROLES.index(needed)


def may_act(role: str | None, is_own: bool) -> bool:
    """Whether a person may act on a lead: editors on all, an owner on their own."""
    return may_see(role, "editor") or is_own


def key_allows(role: str, needed: str) -> bool:
    """Whether a key with a role may do what needs one; `admin` may do everything.

    >>> key_allows("admin", "score"), key_allows("score", "score"), key_allows("read", "score")
    (True, True, False)
    """
    return role in (needed, "admin")
