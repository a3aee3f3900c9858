"""What a threshold promises, in plain words, English and German."""

from __future__ import annotations

from typing import Literal

from training.thresholds.rules import CapacityRule, PrecisionRule, Record, ValueRule
from training.thresholds.threshold import Threshold

Language = Literal["en", "de"]
NO_RECORD = Record(0, 0, 0, "kept", None, ())

FROM = {
    "en": "{stage} begins at a probability of {probability}. ",
    "de": "{stage} beginnt bei einer Wahrscheinlichkeit von {probability}. ",
}
PROMISE = {
    ("precision", "en"): "Of the leads from there on, at least {target} convert within {days} days; "
    "this holds with {confidence} confidence as long as leads stay like those it was learnt from. ",
    ("precision", "de"): "Von den Leads ab dort konvertieren mindestens {target} innerhalb von {days} Tagen; "
    "das gilt mit {confidence} Sicherheit, solange die Leads denen gleichen, aus denen gelernt wurde. ",
    ("capacity", "en"): "The best leads go to sales, on average no more than {target} a week. ",
    ("capacity", "de"): "Die besten Leads gehen an den Vertrieb, im Mittel höchstens {target} pro Woche. ",
    ("value", "en"): "From there on a touch pays off on average when it costs {target} of what a win is worth. ",
    (
        "value",
        "de",
    ): "Ab dort lohnt sich ein Kontakt im Mittel, wenn er {target} dessen kostet, was ein Abschluss wert ist. ",
}
EXPECT = {
    "en": "Expect {leads} leads and {wins} wins a week. "
    "Of {labels} leads with known outcome, {selected} lay there and {converted} of them converted.",
    "de": "Zu erwarten sind {leads} Leads und {wins} Abschlüsse pro Woche. "
    "Von {labels} Leads mit bekanntem Ausgang lagen {selected} dort, {converted} davon konvertierten.",
}
REFUSAL = {
    ("precision", "en"): "There is no {stage} threshold: {labels} leads with known outcome are not enough evidence "
    "that {target} convert within {days} days, at {confidence} confidence. ",
    ("precision", "de"): "Es gibt keine Schwelle für {stage}: {labels} Leads mit bekanntem Ausgang belegen nicht, "
    "dass {target} innerhalb von {days} Tagen konvertieren, bei {confidence} Sicherheit. ",
    ("capacity", "en"): "There is no {stage} threshold: more than {target} leads a week share the highest probability.",
    ("capacity", "de"): "Es gibt keine Schwelle für {stage}: "
    "Mehr als {target} Leads pro Woche teilen sich die höchste Wahrscheinlichkeit.",
}
MIX = {
    "en": "No more than {most} leads a week come up there. ",
    "de": "Dort kommen höchstens {most} Leads pro Woche zusammen. ",
}
MIX_REFUSAL = {
    "en": "There is no {stage} threshold above which {target} are proven to convert within {days} days "
    "and no more than {most} leads a week come up.",
    "de": "Es gibt keine Schwelle für {stage}, ab der {target} belegt innerhalb von {days} Tagen konvertieren "
    "und höchstens {most} Leads pro Woche zusammenkommen.",
}
PROFIT = {
    "en": " At {win} a win and {touch} a touch they earn {profit} a week (95 % interval {low} to {high}).",
    "de": " Bei {win} je Abschluss und {touch} je Kontakt bringen sie {profit} pro Woche "
    "(95-%-Intervall {low} bis {high}).",
}
RECORD = {
    "en": " Made at earlier dates, it was kept in {kept} of {of} periods that followed; in {broken} of them fewer "
    "converted than chance explains.",
    "de": " Zu früheren Zeitpunkten gegeben, wurde es in {kept} von {of} folgenden Zeiträumen erfüllt; in {broken} "
    "konvertierten weniger, als Zufall erklärt.",
}
WIDENED = {
    "en": " It rests on the newest labels alone, because drift broke what all of them said.",
    "de": " Es beruht nur auf den neuesten Ergebnissen, weil eine Verschiebung die Aussage aller gebrochen hat.",
}
WITHDRAWN = {
    "en": "The promise for {stage}, that {target} convert within {days} days, is withdrawn: the newest leads broke it, "
    "and the {recent} newest labels do not prove it anew. Promise less, or train again when more are known.",
    "de": "Das Versprechen für {stage}, dass {target} innerhalb von {days} Tagen konvertieren, ist zurückgezogen: Die "
    "jüngsten Leads haben es gebrochen, und die {recent} neuesten Ergebnisse belegen es nicht neu. Weniger versprechen "
    "oder später neu trainieren.",
}
REMEDY = {
    "en": ("At the precision seen so far it takes about {missing} more.", "Promise less, or improve the model."),
    "de": (
        "Bei der bisher gesehenen Trefferquote fehlen etwa {missing}.",
        "Weniger versprechen oder das Modell verbessern.",
    ),
}


