"""Settings as MLflow takes parameters: flat, with keys of the letters that it allows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from data.typed_json import JsonValue


def flat(values: Mapping[str, JsonValue], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted MLflow parameters.

    >>> flat({"training": {"folds": 5}})
    {'training.folds': '5'}
    """
    parameters: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            parameters |= flat(value, f"{prefix}{mlflow_key(key)}.")
        else:
            parameters[f"{prefix}{mlflow_key(key)}"] = (value if isinstance(value, str) else json.dumps(value))[:500]
    return parameters


def mlflow_key(name: str) -> str:
    """A name as MLflow takes it as a part of a key: what it does not take is written as its code point.

    >>> mlflow_key("max_rounds"), mlflow_key("Umsatz, EUR"), mlflow_key("../a")
    ('max_rounds', 'Umsatz-2c- EUR', '..-2f-a')
    """
    return re.sub(r"[^\w. -]", lambda letter: f"-{ord(letter[0]):x}-", name)
