"""What a threshold promises, in plain words, English and German."""

from __future__ import annotations

from features.dates import day
from features.numbers_in_words import Language, amount, chance, short_percent, span, within
from training.measuring.metrics import binomial_interval
from training.thresholds.replay import StageEntries
from training.thresholds.rule_types import CapacityRule, PrecisionRule, Record, ValueRule
from training.thresholds.threshold import Threshold

NO_RECORD = Record(0, 0, 0, "kept", None, ())

FROM = {
    "en": "{stage} begins at a probability of {probability}. ",
    "de": "{stage} beginnt bei einer Wahrscheinlichkeit von {probability}. ",
}
PROMISE = {
    ("precision", "en"): "Of the leads from there on, at least {target} convert {within}; "
    "this holds with {confidence} confidence as long as leads stay like those it was learnt from. ",
    ("precision", "de"): "Von den Leads ab dort konvertieren mindestens {target} {within}; "
    "das gilt mit {confidence} Sicherheit, solange die Leads denen gleichen, aus denen gelernt wurde. ",
    ("capacity", "en"): "The best leads go to sales: no more than {target} new ones a week, in nine weeks of ten. ",
    ("capacity", "de"): "Die besten Leads gehen an den Vertrieb: höchstens {target} neue pro Woche, in neun von zehn. ",
    ("value", "en"): "From there on a touch pays off on average when it costs {target} of what a win is worth. ",
    (
        "value",
        "de",
    ): "Ab dort lohnt sich ein Kontakt im Mittel, wenn er {target} dessen kostet, was ein Abschluss wert ist. ",
}
LABELS = {
    "en": "Of {labels} leads with known outcome, {selected} lay there and {converted} of them converted.",
    "de": "Von {labels} Leads mit bekanntem Ausgang lagen {selected} dort, {converted} davon konvertierten.",
}
EXPECT = {
    "en": f"Expect {{leads}} leads and {{wins}} wins a week. {LABELS['en']}",
    "de": f"Zu erwarten sind {{leads}} Leads und {{wins}} Abschlüsse pro Woche. {LABELS['de']}",
}
ARRIVE = {
    "en": "As the {weeks} weeks up to {until} went, {leads} leads a week come there for the first time ({least} to "
    "{busiest} in eight weeks of ten), and {wins} of them convert ({fewest} to {most_wins}); {returns} a week come "
    "back after falling below, and {stock} stand there. ",
    "de": "Wie die {weeks} Wochen bis {until} verliefen, kommen pro Woche {leads} Leads zum ersten Mal dorthin "
    "({least} bis {busiest} in acht von zehn Wochen), {wins} davon konvertieren ({fewest} bis {most_wins}); {returns} "
    "pro Woche kehren nach einem Abfall zurück, und {stock} stehen dort. ",
}
AT_ENTRY = {
    "en": "Of all {entered}, from the moment they came there, {entered_won} converted ({entry}, 95% interval). ",
    "de": "Von allen {entered} konvertierten, von da an gerechnet, {entered_won} ({entry}, 95-%-Intervall). ",
}
ANY_MOMENT = {
    "en": "The promise is about leads at any moment there: of {labels} with known outcome, {selected} lay there and "
    "{converted} converted.",
    "de": "Das Versprechen gilt für Leads in jedem Moment dort: Von {labels} mit bekanntem Ausgang lagen {selected} "
    "dort, {converted} konvertierten.",
}
REFUSAL = {
    ("precision", "en"): "There is no {stage} threshold: {labels} leads with known outcome are not enough evidence "
    "that {target} convert {within}, at {confidence} confidence. ",
    ("precision", "de"): "Es gibt keine Schwelle für {stage}: {labels} Leads mit bekanntem Ausgang belegen nicht, "
    "dass {target} {within} konvertieren, bei {confidence} Sicherheit. ",
    ("capacity", "en"): "There is no {stage} threshold: more than {target} leads a week share the highest probability.",
    ("capacity", "de"): "Es gibt keine Schwelle für {stage}: "
    "Mehr als {target} Leads pro Woche teilen sich die höchste Wahrscheinlichkeit.",
}
MIX = {
    "en": "No more than {most} leads a week come up there. ",
    "de": "Dort kommen höchstens {most} Leads pro Woche zusammen. ",
}
MIX_REFUSAL = {
    "en": "There is no {stage} threshold above which {target} are proven to convert {within} "
    "and no more than {most} leads a week come up.",
    "de": "Es gibt keine Schwelle für {stage}, ab der {target} belegt {within} konvertieren "
    "und höchstens {most} Leads pro Woche zusammenkommen.",
}
PROFIT = {
    "en": " At {win} a win and {touch} a touch they earn {profit} a week (95% interval {low} to {high}).",
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
    "en": "The promise for {stage}, that {target} convert {within}, is withdrawn: the newest leads broke it, "
    "and the {recent} newest labels do not prove it anew. Promise less, or train again when more are known.",
    "de": "Das Versprechen für {stage}, dass {target} {within} konvertieren, ist zurückgezogen: Die "
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
    >>> print(sentence(capacity, days=90)[:98])
    SQL begins at a probability of 31 of 100. The best leads go to sales: no more than 40 new ones a w
    """
    rule = threshold.rule
    written = amount if isinstance(rule, CapacityRule) else short_percent
    words = {
        "stage": threshold.stage,
        "within": within(days, language),
        "target": written(rule.target, language),
        "confidence": short_percent(threshold.confidence or 0.0, language),
        "probability": chance(threshold.probability or 0.0, language),
        "leads": amount(threshold.leads_per_week, language),
        "wins": amount(threshold.wins_per_week, language),
        "labels": amount(threshold.labels, language),
        "selected": amount(threshold.selected, language),
        "converted": amount(threshold.converted, language),
        "missing": amount(threshold.missing_labels or 0, language),
        "most": amount(threshold.per_week or 0.0, language),
        **_money(threshold, language),
        **_weeks(threshold.arrivals, language),
        **_history(threshold, language),
    }
    return _text(threshold, language).format(**words)


def _money(threshold: Threshold, language: Language) -> dict[str, str]:
    rule = threshold.rule if isinstance(threshold.rule, ValueRule) else ValueRule(0.0)
    sums = (rule.win or 0.0, rule.touch or 0.0, *(threshold.profit_per_week or (0.0, 0.0, 0.0)))
    names = ("win", "touch", "profit", "low", "high")
    return {name: amount(money, language) for name, money in zip(names, sums, strict=True)}


def _weeks(arrivals: StageEntries | None, language: Language) -> dict[str, str]:
    if arrivals is None:
        return {}
    share = arrivals.converted / max(arrivals.entered, 1)
    low, high = binomial_interval(share, max(arrivals.entered, 1)).tolist()
    amounts = {
        "weeks": arrivals.weeks,
        "least": arrivals.entries.low,
        "busiest": arrivals.entries.high,
        "fewest": arrivals.wins.low,
        "most_wins": arrivals.wins.high,
        "returns": arrivals.returns.mean,
        "stock": arrivals.stock.mean,
        "entered": arrivals.entered,
        "entered_won": arrivals.converted,
    }
    amounts_in_words = {name: amount(value, language) for name, value in amounts.items()}
    return {**amounts_in_words, "entry": span(low, high, language), "until": day(arrivals.until, language)}


def _history(threshold: Threshold, language: Language) -> dict[str, str]:
    record = threshold.record or NO_RECORD
    counts = {"kept": record.kept, "broken": record.broken, "of": record.of, "recent": record.recent_labels or 0}
    return {name: amount(count, language) for name, count in counts.items()}


def _expected(threshold: Threshold, language: Language) -> str:
    if threshold.arrivals is None:
        return EXPECT[language]
    entry = AT_ENTRY[language] if threshold.arrivals.entered else ""
    any_moment = ANY_MOMENT if threshold.rule.kind == "precision" else LABELS
    return ARRIVE[language] + entry + any_moment[language]


def _text(threshold: Threshold, language: Language) -> str:
    record, kind = threshold.record or NO_RECORD, threshold.rule.kind
    is_mix = isinstance(threshold.rule, PrecisionRule) and threshold.rule.per_week is not None
    if threshold.probability is not None:
        mix = MIX[language] if is_mix else ""
        profit = PROFIT[language] if threshold.profit_per_week is not None else ""
        past = RECORD[language] if record.of else ""
        widened = WIDENED[language] if record.action == "widened" else ""
        return FROM[language] + PROMISE[kind, language] + mix + _expected(threshold, language) + profit + past + widened
    if record.action == "withdrawn":
        return WITHDRAWN[language]
    if is_mix and threshold.missing_labels is None:
        return MIX_REFUSAL[language]
    if kind != "precision":
        return REFUSAL[kind, language]
    return REFUSAL["precision", language] + REMEDY[language][threshold.missing_labels is None]