def sentence(threshold: Threshold, days: int, language: Language = "en") -> str:
    """The promise of a threshold, or why there is none; `days` is the horizon of the target.

    >>> capacity = Threshold("SQL", CapacityRule(40), 0.312, 900, 90, 35, 38.0, 14.2)
    >>> print(sentence(capacity, days=90)[:95])
    SQL begins at a probability of 31.2 %. The best leads go to sales, on average no more than 40 a
    """
    rule = threshold.rule
    target = (_number if isinstance(rule, CapacityRule) else _percent)(rule.target, language)
    words = {
        "stage": threshold.stage,
        "days": str(days),
        "target": target,
        "confidence": _percent(threshold.confidence or 0.0, language),
        "probability": _percent(threshold.probability or 0.0, language),
        "leads": _number(threshold.leads_per_week, language),
        "wins": _number(threshold.wins_per_week, language),
        "labels": _number(threshold.labels, language),
        "selected": _number(threshold.selected, language),
        "converted": _number(threshold.converted, language),
        "missing": _number(threshold.missing_labels or 0, language),
        "most": _number(threshold.per_week or 0.0, language),
        **_money(threshold, language),
        **_history(threshold, language),
    }
    return _text(threshold, language).format(**words)


def _money(threshold: Threshold, language: Language) -> dict[str, str]:
    rule = threshold.rule if isinstance(threshold.rule, ValueRule) else ValueRule(0.0)
    amounts = (rule.win or 0.0, rule.touch or 0.0, *(threshold.profit_per_week or (0.0, 0.0, 0.0)))
    names = ("win", "touch", "profit", "low", "high")
    return {name: _number(amount, language) for name, amount in zip(names, amounts, strict=True)}


def _history(threshold: Threshold, language: Language) -> dict[str, str]:
    record = threshold.record or NO_RECORD
    counts = {"kept": record.kept, "broken": record.broken, "of": record.of, "recent": record.recent_labels or 0}
    return {name: _number(count, language) for name, count in counts.items()}


def _text(threshold: Threshold, language: Language) -> str:
    record, kind = threshold.record or NO_RECORD, threshold.rule.kind
    is_mix = isinstance(threshold.rule, PrecisionRule) and threshold.rule.per_week is not None
    if threshold.probability is not None:
        mix = MIX[language] if is_mix else ""
        profit = PROFIT[language] if threshold.profit_per_week is not None else ""
        past = RECORD[language] if record.of else ""
        widened = WIDENED[language] if record.action == "widened" else ""
        return FROM[language] + PROMISE[kind, language] + mix + EXPECT[language] + profit + past + widened
    if record.action == "withdrawn":
        return WITHDRAWN[language]
    if is_mix and threshold.missing_labels is None:
        return MIX_REFUSAL[language]
    if kind != "precision":
        return REFUSAL[kind, language]
    return REFUSAL["precision", language] + REMEDY[language][threshold.missing_labels is None]


def _percent(share: float, language: Language) -> str:
    return f"{_localised(f'{100 * share:.3g}' if share < 0.999 else f'{100 * share:.4g}', language)} %"


def _number(value: float, language: Language) -> str:
    return _localised(f"{value:,.1f}" if value < 10 and value != int(value) else f"{value:,.0f}", language)


def _localised(text: str, language: Language) -> str:
    return text.translate(str.maketrans(",.", ".,")) if language == "de" else text
