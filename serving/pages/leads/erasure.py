"""Erasing a lead: asked for, confirmed, done, and proved by a receipt that holds no personal data."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from data.contract import UsageError
from serving.http.data_subject_requests import forget
from serving.messages.problems import Refused
from serving.pages.rendering.addresses import asked_lead, checked, key_of, lead_address
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_guard import requires_role
from serving.store.database.failures import StoreAway
from serving.store.privacy.receipts import Receipt
from serving.store.privacy.workspace_files import Unfinished


@requires_role("admin")
def ask(context: PageContext) -> Response:
    """Says what erasing means, and asks whether it is meant."""
    lead = dict(context.asked).get("lead", "")
    return _asked(context, checked(lead) if lead else "")


@requires_role("admin")
def erase(context: PageContext) -> Response:
    """Erases a lead, also one that is not shown or not known: nothing about it comes in any more."""
    lead_id = asked_lead(context)
    if context.form.get("sure") != "yes":
        return _asked(context, lead_id, 422, context.t("erasure.unsure"))
    try:
        receipt = forget(context.services, lead_id, context.who)
    except (UsageError, StoreAway, Unfinished):
        # Repeating does no harm, and only what has been wholly done has a receipt.
        return _asked(context, lead_id, 503, context.t("erasure.unfinished"))
    return context.redirect(f"/receipt?of={_packed(receipt)}")


@requires_role("admin")
def show(context: PageContext) -> Response:
    """A receipt, which stands in the address alone; one that the store has not signed is none."""
    receipt_text = dict(context.asked).get("of")
    if receipt_text is None:
        return context.redirect("/erasure")
    receipt = _unpacked(receipt_text)
    if receipt is None or not context.services.store.erasure.verify(receipt):
        raise Refused("not_found", "this store has signed no such receipt")
    return context.render("receipt.html", receipt=receipt)


def _asked(context: PageContext, lead_id: str, status: int = 200, problem: str = "") -> Response:
    return context.render(
        "erasure.html", status, lead_id=lead_id, key=key_of(lead_id), back=lead_address(lead_id), problem=problem
    )


def _packed(receipt: Receipt) -> str:
    return base64.urlsafe_b64encode(json.dumps(asdict(receipt)).encode()).decode()


def _unpacked(text: str) -> Receipt | None:
    """What an address says is a receipt; None for what cannot be one."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text.encode("ascii", "replace")), type=Receipt)
    except (ValueError, RecursionError):
        return None


routes = [
    Route("/erasure", ask),
    Route("/erasure", erase, methods=["POST"]),
    Route("/receipt", show),
]
