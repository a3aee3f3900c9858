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
        "data/judging/event_versions.py",
        ("tests/data/test_event_versions.py", "tests/data/test_versions.py", "tests/data/test_ingest.py"),
    ),
    Guarded("data/intake/aliases.py", ("tests/data/test_identities.py",)),
    Guarded(
        "data/intake/departures.py",
        ("tests/data/test_departures.py", "tests/data/test_snapshots.py", "tests/data/test_strange_exports.py"),
    ),
    Guarded("data/intake/erased.py", ("tests/data/test_ledger.py", "tests/data/test_erasure.py")),
    Guarded("data/intake/examination.py", ("tests/data/test_doubts.py", "tests/data/test_vocabulary.py")),
    Guarded(
        "data/judging/holders.py",
        ("tests/data/test_holders.py", "tests/data/test_identities.py", "tests/data/test_departures.py"),
    ),
    Guarded("data/intake/replacement.py", ("tests/data/test_replacement.py",)),
    Guarded(
        "data/intake/rows_to_events.py",
        ("tests/data/test_shapes.py", "tests/data/test_bad_input.py", "tests/data/test_identities.py"),
    ),
    Guarded("data/log/removal.py", ("tests/data/test_erasure.py", "tests/data/test_ledger.py")),
    Guarded(
        "data/times.py", ("tests/data/test_time_from_text.py", "tests/data/test_times.py", "tests/data/test_doubts.py")
    ),
    Guarded("data/log/runs.py", ("tests/data/test_versions.py", "tests/data/test_identities.py")),
    Guarded("data/log/watermarks.py", ("tests/features/test_lagging_sources.py",)),
    Guarded("features/labels.py", ("tests/features/test_moments.py", BACK, POPULATION)),
    Guarded("features/moments.py", ("tests/features/test_moments.py", BACK, POPULATION)),
    Guarded("features/outcomes.py", (BACK, POPULATION)),
    Guarded("features/population.py", ("tests/features/test_moments.py", BACK, POPULATION)),
    Guarded("features/outcome_events.py", ("tests/features/test_moments.py", BACK, POPULATION)),
    Guarded("features/views.py", ("tests/features/test_views.py",)),
    Guarded("training/artifact/standalone.py", (f"{TRAINING}/test_standalone_file.py",)),
    Guarded("training/backtesting/backtest.py", (f"{TRAINING}/test_past_dates.py", f"{TRAINING}/test_backtest.py")),
    Guarded("training/backtesting/origins.py", (f"{TRAINING}/test_past_dates.py", f"{TRAINING}/test_backtest.py")),
    Guarded("training/calibration/calibrator.py", (f"{TRAINING}/test_calibration.py",)),
    Guarded("training/model/hazard.py", (f"{TRAINING}/test_hazard.py",)),
    Guarded("training/model/periods.py", (f"{TRAINING}/test_periods.py", f"{TRAINING}/test_hazard.py")),
    Guarded("training/model/rates.py", (f"{TRAINING}/test_rates.py",)),
    Guarded("training/monitoring/source_alarms.py", (f"{TRAINING}/test_source_alarms.py",)),
    Guarded("training/recipe/belief.py", (f"{TRAINING}/test_belief.py",)),
    Guarded("training/recipe/train.py", (f"{TRAINING}/test_train.py",)),
    Guarded("training/samples/folds.py", (f"{TRAINING}/test_folds.py",)),
    Guarded("training/samples/sample.py", (f"{TRAINING}/test_past_dates.py", f"{TRAINING}/test_thinning.py")),
    Guarded("training/thresholds/episodes.py", (f"{TRAINING}/test_replay.py", f"{STORE}/test_store_episodes.py")),
    Guarded("training/thresholds/replay.py", (f"{TRAINING}/test_replay.py",)),
    Guarded("training/thresholds/stages.py", ("tests/data/test_stages.py",)),
    Guarded(
        "training/thresholds/threshold_selection.py",
        (f"{TRAINING}/test_threshold_edges.py", f"{TRAINING}/test_thresholds.py"),
    ),
    Guarded("training/thresholds/track_record.py", (f"{TRAINING}/test_track_record.py",)),
    Guarded("training/thresholds/promise_check.py", (f"{TRAINING}/test_promise_check.py",)),
    Guarded("serving/edge/waiting_line.py", ("tests/serving/test_bulkheads.py",)),
    Guarded("serving/edge/open_connections.py", ("tests/serving/test_open_connections.py",)),
    Guarded("serving/store/access/accounts.py", (f"{STORE}/test_store_accounts.py",)),
    Guarded("serving/store/access/lockout.py", (f"{STORE}/test_store_accounts.py",)),
    Guarded("serving/store/events/events.py", (f"{STORE}/test_store_events.py", f"{STORE}/test_store_erasure.py")),
    Guarded("serving/store/leads/acceptance.py", (f"{STORE}/test_store_acceptance.py",)),
    Guarded("serving/store/leads/work.py", (f"{STORE}/test_store_work.py", f"{STORE}/test_store_acceptance.py")),
    Guarded("serving/store/privacy/audit_trail.py", (f"{STORE}/test_store_audit.py",)),
    Guarded("serving/store/privacy/erasure.py", (f"{STORE}/test_store_erasure.py",)),
    Guarded("serving/store/retention.py", (f"{STORE}/test_store_retention.py",)),
    Guarded("serving/store/scores/episodes.py", (f"{STORE}/test_store_episodes.py",)),
    Guarded("serving/store/scores/sections.py", (f"{STORE}/test_store_work.py",)),
)
