"""Links that open an export without signing in, for a scheduler: signed, with an end, worth what their account is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlencode

from serving.messages.problems import Refused
from serving.pages.rendering.page_context import Visit, by_session

LIFE_DAYS = 30
ACCOUNT, UNTIL, SIGNATURE = PARTS = ("account", "until", "signature")
"""Parts of such an address besides what the export asks for."""


def link(visit: Visit, path: str, asked: Mapping[str, str], until: int) -> str:
    """An address of ours that opens an export in the name of the visitor's account until a moment (µs UTC)."""
    name = visit.account.name if visit.account else ""
    signed = {**asked, ACCOUNT: name, UNTIL: str(until // 1_000_000)}
    signature = visit.services.store.accounts.seal_link(name, _text(path, signed.items()))
    return f"{path}?{urlencode({**signed, SIGNATURE: signature})}"


def by_link_or_session(visit: Visit, form: Mapping[str, str]) -> Visit:
    """Whoever is named by the link, where the address is one. Raises Refused for a link that does not hold (any more).

    It is not said why, and nobody is asked to sign in: a scheduler would take that page for the file.
    """
    parts = visit.request.query_params.multi_items()
    given = dict(parts)
    if SIGNATURE not in given:
        return by_session(visit, form)
    signed = [(name, value) for name, value in parts if name != SIGNATURE]
    text, name, until = _text(visit.request.url.path, signed), given.get(ACCOUNT, ""), given.get(UNTIL, "")
    account = visit.services.store.accounts.linked(name, text, given[SIGNATURE])
    if account is None or len(parts) != len(given) or int(until) * 1_000_000 <= visit.now:
        raise Refused("link_ended", "the link does not hold")
    return replace(visit, account=account)


def _text(path: str, parts: Iterable[tuple[str, str]]) -> str:
    """What is signed: every part, whatever their order and however they were written in the address."""
    return f"{path}?{urlencode(sorted(parts))}"
