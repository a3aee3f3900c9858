"""The default set of features for a vocabulary, and its compiled form as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, get_args, get_type_hints

from data.contract import UsageError
from data.histories import Named
from data.vocabulary import ANY, NAMING, Vocabulary
from features.kinds import (
    KINDS,
    ActiveDays,
    Age,
    Cadence,
    ColleagueRecency,
    Colleagues,
    ColleaguesActive,
    ColleagueSpread,
    Count,
    Decayed,
    Definition,
    DistinctTypes,
    FirstTouch,
    IgnoredInRow,
    Kind,
    LastTouch,
    Max,
    Mean,
    Profile,
    ProfileNumber,
    Recency,
    Sessions,
    Sum,
    Trend,
)

CONTACT, ANSWER = "contact", "answer"
SENIORITY = "seniority"
SENIOR = (SENIORITY, "category")
"""The profile column whose spread among colleagues is looked at."""


def default_catalogue(
    vocabulary: Vocabulary, profile_columns: Mapping[str, Kind], hidden: Sequence[str] = ()
) -> list[Definition]:
    """About a hundred features for a vocabulary: what happened, how often, how lately, to whom.

    `hidden` event types (outcomes of the target) get no column of their own.

    >>> words = Vocabulary(("page_view",), {})
    >>> [definition.name for definition in default_catalogue(words, {"industry": "category"})][:3]
    ['count_any_1d', 'count_any_7d', 'count_any_30d']
    """
    types = [name for name in vocabulary.types if name not in hidden]
    groups = [
        name for name, members in vocabulary.groups.items() if len(members) > 1 and not set(members) & set(hidden)
    ]
    chosen: list[Definition] = [
        *(Count(ANY, days) for days in (1, 7, 30, 90, None)),
        *(Count(group, days) for group in groups for days in (7, 30, None)),
        *(Count(name, days) for name in types for days in (30, None)),
        *(Recency(events) for events in (ANY, *groups)),
        *(Decayed(events, 7) for events in (ANY, *groups)),
        *(Decayed(ANY, days) for days in (1, 30)),
        *(Trend(ANY, short, long) for short, long in ((7, 30), (30, 90))),
        *(ActiveDays(ANY, days) for days in (7, 30, None)),
        *(Sessions(ANY, days) for days in (30, None)),
        *(DistinctTypes(days) for days in (30, None)),
        Cadence(ANY),
        Age(),
        Sum(ANY, 90),
        Sum(ANY),
        Mean(ANY),
        Max(ANY),
        FirstTouch("channel"),
        LastTouch("channel"),
        FirstTouch("event_type"),
        LastTouch("event_type"),
    ]
    if CONTACT in vocabulary.groups and ANSWER in vocabulary.groups:
        chosen.append(IgnoredInRow(CONTACT, ANSWER))
    return chosen + [
        Profile(column) if kind == "category" else ProfileNumber(column) for column, kind in profile_columns.items()
    ]


def company_catalogue(
    vocabulary: Vocabulary, profile_columns: Mapping[str, Kind], hidden: Sequence[str] = ()
) -> list[Definition]:
    """What may be known of a lead's colleagues: how many, what they do, how their deals ended, how senior they are.

    `hidden` event types are the outcomes of the target: a lead's own tell what is to be predicted, colleagues' do not.

    >>> words = Vocabulary(("page_view", "deal_won"), {})
    >>> [definition.name for definition in company_catalogue(words, {}, ["deal_won"])][-2:]
    ['colleagues_active_deal_won_90d', 'colleagues_active_deal_won_ever']
    """
    groups = [name for name, members in vocabulary.groups.items() if not set(members) & set(hidden)]
    outcomes = [name for name in vocabulary.types if name in hidden]
    return [
        Colleagues(),
        *(ColleagueSpread(SENIORITY) for column, kind in profile_columns.items() if (column, kind) == SENIOR),
        *(ColleaguesActive(ANY, days) for days in (7, 30, None)),
        *(ColleaguesActive(group, 30) for group in groups),
        *(ColleagueRecency(events) for events in (ANY, *groups)),
        *(ColleaguesActive(name, days) for name in outcomes for days in (90, None)),
    ]


def campaign_catalogue(naming: Sequence[Named]) -> list[Definition]:
    """What may be known of the campaigns or assets that events name: how many such events, how lately, which was first
    and last.

    >>> [definition.name for definition in campaign_catalogue(["asset"])][-2:]
    ['first_touch_asset_any_asset', 'last_touch_asset_any_asset']
    """
    chosen: list[Definition] = []
    for group, of in NAMING.items():
        if of in naming:
            chosen += [*(Count(group, days) for days in (30, None)), Recency(group)]
            chosen += [FirstTouch(of, group), LastTouch(of, group)]
    return chosen


def to_json(catalogue: Sequence[Definition]) -> list[dict[str, Any]]:
    """The catalogue as plain values; it travels with the model.

    >>> to_json([Count("page_view", 7)])
    [{'feature': 'Count', 'events': 'page_view', 'days': 7}]
    """
    return [{"feature": type(definition).__name__, **asdict(definition)} for definition in catalogue]


def from_json(items: Sequence[Mapping[str, Any]]) -> list[Definition]:
    """Inverse of `to_json`. Raises UsageError for a feature, field or value that does not exist.

    >>> from_json([{"feature": "Count", "events": "page_view", "days": 7}])
    [Count(events='page_view', days=7)]
    """
    return [_definition(dict(item)) for item in items]


def _definition(item: dict[str, Any]) -> Definition:
    name = item.pop("feature", None)
    kinds = {kind.__name__: kind for kind in KINDS}
    kind = kinds.get(str(name))
    if kind is None:
        raise UsageError(f"feature {name!r} is of no known kind; known are {', '.join(sorted(kinds))}")
    types = get_type_hints(kind)
    hints = {field.name: types[field.name] for field in fields(kind)}
    for key, value in item.items():
        if key not in hints:
            raise UsageError(f"feature {name} has no field {key!r}; it has {', '.join(hints) or 'none'}")
        if not _fits(value, hints[key]):
            raise UsageError(f"feature {name}: {key} = {value!r} must be {_types_in_words(hints[key])}")
    try:
        return kind(**item)
    except TypeError as error:
        raise UsageError(f"feature {name} lacks a field: {error}") from None


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of a field's type: a class, a union of classes, or one of some words."""
    options = get_args(hint) or (hint,)
    return any(value == option if isinstance(option, str) else type(value) is option for option in options)


def _types_in_words(hint: Any) -> str:
    names = {str: "a text", int: "a whole number", type(None): "nothing"}
    return " or ".join(names.get(option, repr(option)) for option in get_args(hint) or (hint,))
