"""What has to be said beside every score of a model that learnt from too few conversions, or from sources that lag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data.log.watermarks import Lag
from features.dates import day
from features.numbers_in_words import Language, number
from training.thresholds.minimum_labels import Need

WORDS: Mapping[Language, str] = {
    "en": (
        "Rough estimate: only {converted} leads had converted when the model was made, {needed} are needed. Until then "
        "a simple model stands in that stays near the average; differences between leads are worth little."
    ),
    "de": (
        "Grobe Schätzung: Erst {converted} Leads waren konvertiert, als das Modell entstand, nötig sind {needed}. Bis "
        "dahin hilft ein einfaches Modell aus, das nahe am Durchschnitt bleibt; Unterschiede zwischen Leads besagen "
        "wenig."
    ),
}
LAGS: Mapping[Language, str] = {
    "en": "The source {source} ended on {day}, before the others: what came of leads since then is not counted.",
    "de": "Die Quelle {source} endete am {day}, vor den anderen: Was danach aus Leads wurde, zählt nicht mit.",
}


def model_warning(need: Need | None, language: Language = "en", lags: Sequence[Lag] = ()) -> str:
    """The sentences for a model that learnt from too few, or from sources that lag; "" without either.

    >>> model_warning(None, "en", [Lag("crm", 0)])
    'The source crm ended on 1 Jan 1970, before the others: what came of leads since then is not counted.'
    """
    sentences = [LAGS[language].format(source=lag.source or "?", day=day(lag.until, language)) for lag in lags]
    if need is not None:
        converted, needed = (number(count, 0, language) for count in (need.converted, need.needed))
        sentences.insert(0, WORDS[language].format(converted=converted, needed=needed))
    return " ".join(sentences)
