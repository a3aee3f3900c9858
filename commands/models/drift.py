"""What `leadscore monitor` does without a store: two training sets, or lists of scores, beside each other."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from console import Screen
from data.contract import UsageError

if TYPE_CHECKING:
    from training.monitoring.drift import Drift
    from workspace import Workspace


def compare(
    screen: Screen,
    workspace: Workspace,
    scores: list[Path],
    baseline: Path | None,
    current: Path | None,
    parquet: Path | None,
) -> int:
    """Shows what has moved; the exit code. Raises UsageError where it is not said what is to be compared."""
    from training.monitoring.drift import drift_of_scores, drift_told
    from training.monitoring.monitor_tables import check_table, shift_table

    if scores and (baseline or current):
        raise UsageError("--scores and --baseline compare different things; give one of them")
    if scores and len(scores) < 2:
        raise UsageError(f"--scores {scores[0]} is one file; name an earlier one before it: --scores OLD --scores NEW")
    drift = drift_of_scores(scores[:-1], scores[-1]) if scores else _of_training_sets(workspace, baseline, current)
    shifts = drift.to_dict()
    screen.keep([asdict(shift) for shift in drift.shifts], parquet)
    for table in (check_table(drift.checks, drift.error), shift_table(drift.shifts)):
        if table.rows:
            screen.table(table.title, table.head, table.rows)
    screen.tell(drift_told(drift))
    screen.result(shifts)
    return drift.exit_code


def _of_training_sets(workspace: Workspace, baseline: Path | None, current: Path | None) -> Drift:
    """current: by default the workspace's own."""
    from features.training_set import TrainingSet
    from training.monitoring.drift import drift_of_samples
    from training.samples.sample import read_sample

    if baseline is None:
        raise UsageError("--current needs --baseline, the folder of the training set to compare it with")
    folders = baseline, current or workspace.training_set_path
    earlier, recent = (TrainingSet.open(folder) for folder in folders)
    champion = workspace.registry.find(workspace.model_name)
    model = None if champion is None else champion.load()
    return drift_of_samples(read_sample(earlier), read_sample(recent), model)
