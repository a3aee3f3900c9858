"""Fetches a registered model in a process of its own, because importing MLflow costs seconds and 150 MB.

python -m serving.champion.fetch WORKSPACE NAME ALIAS      prints version, folder, digest and run as JSON
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from data.contract import DataError, UsageError

SECONDS = 300
ROOT = Path(__file__).parents[2]


def fetch(workspace: Path, name: str, alias: str) -> tuple[str, Path, str, str]:
    """Version, folder, registered digest and run of the model that an alias points at.

    Raises DataError when there is none, or the registry does not answer.
    """
    command = [sys.executable, "-m", "serving.champion.fetch", str(workspace.resolve()), name, alias]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise DataError(f"the model registry did not answer within {SECONDS} seconds") from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise DataError(f"{(last or ['the model registry gave no reason'])[0][:300]}")
    found = json.loads(done.stdout)
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
