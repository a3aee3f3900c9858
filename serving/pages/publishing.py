"""Publishing a threshold: what was tried holds from the next scoring on, with who did it and why."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from data.contract import UsageError
from serving.messages.problems import Refused
from serving.pages.planner import asked_plan, made_of
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_guard import requires_role
from serving.pages.threshold_form import ADDRESS, by_of, number_of
from serving.pages.thresholds import grounds_of
from serving.scoring.served_model import ServedModel
from serving.scoring.what_if import wished
from serving.store.scores.threshold_changes import REASONS, OutOfOrder, Wish
from training.thresholds.threshold import Threshold


@requires_role("editor")
def publish(context: PageContext) -> Response:
    """Publishes what was tried: it holds from the next scoring on."""
    live, form = context.services.champion.current(), context.form
    if form.get("digest") != live.model.digest:
        raise Refused("conflict", "another model has come into place since the page was loaded")
    if form.get("plan"):
        return _publish_plan(context, live)
    stage, reason = form.get("stage", ""), form.get("reason", "")
    if stage not in {threshold.stage for threshold in live.scorer.thresholds} or reason not in REASONS:
        raise Refused("invalid", "there is no such stage or reason")
    made = None if form.get("by") == "model" else _made(live, form, stage)
    who = context.account.name if context.account else ""
    if made is None and form.get("by") != "model":
        return context.render("error.html", 422, sentence=context.t("errors.unpromised"))
    wish = Wish(live.target.name, stage, live.model.version, live.model.digest, who, reason, made)
    try:
        context.services.store.thresholds.publish([wish], live.scorer.thresholds, context.now)
    except OutOfOrder:
        return context.render("error.html", 422, sentence=context.t("errors.unpromised"))
    return context.redirect(f"{ADDRESS}?published=1")


def _publish_plan(context: PageContext, live: ServedModel) -> Response:
    """Publishes the stages of a plan together; one that does not fit is shown again as it was typed."""
    grounds, reason = grounds_of(live), context.form.get("reason", "")
    if grounds is None or reason not in REASONS:
        raise Refused("invalid", "there is no such reason, or nothing to plan with")
    planned = asked_plan(context, live, grounds, context.form)
    again = f"{ADDRESS}?{urlencode({'plan': planned.by, **planned.typed})}#plan"
    if not planned.fits:
        return context.redirect(again)
    who = context.account.name if context.account else ""
    wishes = [
        Wish(live.target.name, made.stage, live.model.version, live.model.digest, who, reason, made)
        for made in made_of(planned)
    ]
    try:
        context.services.store.thresholds.publish(wishes, live.scorer.thresholds, context.now)
    except OutOfOrder:
        return context.redirect(again)
    return context.redirect(f"{ADDRESS}?published=1")


def _made(live: ServedModel, form: Mapping[str, str], stage: str) -> Threshold | None:
    """The threshold that a form asks for, None for one that cannot be promised. Raises Refused for no number."""
    grounds, by = grounds_of(live), by_of(form)
    if grounds is None or by == "chance":
        return None
    try:
        made = wished(grounds, stage, by, number_of(form, "value") or 0.0)
    except UsageError:
        made = None
    if made is None or made.probability is None:
        return None
    return made


routes = [
    Route("/thresholds", publish, methods=["POST"]),
]
