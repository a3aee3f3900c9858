"""What sales does with a lead, by forms that work without scripts; who comes second sees what the first one did."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from serving.http.queries import whole_number
from serving.http.sales_actions import ActionWish, act_on
from serving.messages.problems import Refused
from serving.pages.rendering.addresses import asked_lead, key_of, lead_address
from serving.pages.rendering.page_context import PageContext, inside
from serving.pages.rendering.page_guard import requires_role
from serving.store.leads.work import Overtaken


@requires_role("viewer")
def work(context: PageContext) -> Response:
    """Does it, and goes back to where the visitor was. An editor may act on any lead, an owner on their own."""
    lead_id, form = asked_lead(context), context.form
    seen, days = whole_number(form.get("seen", "")), form.get("days", "")
    entry = context.services.store.worklist.entry(context.services.target_name, lead_id)
    if not context.may_act(entry.worker if entry else ""):
        raise Refused("forbidden", "this lead is somebody else's")
    if seen is None or seen >= 2**31:
        raise Refused("invalid", "the form has a value that cannot be")
    wish = ActionWish(form.get("action", ""), seen, form.get("owner", ""), form.get("reason", ""), whole_number(days))
    me = context.services.sales.owner_of(context.account.name if context.account else "")
    try:
        step = act_on(context.services, lead_id, wish, context.who, me)
    except Refused as refused:
        if isinstance(refused.__cause__, Overtaken):
            return _overtaken(context, lead_id, wish, refused.__cause__)
        raise
    return context.redirect(_back(context, step.state, lead_id))


def _overtaken(context: PageContext, lead_id: str, wish: ActionWish, overtaken: Overtaken) -> Response:
    """What somebody else has done; what the visitor wanted is one press away, nothing that was chosen is lost."""
    return context.render(
        "overtaken.html",
        409,
        here="today",
        lead_id=lead_id,
        key=key_of(lead_id),
        wish=wish,
        step=overtaken.step,
        seen=overtaken.step.number if overtaken.step else 0,
        back=inside(context.form.get("back", "")),
        address_of_lead=lead_address(lead_id),
    )


def _back(context: PageContext, done: str, lead_id: str) -> str:
    """Where the visitor was, with what was done."""
    path, _, rest = inside(context.form.get("back", "")).partition("?")
    if path != "/today":
        return f"{lead_address(lead_id)}#work"
    parts = [part for part in rest.split("&") if part.partition("=")[0] in ("section", "whose", "owner", "after")]
    return f"{path}?{'&'.join([*parts, urlencode({'done': done, 'lead': lead_id})])}"


routes = [
    Route("/work", work, methods=["POST"]),
]
