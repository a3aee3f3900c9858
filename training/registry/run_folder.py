"""What one run made, in a folder of its own: model, judge, report and records, named by the digest of all of it.

It is written as a draft, becomes visible by one rename, and is never changed: what is registered is read from it, and
compared with its digests first. So a run whose registering failed is not lost, and no other run can lend it its files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.contract import DataError, UsageError
from data.typed_json import from_json, to_json
from training.registry.artifact_files import digest_of

if TYPE_CHECKING:
    import pyarrow as pa

MODEL, JUDGE, REPORT, RECORDS = "model", "judge", "report", "records"
"""Folders of a run. Records are JSON files for MLflow. A report may be missing."""
ABOUT, EXAMPLE = "run.json", "example.parquet"
DRAFT = "draft-"
SHOWN = 12
"""Letters of an id that are shown, and enough to name a run."""


@dataclass(frozen=True)
class About:
    """run.json. model, judge: digests of the artifacts. files: sha256 of every file by its path.

    base: the version that this one was made from without training; None for a training, which is judged against the
    champion when it is registered.
    """

    target: str
    model: str
    judge: str
    files: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    base: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class RunFolder:
    """A finished run. id: sha256 of run.json, of which the folder's name is the beginning."""

    path: Path
    id: str
    about: About

    @staticmethod
    def open(path: Path) -> RunFolder:
        """Opens a run, every file compared with its digest first. Raises DataError when it is not what was made."""
        try:
            content = (path / ABOUT).read_bytes()
            about = from_json(About, json.loads(content), ABOUT)
            digests = _digests(path)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} holds no run ({error}); train again") from None
        run = RunFolder(path, hashlib.sha256(content).hexdigest(), about)
        changed = sorted(name for name, _ in digests.items() ^ about.files.items())
        if changed or path.name != run.id[: len(path.name)] or digest_of(path / MODEL) != about.model:
            what = changed[0] if changed else ABOUT
            raise DataError(f"{path} is not as it was made ({what} differs), it is not registered; train again")
        return run

    @property
    def model(self) -> Path:
        """The artifact that is registered."""
        return self.path / MODEL

    @property
    def judge(self) -> Path:
        """The artifact that was judged on the newest slice."""
        return self.path / JUDGE

    @property
    def example(self) -> pa.Table:
        """Some rows of features, without ids."""
        import pyarrow.parquet as pq  # late: who asks for a version needs none of it

        return pq.read_table(self.path / EXAMPLE)


@contextmanager
def run_draft(workspace: Path, target: str) -> Iterator[Path]:
    """A new folder to write a run into; gone at the end, unless it was `finished`."""
    runs = runs_path(workspace, target)
    runs.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=runs))
    try:
        (draft / RECORDS).mkdir()
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def finished(
    draft: Path,
    target: str,
    example: pa.Table,
    parameters: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
    base: str | None = None,
    reason: str = "",
) -> RunFolder:
    """Makes a draft a run. The same content is the same run, which is kept when it is there already."""
    import pyarrow.parquet as pq

    pq.write_table(example, draft / EXAMPLE)
    model, judge = digest_of(draft / MODEL), digest_of(draft / JUDGE)
    about = About(
        target,
        model,
        judge,
        _digests(draft),
        dict(parameters or {}),
        dict(metrics or {}),
        dict(tags or {}),
        base,
        reason,
    )
    content = json.dumps(to_json(about), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
    (draft / ABOUT).write_bytes(content)
    place = draft.with_name(hashlib.sha256(content).hexdigest()[:32])
    draft.chmod(0o755)
    if not place.exists():
        os.rename(draft, place)
    return RunFolder.open(place)


def runs_path(workspace: Path, target: str) -> Path:
    """The folder of a target's runs."""
    return workspace / "runs" / target


def find_run(workspace: Path, target: str, name: str) -> RunFolder:
    """The run of a target whose id begins with `name`. Raises UsageError for none, or several."""
    there = run_ids(workspace, target)
    named = [run for run in there if name and run.startswith(name)]
    if len(named) != 1:
        shown = ", ".join(run[:SHOWN] for run in there) or "none"
        raise UsageError(f"{len(named)} runs of {target!r} begin with {name!r}; there are {shown}")
    return RunFolder.open(runs_path(workspace, target) / named[0])


def run_ids(workspace: Path, target: str) -> list[str]:
    """The runs of a target that are there, oldest first."""
    paths = runs_path(workspace, target).glob(f"*/{ABOUT}")
    runs = sorted((path.stat().st_mtime_ns, path.parent.name) for path in paths)
    return [name for _, name in runs if not name.startswith(DRAFT)]


def note_registered(run: RunFolder, version: str) -> None:
    """Notes beside a run that it is registered; older ones that are, too, go: MLflow has them."""
    _marker(run.path).write_text(f"{version}\n", encoding="ascii")
    for path in run.path.parent.iterdir():
        if path.is_dir() and path != run.path and _marker(path).exists():
            shutil.rmtree(path, ignore_errors=True)
            _marker(path).unlink()


def unregistered(workspace: Path, target: str) -> list[str]:
    """The runs of a target that no version was made of, oldest first."""
    runs = runs_path(workspace, target)
    return [run for run in run_ids(workspace, target) if not _marker(runs / run).exists()]


def sweep(workspace: Path) -> None:
    """Removes what killed runs left behind, for who holds the workspace's lock."""
    for draft in runs_path(workspace, "").glob(f"*/{DRAFT}*"):
        shutil.rmtree(draft, ignore_errors=True)


def _marker(run: Path) -> Path:
    return run.with_name(f"{run.name}.registered")


def _digests(folder: Path) -> dict[str, str]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / ABOUT)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
