"""What an exported list tells of each lead: the columns of the list and what stands behind them, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from serving.messages.schemas import ThresholdUsed
from serving.pages.leads.leads import Line, line_of
from serving.pages.rendering.numbers import number, percent
from serving.pages.rendering.page_context import Visit
from serving.pages.rendering.templates import visible
from serving.pages.rendering.texts import known
from serving.scoring.served_model import ServedModel
from serving.store.leads.worklist import Entry
from serving.store.leads.worklist_query import Wanted
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
    value: Callable[[Line], Value]


def rows(columns: Sequence[Column], wanted: Wanted, live: ServedModel, visit: Visit) -> Iterator[list[Row]]:
    """The leads of a list, some at a time, each as its values by column."""
    values = [each.value for each in columns]
    for entries in visit.services.store.worklist.walk(wanted):
        lines = [line_of(each, live, visit) for each in entries]
        yield [[value(line) for value in values] for line in lines]


def columns_of(live: ServedModel, visit: Visit) -> list[Column]:
    """The columns in the visitor's language. No text holds a character that cannot be seen."""
    return [*_standing(live, visit), *_outlook(visit), *_origin(live, visit)]


def _standing(live: ServedModel, visit: Visit) -> list[Column]:
    """Who it is and how likely it buys."""
    t, stage = visit.t, _stage(visit)
    return [
        Column(t("leads.lead"), "text", 16, lambda line: visible(line.lead.lead_id)),
        Column(t("leads.stage"), "text", 12, lambda line: stage(line.lead.stage)),
        Column(t("exports.by_hand"), "text", 12, _marked(visit, lambda lead: lead.override is not None)),
        Column(t("leads.chance", days=live.target.horizon_days), "share", 14, lambda line: line.lead.probability),
        Column(t("exports.low"), "share", 12, lambda line: line.lead.low),
        Column(t("exports.high"), "share", 12, lambda line: line.lead.high),
        Column(t("exports.before"), "share", 12, lambda line: line.lead.before),
    ]


def _outlook(visit: Visit) -> list[Column]:
    """Why, and what it did and heard of us."""
    t = visit.t
    return [
        Column(t("leads.view_rising"), "text", 11, _marked(visit, lambda lead: bool(lead.rising))),
        Column(t("leads.reason"), "text", 48, lambda line: visible(line.reason)),
        Column(t("exports.fit"), "count", 14, lambda line: None if line.lead.fit is None else line.fit),
        Column(t("exports.engagement"), "count", 14, lambda line: None if line.lead.fit is None else line.engagement),
        Column(t("exports.activity"), "time", 18, lambda line: line.lead.active_at),
        Column(t("exports.contacts"), "count", 14, lambda line: line.lead.contacts),
        Column(t("exports.ignored"), "count", 14, lambda line: line.lead.ignored),
        Column(t("leads.view_pressed"), "text", 12, _marked(visit, lambda lead: bool(lead.pressed))),
    ]


def _origin(live: ServedModel, visit: Visit) -> list[Column]:
    """Whence it came, whose it is, and what the score rests on."""
    t, begins = visit.t, {each.stage: _threshold(each, visit) for each in live.thresholds}

    def threshold(line: Line) -> str:
        by_this_model = line.lead.model_version == live.model.version and line.lead.override is None
        return begins.get(line.lead.stage, "") if by_this_model else ""

    return [
        Column(t("leads.channel"), "text", 14, lambda line: visible(line.lead.channel or "")),
        Column(t("leads.country"), "text", 10, lambda line: visible(line.lead.country or "")),
        Column(t("leads.owner"), "text", 14, lambda line: visible(line.lead.owner or "")),
        Column(t("exports.threshold"), "text", 34, threshold),
        Column(t("exports.as_of"), "time", 18, lambda line: line.lead.as_of),
        Column(t("exports.model"), "text", 8, lambda line: visible(line.lead.model_version or "")),
        *_caution(live, visit),
    ]


def _caution(live: ServedModel, visit: Visit) -> list[Column]:
    """What is to be borne in mind beside each score, where there is something."""
    said = model_warning(live.predictor.manifest.trained_on.small, visit.language)
    name = visit.t("exports.caution")
    return [Column(name, "text", 48, lambda line: "" if line.lead.probability is None else said)] if said else []


def _stage(visit: Visit) -> Callable[[str], str]:
    words: dict[str, str] = {}

    def word(stage: str) -> str:
        if stage not in words:
            words[stage] = visible(known(f"stages.{stage}", visit.language, stage))
        return words[stage]

    return word


def _marked(visit: Visit, holds: Callable[[Entry], bool]) -> Callable[[Line], str]:
    yes = visit.t("exports.yes")
    return lambda line: yes if holds(line.lead) else ""


def _threshold(each: ThresholdUsed, visit: Visit) -> str:
    """Where a stage begins and what that promises, in a few words."""
    if each.probability is None:
        return ""
    share, amount = percent(each.target, visit.language), number(each.target, 0, visit.language)
    promises: Mapping[str, str] = {
        "precision": visit.t("exports.precision", share=share),
        "capacity": visit.t("exports.capacity", amount=amount),
        "value": visit.t("exports.value"),
    }
    stage, least = (
        known(f"stages.{each.stage}", visit.language, each.stage),
        percent(each.probability, visit.language, 1),
    )
    return visible(visit.t("exports.begins", stage=stage, least=least, promise=promises.get(each.rule, each.rule)))
