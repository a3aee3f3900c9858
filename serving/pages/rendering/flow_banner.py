"""What stands over every page while data does not arrive as usual, or leads are no longer scored: what, since when."""

from __future__ import annotations

from collections.abc import Callable

from data.contract import US_PER_DAY
from features.dates import day
from features.numbers_in_words import Language
from serving.pages.rendering.texts import text
from serving.store.flow import FlowReport
from training.monitoring.source_alarms import Alarm

NAMED = {(): "everything", ("", "outcomes"): "outcomes", ("event log",): "event_log"}
"""Streams that are no names of somebody's sources or types."""
SCORING = ("scoring",)
MOST = 3
"""Alarms that are said; `leadscore monitor` has all."""


def flow_banner(flow: FlowReport, language: Language) -> str:
    """The sentences for a page, "" when all is well."""
    if not flow.red:
        return ""
    sentences = [_sentence(alarm, lambda key, **values: text(key, language, **values), language) for alarm in flow.red]
    return " ".join([*sentences[:MOST], text("layout.alarm_means", language)])


def _sentence(alarm: Alarm, say: Callable[..., str], language: Language) -> str:
    since = day(alarm.since * US_PER_DAY, language)
    if alarm.stream == SCORING:
        return say("layout.alarm_scoring", day=since)
    name = NAMED.get(alarm.stream)
    what = " / ".join(alarm.stream) if name is None else say(f"layout.alarm_{name}")
    return say(f"layout.alarm_{alarm.kind}", what=what, day=since)
