"""The champions of a chain of targets as one: they are brought, tried and put in place together, or none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from serving.champion.artifact_cache import ArtifactCache, CachedArtifact
from serving.champion.artifact_sources import ArtifactSource


@dataclass(frozen=True)
class ChainSource:
    """steps: where the champion of each target comes from, in order; `target` is the one that scores."""

    target: str
    steps: Mapping[str, ArtifactSource]

    def mark(self) -> str | None:
        """All their marks; None while any target has no champion. Raises DataError."""
        marks = [source.mark() for source in self.steps.values()]
        return " ".join(filter(None, marks)) if all(marks) else None

    def bring(self, cache: ArtifactCache) -> CachedArtifact:
        """Puts all of them into the cache: the one of `target`, with the chain beside it. Raises DataError."""
        marks, copies = self.mark() or "", {name: source.bring(cache) for name, source in self.steps.items()}
        return replace(copies[self.target], mark=marks, chain=tuple(copies.values()))
