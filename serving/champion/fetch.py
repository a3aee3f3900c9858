"""Fetches a registered model in a process of its own, because importing MLflow costs seconds and 150 MB.

As a program it takes WORKSPACE NAME ALIAS and prints version, folder, digest and run as JSON
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from data.contract import DataError, UsageError
from serving.champion.child_process import output_of

SECONDS = 300


def fetch(workspace: Path, name: str, alias: str) -> tuple[str, Path, str, str]:
    """Version, folder, registered digest and run of the model that an alias points at.

    Raises DataError when there is none, or the registry does not answer.
    """
    arguments = (str(workspace.resolve()), name, alias)
    found = json.loads(output_of(__name__, *arguments, job="asking the model registry", seconds=SECONDS))
    return found["version"], Path(found["folder"]), found["digest"], found["run"]


def main(workspace: str, name: str, alias: str) -> int:
    """Asks the registry; the reason of a failure is the last line on standard error."""
    from training.registry.registry import Registry

    try:
        found = Registry(Path(workspace)).find(name, alias)
        if found is None:
            raise DataError(f"there is no {alias} for {name!r}; run `leadscore train` first")
    except (DataError, UsageError) as error:
        print(error, file=sys.stderr)  # noqa: T201 -- read by `fetch`
        return 1
    answer = {"version": found.version, "folder": str(found.folder), "digest": found.digest, "run": found.run_id}
    print(json.dumps(answer))  # noqa: T201 -- read by `fetch`
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
