"""Thresholds: what holds and what it promises, what another one would bring, and publishing one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from starlette.responses import Response
from starlette.routing import Route

from data.contract import DataError, UsageError
from features.numbers_in_words import Language, amount, short_percent
from serving.messages.problems import Refused
from serving.pages.curve import Curve, CurveRow, curve_of, rows_of
from serving.pages.planner import asked_plan, fields_of
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_guard import requires_role
from serving.pages.threshold_form import address_of, asked_of, bounds_of, by_of, number_of, start_of
from serving.scoring.served_model import ServedModel
from serving.scoring.what_if import LIMITS, RULES, Brings, By, brings, wished
from serving.store.scores.threshold_changes import REASONS
from serving.store.scores.thresholds_in_force import Change
from training.thresholds.promise_text import sentence
from training.thresholds.rule_types import CapacityRule, RecordPeriod, Rule
from training.thresholds.threshold import Threshold
from training.thresholds.threshold_evidence import ThresholdEvidence


@dataclass(frozen=True)
class Card:
    """A stage and where it begins. said: its promise in a sentence. brings: None without grounds or threshold.

    change: what someone has published, in force. waiting: what the next scoring will take up. periods: its record.
    chain: what the leads just above have before them in a chain of targets, by step in order; {} where there is none.
    """

    threshold: Threshold
    said: str
    brings: Brings | None
    change: Change | None
    waiting: Change | None
    periods: list[RecordPeriod]
    chain: Mapping[str, float]


@dataclass(frozen=True)
class Trial:
    """What was asked, and what comes of it. threshold: None for a chance. said: its promise, or why there is none.

    chain: as in `Card`.
    """

    stage: str
    by: By
    value: float
    brings: Brings | None
    threshold: Threshold | None
    said: str
    chain: Mapping[str, float]


@requires_role("viewer")
def thresholds(context: PageContext) -> Response:
    """What holds, what if, what was changed."""
    live = context.services.champion.current()
    asked = asked_of(context, fields_of([threshold.stage for threshold in live.scorer.thresholds]))
    history = context.services.store.thresholds.history(live.target.name)
    grounds = grounds_of(live)
    cards = [_card(threshold, live, grounds, history, context) for threshold in live.effective_thresholds.thresholds]
    stage, by = asked.get("stage") or cards[-1].threshold.stage, by_of(asked)
    if stage not in {card.threshold.stage for card in cards}:
        raise Refused("invalid", "there is no such stage")
    held = next(card for card in cards if card.threshold.stage == stage)
    capacity = number_of(asked, "capacity") or _capacity(live, stage)
    trial = None
    if grounds is not None and "value" in asked:
        trial = trial_of(grounds, stage, by, number_of(asked, "value") or 0.0, live, context)
    return context.render(
        "thresholds.html",
        here="thresholds",
        cards=cards,
        has_grounds=grounds is not None,
        plan=None if grounds is None else asked_plan(context, live, grounds, asked),
        stage=stage,
        by=by,
        value=asked.get("value") or (grounds and start_of(held.brings, by, grounds)),
        bounds=bounds_of(by, grounds),
        ways={way: address_of(stage=stage, by=way) for way in get_args(By)},
        capacity=capacity,
        trial=trial,
        fits=None if trial is None or trial.brings is None or not capacity else trial.brings.busiest / capacity,
        curve=_curve(cards, trial, grounds, capacity),
        rows=_rows(grounds),
        links=_links(trial),
        reasons=REASONS,
        changes=[_described(change, live, context) for change in history],
        published=asked.get("published") == "1",
        digest=live.model.digest,
        days=live.target.horizon_days,
    )


def grounds_of(live: ServedModel) -> ThresholdEvidence | None:
    """What the thresholds of a model rest on; None when it was kept with none."""
    try:
        return live.grounds
    except DataError:
        return None


def trial_of(
    grounds: ThresholdEvidence, stage: str, by: By, value: float, live: ServedModel, context: PageContext
) -> Trial:
    """What a wish comes to. Raises Refused for a value that cannot be."""
    try:
        made = wished(grounds, stage, by, value)
    except UsageError:
        raise Refused("invalid", "a value that cannot be wished for") from None
    begins = value / 100 if made is None else made.probability
    effect = None if begins is None else brings(grounds, begins)
    said = "" if made is None else sentence(made, live.target.horizon_days, context.language)
    return Trial(stage, by, value, effect, made, said, _chain(live, begins, context))


def _card(
    threshold: Threshold,
    live: ServedModel,
    grounds: ThresholdEvidence | None,
    history: list[Change],
    context: PageContext,
) -> Card:
    if grounds is not None:
        threshold = grounds.with_arrivals(threshold)
    effect = brings(grounds, threshold.probability) if grounds and threshold.probability is not None else None
    mine = [one for one in history if one.stage == threshold.stage and one.model_digest == live.model.digest]
    change = next((one for one in live.effective_thresholds.changes if one.stage == threshold.stage), None)
    waiting = mine[0] if mine and mine[0].taken_up_at is None else None
    record = threshold.record
    periods = [] if record is None else [period for period in record.periods if period.selected]
    said = sentence(threshold, live.target.horizon_days, context.language)
    chain = _chain(live, threshold.probability, context)
    return Card(threshold, said, effect, change, waiting, periods, chain)


def _chain(live: ServedModel, begins: float | None, context: PageContext) -> Mapping[str, float]:
    """What the leads just above a threshold have before them; {} without a chain or a threshold."""
    if not live.chain or begins is None:
        return {}
    return context.services.store.chain_steps.above(live.target.name, begins)


def _described(change: Change, live: ServedModel, context: PageContext) -> tuple[Change, str, str]:
    """A change, what it says, and whether it waits, holds, was replaced, or ended with its model."""
    if change.threshold is None:
        said = context.t("thresholds.as_model")
    else:
        rule = change.threshold.rule
        kind = RULES.get(rule.kind, "share")
        said = context.t(f"thresholds.by_{kind}_told", value=_shown(rule, context.language))
    if change.model_digest != live.model.digest:
        return change, said, "ended"
    if change.taken_up_at is None:
        return change, said, "waits"
    return (
        change,
        said,
        "holds" if change.id in {active.id for active in live.effective_thresholds.changes} else "replaced",
    )


def _shown(rule: Rule, language: Language) -> str:
    return amount(rule.target, language) if isinstance(rule, CapacityRule) else short_percent(rule.target, language)


def _curve(
    cards: list[Card], trial: Trial | None, grounds: ThresholdEvidence | None, capacity: float | None
) -> Curve | None:
    if grounds is None:
        return None
    marks = {card.threshold.stage: card.brings for card in cards if card.brings}
    tried = {"trial": trial.brings} if trial and trial.brings else {}
    return curve_of(grounds.curve, {**marks, **tried}, capacity)


def _rows(grounds: ThresholdEvidence | None) -> list[CurveRow]:
    return [] if grounds is None else rows_of(grounds.curve)


def _links(trial: Trial | None) -> dict[By, str]:
    """A chance promises nothing: what it could promise, as addresses."""
    if trial is None or trial.brings is None or trial.by != "chance":
        return {}
    links: dict[By, str] = {}
    if trial.brings.low:
        links["share"] = address_of(stage=trial.stage, by="share", value=f"{int(1000 * trial.brings.low) / 10:g}")
    if trial.brings.leads >= LIMITS["week"][0]:
        links["week"] = address_of(stage=trial.stage, by="week", value=f"{trial.brings.leads:.1f}")
    return links


def _capacity(live: ServedModel, stage: str) -> float | None:
    """What sales can take, where the stage's promise says so."""
    held = live.effective_thresholds.thresholds
    return next(threshold.per_week for threshold in held if threshold.stage == stage)


routes = [
    Route("/thresholds", thresholds),
]
