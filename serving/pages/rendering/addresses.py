"""Addresses of pages about a lead, whatever characters its id has."""

from __future__ import annotations

from urllib.parse import quote, unquote

from serving.messages.problems import Refused
from serving.pages.rendering.page_context import PageContext

LONGEST = 200


def key_of(lead_id: str) -> str:
    """An id in characters that mean nothing to an address or a form.

    >>> key_of("a/ü %"), key_of("L-1")
    ('a%2F%C3%BC%20%25', 'L-1')
    """
    return quote(lead_id, safe="")


def lead_address(lead_id: str) -> str:
    """Where the page of a lead is."""
    return f"/leads/{key_of(lead_id)}"


def asked_lead(context: PageContext) -> str:
    """The lead that a form is about: `lead` holds its key, `lead_id` what someone has typed. Raises Refused."""
    return checked(unquote(context.form.get("lead", "")) or context.form.get("lead_id", "").strip())


def checked(lead_id: str) -> str:
    """An id that there could be. Raises Refused for any other."""
    storable = all(
        character >= " " and character != "\x7f" and not "\ud800" <= character <= "\udfff" for character in lead_id
    )
    if not 0 < len(lead_id) <= LONGEST or not storable:
        raise Refused("not_found", "there is no such lead")
    return lead_id
