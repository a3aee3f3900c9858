"""What an exported list tells of each lead: the columns of the list and what stands behind them, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from data.hidden_signs import visible
from features.numbers_in_words import amount, percent, short_percent
from serving.messages.schemas import ThresholdUsed
from serving.pages.leads.leads import LeadLine, line_of
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.texts import known
from serving.scoring.served_model import ServedModel
from serving.store.leads.worklist_entry import WorklistEntry
from serving.store.leads.worklist_query import WantedLeads
from training.thresholds.model_warning import model_warning

Kind = Literal["text", "count", "share", "time"]
Value = str | int | float | None
Row = list[Value]


@dataclass(frozen=True)
class Column:
    """A column by its heading. kind: text; count, a whole number; share, from 0 to 1; time, µs UTC. width: in signs."""

    name: str
    kind: Kind
    width: int
    value: Callable[[LeadLine], Value]


def rows(
    columns: Sequence[Column], wanted: WantedLeads, live: ServedModel, context: PageContext
) -> Iterator[list[Row]]:
    """The leads of a list, some at a time, each as its values by column."""
    values = [column.value for column in columns]
    for entries in context.services.store.worklist.walk(wanted):
        lines = [line_of(entry, live, context) for entry in entries]
        yield [[value(line) for value in values] for line in lines]


def columns_of(live: ServedModel, context: PageContext) -> list[Column]:
    """The columns in the visitor's language. No text holds a character that cannot be seen."""
    return [*_standing(live, context), *_outlook(context), *_origin(live, context)]


def _standing(live: ServedModel, context: PageContext) -> list[Column]:
    """Who it is and how likely it buys."""
    t, stage = context.t, _stage(context)
    return [
        Column(t("leads.lead"), "text", 16, lambda line: visible(line.lead.lead_id)),
        Column(t("leads.stage"), "text", 12, lambda line: stage(line.lead.stage)),
        Column(t("exports.by_hand"), "text", 12, _marked(context, lambda lead: lead.override is not None)),
        Column(t("leads.chance", days=live.target.horizon_days), "share", 14, lambda line: line.lead.probability),
        Column(t("exports.low"), "share", 12, lambda line: line.lead.low),
        Column(t("exports.high"), "share", 12, lambda line: line.lead.high),
        Column(t("exports.before"), "share", 12, lambda line: line.lead.before),
        *(_step(name, context) for name in live.chain if name != live.target.name),
    ]


def _step(name: str, context: PageContext) -> Column:
    """A step of the chain of targets beside the one that scores."""
    return Column(
        known(f"targets.{name}", context.language, name.replace("_", " ")),
        "share",
        14,
        lambda line: line.chain.get(name),
    )


def _outlook(context: PageContext) -> list[Column]:
    """Why, and what it did and heard of us."""
    t = context.t
    return [
        Column(t("leads.view_rising"), "text", 11, _marked(context, lambda lead: bool(lead.rising))),
        Column(t("leads.reason"), "text", 48, lambda line: visible(line.reason)),
        Column(t("exports.fit"), "count", 14, lambda line: None if line.lead.fit is None else line.fit),
        Column(t("exports.engagement"), "count", 14, lambda line: None if line.lead.fit is None else line.engagement),
        Column(t("exports.activity"), "time", 18, lambda line: line.lead.active_at),
        Column(t("exports.contacts"), "count", 14, lambda line: line.lead.contacts),
        Column(t("exports.ignored"), "count", 14, lambda line: line.lead.ignored),
        Column(t("leads.view_pressed"), "text", 12, _marked(context, lambda lead: bool(lead.pressed))),
    ]


def _origin(live: ServedModel, context: PageContext) -> list[Column]:
    """Whence it came, whose it is, and what the score rests on."""
    t, begins = context.t, {threshold.stage: _threshold(threshold, context) for threshold in live.thresholds}

    def threshold(line: LeadLine) -> str:
        by_this_model = line.lead.model_version == live.model.version and line.lead.override is None
        return begins.get(line.lead.stage, "") if by_this_model else ""

    return [
        Column(t("leads.channel"), "text", 14, lambda line: visible(line.lead.channel or "")),
        Column(t("leads.country"), "text", 10, lambda line: visible(line.lead.country or "")),
        Column(t("leads.owner"), "text", 14, lambda line: visible(line.lead.owner or "")),
        Column(t("exports.threshold"), "text", 34, threshold),
        Column(t("exports.as_of"), "time", 18, lambda line: line.lead.as_of),
        Column(t("exports.model"), "text", 8, lambda line: visible(line.lead.model_version or "")),
        *_caution(live, context),
    ]


def _caution(live: ServedModel, context: PageContext) -> list[Column]:
    """What is to be borne in mind beside each score, where there is something."""
    said = model_warning(
        live.predictor.manifest.trained_on.small, context.language, live.predictor.manifest.trained_on.lags
    )
    name = context.t("exports.caution")
    return [Column(name, "text", 48, lambda line: "" if line.lead.probability is None else said)] if said else []


def _stage(context: PageContext) -> Callable[[str], str]:
    words: dict[str, str] = {}

    def word(stage: str) -> str:
        if stage not in words:
            words[stage] = visible(known(f"stages.{stage}", context.language, stage))
        return words[stage]

    return word


def _marked(context: PageContext, holds: Callable[[WorklistEntry], bool]) -> Callable[[LeadLine], str]:
    yes = context.t("exports.yes")
    return lambda line: yes if holds(line.lead) else ""


def _threshold(threshold: ThresholdUsed, context: PageContext) -> str:
    """Where a stage begins and what that promises, in a few words."""
    if threshold.probability is None:
        return ""
    share, leads = short_percent(threshold.target, context.language), amount(threshold.target, context.language)
    promises: Mapping[str, str] = {
        "precision": context.t("exports.precision", share=share),
        "capacity": context.t("exports.capacity", amount=leads),
        "value": context.t("exports.value"),
    }
    stage, least = (
        known(f"stages.{threshold.stage}", context.language, threshold.stage),
        percent(threshold.probability, 1, context.language),
    )
    return visible(
        context.t("exports.begins", stage=stage, least=least, promise=promises.get(threshold.rule, threshold.rule))
    )
