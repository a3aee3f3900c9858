"""Erasing a lead: asked for, confirmed, done, and proved by a receipt that holds no personal data."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response

from data.contract import UsageError
from serving.http.lead_rights import forget
from serving.messages.problems import Refused
from serving.pages.rendering.addresses import asked_lead, checked, key_of, lead_address
from serving.pages.rendering.page_context import Visit, shows
from serving.store.database.connection import StoreAway
from serving.store.privacy.receipts import Receipt

router = APIRouter()


@router.get("/erasure")
@shows("admin")
def ask(visit: Visit) -> Response:
    """Says what erasing means, and asks whether it is meant."""
    lead = visit.request.query_params.get("lead", "")
    return _asked(visit, checked(lead) if lead else "")


@router.post("/erasure")
@shows("admin")
def erase(visit: Visit) -> Response:
    """Erases a lead, also one that is not shown or not known: nothing about it comes in any more."""
    lead_id = asked_lead(visit)
    if visit.form.get("sure") != "yes":
        return _asked(visit, lead_id, 422, visit.t("erasure.unsure"))
    try:
        receipt = forget(visit.services, lead_id, visit.who)
    except (UsageError, StoreAway):
        # Repeating does no harm, and only what has been wholly done has a receipt.
        return _asked(visit, lead_id, 503, visit.t("erasure.unfinished"))
    return visit.to(f"/receipt?of={_packed(receipt)}")


@router.get("/receipt")
@shows("admin")
def show(visit: Visit) -> Response:
    """A receipt, which stands in the address alone; one that the store has not signed is none."""
    told = visit.request.query_params.get("of")
    if told is None:
        return visit.to("/erasure")
    receipt = _unpacked(told)
    try:
        genuine = receipt is not None and visit.services.store.erasure.verify(receipt)
    except (TypeError, ValueError, AttributeError):
        genuine = False
    if receipt is None or not genuine:
        raise Refused("not_found", "this store has signed no such receipt")
    return visit.page("receipt.html", receipt=receipt)


def _asked(visit: Visit, lead_id: str, status: int = 200, problem: str = "") -> Response:
    return visit.page(
        "erasure.html", status, lead_id=lead_id, key=key_of(lead_id), back=lead_address(lead_id), problem=problem
    )


def _packed(receipt: Receipt) -> str:
    return base64.urlsafe_b64encode(json.dumps(asdict(receipt)).encode()).decode()


def _unpacked(text: str) -> Receipt | None:
    """What an address says is a receipt; None for what cannot be one."""
    try:
        values: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text.encode("ascii", "replace")))
        return Receipt(**{**values, "limits": tuple(values["limits"])})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
