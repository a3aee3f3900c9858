"""What a training set holds and how it is made: a typed recipe, the same in JSON and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from data.contract import DataError
from data.log.watermarks import Lag, Unobserved
from data.own_functions import OwnFunction
from data.sources.mapping import BotRule
from data.typed_json import Json, from_json, to_json
from data.vocabulary import Vocabulary
from features.catalogue import from_json as catalogue_from
from features.catalogue import to_json as catalogue_to_json
from features.kinds import Definition
from features.labels import Target
from features.moments import MomentPolicy

FORMAT = 3


def _bots(values: Sequence[Mapping[str, Any]]) -> tuple[BotRule, ...]:
    return tuple(BotRule(**value) for value in values)


def _plain_bots(bots: Sequence[BotRule]) -> list[dict[str, Any]]:
    return [to_json(rule.model_dump()) for rule in bots]


def _own(values: Sequence[Mapping[str, str]]) -> tuple[OwnFunction, ...]:
    return tuple(OwnFunction(value["name"], value["sha256"]) for value in values)


def _plain_own(own: Sequence[OwnFunction]) -> list[dict[str, str]]:
    return [{"name": function.name, "sha256": function.digest} for function in own]


Catalogue = Annotated[Sequence[Definition], Json(catalogue_from, catalogue_to_json)]
"""Definitions of features, as JSON see features/catalogue.py."""
Bots = Annotated[Sequence[BotRule], Json(_bots, _plain_bots)]
"""Rules that label a machine's events."""
OwnFeatures = Annotated[tuple[OwnFunction, ...], Json(_own, _plain_own)]
"""Functions by name and the sha256 of their files; the code is named by settings, and no artifact brings it."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training set holds, and the log's own words, which travel with the model.

    words: plain words of event types. bots: rules that label a machine's events. profile_columns: column -> kind.
    lags: sources that end before the others, which is said beside every score. observed_until: until when outcomes are
    complete, µs UTC; known_until: the time by whose knowledge they are judged, where that is later, else 0. unobserved:
    event types of which nothing is known any more from a time on; features of them are missing then. own: features that
    are functions of the user's own, see features/own_features.py.
    """

    log_digest: str
    observed_until: int
    vocabulary: Vocabulary
    catalogue: Catalogue
    target: Target
    policy: MomentPolicy
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    bots: Bots = ()
    profile_columns: Mapping[str, str] = field(default_factory=dict)
    lags: Annotated[tuple[Lag, ...], "sparse"] = ()
    unobserved: Annotated[tuple[Unobserved, ...], "sparse"] = ()
    known_until: Annotated[int, "sparse"] = 0
    own: Annotated[OwnFeatures, "sparse"] = ()

    def ending(self, at: int) -> Recipe:
        """The same as of a time (µs UTC): nothing that came later, and none of the silences that began later."""
        lags = tuple(lag for lag in self.lags if lag.until < at)
        unobserved = tuple(gone for gone in self.unobserved if gone.since < at)
        return replace(self, observed_until=at, known_until=0, lags=lags, unobserved=unobserved)

    def to_json(self) -> dict[str, Any]:
        """Plain values, the same for the same recipe."""
        return {"format": FORMAT, **to_json(self)}

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


def recipe_from(values: Mapping[str, Any]) -> Recipe:
    """Inverse of `Recipe.to_json`. Raises DataError with the key and value that do not fit, or for another format."""
    if values.get("format") != FORMAT:
        raise DataError(f"recipe.format is {values.get('format')!r}, this reads {FORMAT}")
    return from_json(Recipe, {key: value for key, value in values.items() if key != "format"}, "recipe")
