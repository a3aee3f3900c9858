"""Which tests guard which module of the core; docstring examples of the module run beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STORE, TRAINING = "tests/serving/store", "tests/training"
POPULATION, BACK = "tests/features/test_population.py", "tests/features/test_coming_back.py"


@dataclass(frozen=True)
class Guarded:
    """A module, the files of tests that guard it, quick ones first, and which functions are meant, () all."""

    module: str
    tests: Sequence[str]
    functions: Sequence[str] = ()


CORE = (
    Guarded("data/visibility.py", ("tests/data/test_visibility.py",)),
    Guarded(
        "data/judging/judgement.py",
        ("tests/data/test_judgement.py", "tests/data/test_versions.py", "tests/data/test_ingest.py"),
    ),
    Guarded("data/log/runs.py", ("tests/data/test_versions.py", "tests/data/test_identities.py")),
    Guarded("data/log/watermarks.py", ("tests/features/test_lagging_sources.py",)),
    Guarded("features/labels.py", ("tests/features/test_moments.py", BACK, POPULATION)),
    Guarded("features/moments.py", ("tests/features/test_moments.py", BACK, POPULATION)),
    Guarded("features/outcomes.py", (BACK, POPULATION)),
    Guarded("features/population.py", ("tests/features/test_moments.py", BACK, POPULATION)),
    Guarded("features/turns.py", ("tests/features/test_moments.py", BACK, POPULATION)),
    Guarded("features/views.py", ("tests/features/test_views.py",)),
    Guarded("training/artifact/standalone.py", (f"{TRAINING}/test_standalone_file.py",)),
    Guarded("training/judging/backtest.py", (f"{TRAINING}/test_past_dates.py", f"{TRAINING}/test_backtest.py")),
    Guarded("training/judging/origins.py", (f"{TRAINING}/test_past_dates.py", f"{TRAINING}/test_backtest.py")),
    Guarded("training/model/hazard.py", (f"{TRAINING}/test_hazard.py",)),
    Guarded("training/model/periods.py", (f"{TRAINING}/test_periods.py", f"{TRAINING}/test_hazard.py")),
    Guarded("training/recipe/train.py", (f"{TRAINING}/test_train.py",)),
    Guarded("training/samples/folds.py", (f"{TRAINING}/test_folds.py",)),
    Guarded("training/samples/sample.py", (f"{TRAINING}/test_past_dates.py",)),
    Guarded("training/thresholds/stages.py", ("tests/data/test_stages.py",)),
    Guarded(
        "training/thresholds/threshold.py", (f"{TRAINING}/test_threshold_edges.py", f"{TRAINING}/test_thresholds.py")
    ),
    Guarded("training/thresholds/track_record.py", (f"{TRAINING}/test_track_record.py",)),
    Guarded("serving/store/events/events.py", (f"{STORE}/test_store_events.py", f"{STORE}/test_store_erasure.py")),
    Guarded("serving/store/privacy/audit_trail.py", (f"{STORE}/test_store_audit.py",)),
    Guarded("serving/store/privacy/erasure.py", (f"{STORE}/test_store_erasure.py",)),
)
