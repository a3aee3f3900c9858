"""What a log's mappings said of it: its vocabulary in plain words, its profile columns, its rules for bots."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Table
from dataclasses import dataclass, field, replace

from data.contract import ColumnKind, UsageError
from data.sources.mapping import BotRule, Mapping
from data.vocabulary import Vocabulary


@dataclass(frozen=True)
class LogVocabulary:
    """What the mappings said: vocabulary, plain words, profile columns (`category` or `number`), bot rules."""

    types: tuple[str, ...] = ()
    groups: Table[str, tuple[str, ...]] = field(default_factory=dict)
    words: Table[str, dict[str, str]] = field(default_factory=dict)
    profile_columns: Table[str, ColumnKind] = field(default_factory=dict)
    bots: tuple[BotRule, ...] = ()

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.types, dict(self.groups))

    def and_those_of(self, mapping: Mapping) -> LogVocabulary:
        """Types in the order first seen, members of groups united, the newer words and rules on top.

        Raises UsageError where a profile column changes from category to number, or back.
        """
        profile = mapping.profile
        self._check_kinds(mapping, profile)
        groups = {
            name: tuple(dict.fromkeys((*self.groups.get(name, ()), *mapping.groups.get(name, ()))))
            for name in dict.fromkeys((*self.groups, *mapping.groups))
        }
        return LogVocabulary(
            tuple(dict.fromkeys((*self.types, *mapping.event_types))),
            groups,
            {**self.words, **mapping.words},
            {**self.profile_columns, **profile},
            tuple({rule.name: rule for rule in (*self.bots, *mapping.bots)}.values()),
        )

    def without_types(self, types: Collection[str]) -> LogVocabulary:
        """Without event types that nobody tells of any more; a group without types is none."""
        groups = {name: tuple(kind for kind in of if kind not in types) for name, of in self.groups.items()}
        return replace(
            self,
            types=tuple(kind for kind in self.types if kind not in types),
            groups={name: of for name, of in groups.items() if of},
        )

    def _check_kinds(self, mapping: Mapping, profile: Table[str, ColumnKind]) -> None:
        for name, kind in profile.items():
            known = self.profile_columns.get(name, kind)
            if known != kind:
                raise UsageError(
                    f"mapping {mapping.name}: column {name!r} is a {kind} here and a {known} in the log; rename it"
                )
