"""Fetches a registered model in a process of its own, because importing MLflow costs seconds and 150 MB.

As a program it takes WORKSPACE NAME ALIAS and prints a `Fetched` as JSON, null when there is none.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.contract import DataError, UsageError
from serving.champion.artifact_cache import ArtifactCache, CachedArtifact, Damaged
from serving.champion.child_process import output_of

if TYPE_CHECKING:
    from training.registry.registered import Registered

SECONDS = 300
NOT_NEEDED = ("pandas", "polars")
"""What MLflow imports only where it is there (`mlflow-skinny` comes without), and no question about an alias needs: a
quarter of what asking costs."""


@dataclass(frozen=True)
class Fetched:
    """A registered model. folder: its artifact on this machine. digest: as registered. run: the one that made it.
    made_at: when, µs UTC."""

    version: str
    folder: str
    digest: str
    run: str
    made_at: int = 0

    @staticmethod
    def of(version: Registered) -> Fetched:
        """A version of the registry's."""
        return Fetched(version.version, str(version.folder), version.digest, version.run_id, version.made_at)


def fetch(workspace: Path, name: str, alias: str) -> Fetched | None:
    """The model that an alias points at, None when it points nowhere. Raises DataError when the registry is away."""
    arguments = (str(workspace.resolve()), name, alias)
    answer = json.loads(output_of(__name__, *arguments, job="asking the model registry", seconds=SECONDS))
    return None if answer is None else Fetched(**answer)


def into_cache(fetched: Fetched | None, name: str, cache: ArtifactCache) -> CachedArtifact:
    """Copies what was fetched. Raises Damaged when it is not what was registered, DataError when there is nothing."""
    if fetched is None:
        raise DataError(f"there is no champion for {name!r} any more; run `leadscore train` first")
    copy = cache.take(Path(fetched.folder), name, fetched.version, fetched.version)
    if copy.digest != fetched.digest:
        cache.discard(copy)
        raise Damaged(f"model.json of version {fetched.version} is not the one that was registered; train again")
    return replace(copy, run=fetched.run, made_at=fetched.made_at)


def main(workspace: str, name: str, alias: str) -> int:
    """Asks the registry; the reason of a failure is the last line on standard error."""
    from training.registry.registry import Registry

    try:
        version = Registry(Path(workspace)).find(name, alias)
    except (DataError, UsageError) as error:
        print(error, file=sys.stderr)  # noqa: T201 -- read by `fetch`
        return 1
    if version is None:
        print("null")  # noqa: T201 -- read by `fetch`
        return 0
    print(json.dumps(asdict(Fetched.of(version))))  # noqa: T201 -- read by `fetch`
    return 0


if __name__ == "__main__":
    sys.modules.update(dict.fromkeys(NOT_NEEDED))  # type: ignore[arg-type]  # None: as if it were not installed
    sys.exit(main(*sys.argv[1:]))
