"""Links that open an export without signing in, for a scheduler: signed, with an end, worth what their account is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlencode

from serving.http.queries import whole_number
from serving.messages.problems import Refused
from serving.pages.rendering.page_context import PageContext, by_session

LIFE_DAYS = 30
ACCOUNT, UNTIL, SIGNATURE = PARTS = ("account", "until", "signature")
"""Parts of such an address besides what the export asks for."""


def link(context: PageContext, path: str, asked: Mapping[str, str], until: int) -> str:
    """An address of ours that opens an export in the name of the visitor's account until a moment (µs UTC)."""
    name = context.account.name if context.account else ""
    signed = {**asked, ACCOUNT: name, UNTIL: str(until // 1_000_000)}
    signature = context.services.store.accounts.seal_link(name, _text(path, signed.items()))
    return f"{path}?{urlencode({**signed, SIGNATURE: signature})}"


def by_link_or_session(context: PageContext, form: Mapping[str, str]) -> PageContext:
    """Whoever is named by the link, where the address is one. Raises Refused for a link that does not hold (any more).

    It is not said why, and nobody is asked to sign in: a scheduler would take that page for the file.
    """
    try:
        parts = context.asked
    except Refused:
        if f"{SIGNATURE}=" not in context.request.url.query:
            raise
        parts = [(SIGNATURE, "")]
    given = dict(parts)
    if SIGNATURE not in given:
        return by_session(context, form)
    signed = [(name, value) for name, value in parts if name != SIGNATURE]
    text, name, until = _text(context.request.url.path, signed), given.get(ACCOUNT, ""), given.get(UNTIL, "")
    account = context.services.store.accounts.linked(name, text, given[SIGNATURE])
    if account is None or len(parts) != len(given) or (whole_number(until) or 0) * 1_000_000 <= context.now:
        raise Refused("link_ended", "the link does not hold")
    return replace(context, account=account)


def _text(path: str, parts: Iterable[tuple[str, str]]) -> str:
    """What is signed: every part, whatever their order and however they were written in the address."""
    return f"{path}?{urlencode(sorted(parts))}"
