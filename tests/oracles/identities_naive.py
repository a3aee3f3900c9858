"""Aliases and full exports by plain loops, written from docs/mappings.md: who is who, and who is away."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

FAR = 2**62


@dataclass
class People:
    """periods: [alias, lead, from, until], FAR while it lasts. deletions: lead -> [from, until]."""

    periods: list[tuple[str, str, int, int]] = field(default_factory=list)
    deletions: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    full_export: int = -FAR

    def take(self, alias: str, lead: str, begin: int, end: int) -> None:
        """One row about an alias; of several periods that it touches the earliest decides."""
        if end <= begin:
            return
        self.periods.sort(key=lambda period: period[2])
        for place, (name, owner, since, until) in enumerate(self.periods):
            if name == alias and since < end and begin < until:
                if owner == lead and until == FAR and since < end < FAR:
                    self.periods[place] = (name, owner, since, end)
                return
        self.periods.append((alias, lead, begin, end))
        times = {time for period in self.periods for time in period[2:] if begin <= time < end}
        if any(self.owner(alias, time) is None for time in times):
            self.periods.pop()

    def owner(self, lead: str, at: int) -> str | None:
        """Whose a lead's events are at a time; None where that goes round in circles."""
        for _ in range(len(self.periods) + 1):
            following = [owner for alias, owner, since, until in self.periods if alias == lead and since <= at < until]
            if not following:
                return lead
            lead = following[0]
        return None

    def held(self, lead: str, begin: int, end: int) -> list[tuple[str, int, int]]:
        """Who has what was said of a lead from one time to another: lead, since, until."""
        edges = sorted({begin, *(time for period in self.periods for time in period[2:] if begin < time < end)})
        spans: list[tuple[str, int, int]] = []
        for since, until in zip(edges, [*edges[1:], end], strict=True):
            owner = self.owner(lead, since)
            assert owner is not None
            if spans and spans[-1][0] == owner:
                spans[-1] = (owner, spans[-1][1], until)
            else:
                spans.append((owner, since, until))
        return spans

    def export_all(self, present: Collection[str], known: Collection[str], at: int) -> None:
        """A full export: `known` are the leads of which any export has said something."""
        if at < self.full_export:
            return
        self.full_export = at
        for lead in sorted({*present, *known}):
            spans = self.deletions.setdefault(lead, [])
            is_gone = bool(spans) and spans[-1][1] == FAR
            if lead in present and is_gone:
                spans[-1] = (spans[-1][0], at)
            elif lead not in present and not is_gone and not self._is_merged(lead, at):
                spans.append((at, FAR))

    def _is_merged(self, lead: str, at: int) -> bool:
        return any(alias == lead and since <= at < until for alias, _, since, until in self.periods)

    def merged(self, lead: str) -> list[tuple[int, int]]:
        """When a lead was another."""
        return sorted((since, until) for alias, _, since, until in self.periods if alias == lead)
