"""What has to be said beside every score of a model that learnt from too few conversions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.words import Language

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


def model_warning(about: Mapping[str, Any], language: Language = "en") -> str:
    """The sentence for a model; "" for one that had enough. about: the content of its model.json.

    >>> model_warning({"trained_on": {}})
    ''
    """
    need = about["trained_on"].get("small")
    return WORDS[language].format_map(need) if need else ""
