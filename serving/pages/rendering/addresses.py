"""Addresses of pages about a lead or a company, whatever characters its id has."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlencode

from data.ids import NoId, required_id
from serving.http.lead_paths import company_url, lead_url
from serving.messages.problems import Refused
from serving.pages.rendering.page_context import PageContext


def key_of(lead_id: str) -> str:
    """An id in characters that mean nothing to an address or a form.

    >>> key_of("a/ü %"), key_of("L-1")
    ('a%2F%C3%BC%20%25', 'L-1')
    """
    return quote(lead_id, safe="")


def lead_address(lead_id: str, **more: object) -> str:
    """Where the page of a lead is. more: what else stands in the query.

    >>> lead_address("L-1", until=7), lead_address("a/b", until=7)
    ('/leads/L-1?until=7', '/lead?lead_id=a%2Fb&until=7')
    """
    address = lead_url("", lead_id)
    return f"{address}{'&' if '?' in address else '?'}{urlencode(more)}" if more else address


def company_address(account_id: str) -> str:
    """Where the page of a company is."""
    return company_url("", account_id)


def asked_lead(context: PageContext) -> str:
    """The lead that a form is about: `lead` holds its key, `lead_id` what someone has typed. Raises Refused."""
    return checked(unquote(context.form.get("lead", "")) or context.form.get("lead_id", ""))


def checked(text: str) -> str:
    """The id of a lead that an address or a form names. Raises Refused where there can be no such lead."""
    try:
        return required_id(text)
    except NoId:
        raise Refused("not_found", "there is no such lead") from None
