"""What has to be said beside every score of a model that learnt from too few conversions."""

from __future__ import annotations

from collections.abc import Mapping

from features.wording import Language, number
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


def model_warning(need: Need | None, language: Language = "en") -> str:
    """The sentence for a model that learnt from too few; "" without such a need.

    >>> model_warning(None)
    ''
    """
    if need is None:
        return ""
    converted, needed = (number(count, 0, language) for count in (need.converted, need.needed))
    return WORDS[language].format(converted=converted, needed=needed)
