"""Compiled code cannot outlive the sources it was made of, and no cache that cannot be written to is an error."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

RULES = """
import json
import numpy as np
import pyarrow as pa
from data.contract import US_PER_DAY as DAY
from data.histories import Histories, Profiles
from data.vocabulary import Vocabulary
from features.compiler import compile_plan
from features.definitions import Count
from features.kernel import Moments, compute
from features.moments import MomentPolicy, Target, label_moments

day = lambda *days: np.array(days, np.int64) * DAY
profiles = Profiles(np.zeros(2, np.int64), day(), pa.table({}))
codes = np.array([0, 1], np.int32)
histories = Histories(
    pa.array(["L"]), day(0, 2) // DAY, day(1, 9), day(1, 9), codes, codes, np.full(2, np.nan), codes > 1, profiles,
    ["visit", "deal"], ["", ""],
)
plan = compile_plan([Count("any")], Vocabulary(("visit", "deal"), {}))
features = compute(plan, histories, Moments(np.zeros(1, np.int32), day(9)))
labels = label_moments(histories, Target("won", ("deal",)), MomentPolicy("ages", ages_days=(1,)), 9 * DAY)
print(json.dumps([features.to_pylist(), labels.label.tolist()]))
"""
"""An event of day 1, and the outcome on day 9, the moment and the end of observation: visible then, or not?"""
STRICT = [[{"count_any_ever": 1.0}], [-1]]
LENIENT = [[{"count_any_ever": 2.0}], [1]]
FAST = {"NUMBA_OPT": "0"}
"""What is compiled once to run once need not be optimised."""
NUMBAS_OWN = (
    "from numba import njit as own\n\n\ndef njit(**options):\n    return own(cache=True, nogil=True, **options)\n"
)

ONE_FUNCTION = "from data.visibility import is_visible\nprint(is_visible(1, 2), is_visible.stats.cache_path)"


def tree_in(folder: Path) -> Path:
    """A copy of the packages that compute features, without what was compiled."""
    for name in ("data", "features"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run(code: str, tree: Path, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    """A process of its own that imports the packages of a tree."""
    words = [sys.executable, "-W", "error", "-c", code]
    environment = {**environment, **FAST, "PYTHONPATH": str(tree)}
    return subprocess.run(words, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=300)


def answers(tree: Path) -> object:
    done = run(RULES, tree)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def change_the_rule(tree: Path) -> None:
    rule = tree / "data" / "visibility.py"
    text = rule.read_text()
    assert "return known_at < as_of" in text
    rule.write_text(text.replace("return known_at < as_of", "return known_at <= as_of"))


def test_a_changed_rule_changes_features_and_labels_under_a_warm_cache(tmp_path: Path) -> None:
    tree = tree_in(tmp_path)
    assert answers(tree) == STRICT
    assert list(tree.glob("features/__pycache__/walk-*/*/*.nbc")), "the cache was not warm"
    change_the_rule(tree)
    assert answers(tree) == LENIENT


def test_the_old_rule_under_numbas_own_cache_is_caught(tmp_path: Path) -> None:
    tree = tree_in(tmp_path)
    (tree / "data" / "compiled.py").write_text(NUMBAS_OWN)
    assert answers(tree) == STRICT
    change_the_rule(tree)
    assert answers(tree) != LENIENT


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("features/walk.py", "data/visibility.py"),
        ("features/walk.py", "data/contract.py"),
        ("features/walk.py", "features/definitions.py"),
        ("features/moments.py", "data/visibility.py"),
        ("serving/scoring/served_model.py", "serving/trees/bit_masks.py"),
        ("data/simulated/truth.py", "data/simulated/days.py"),
        ("data/visibility.py", "data/compiled.py"),
    ],
)
def test_the_digest_is_of_all_files_that_a_function_is_made_of(tmp_path: Path, source: str, part: str) -> None:
    for name in ("data", "features", "training", "serving"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    digest = (
        f"from pathlib import Path\nfrom data.compiled import digest\nprint(digest(Path({str(tmp_path / source)!r})))"
    )
    before = run(digest, tmp_path).stdout
    assert len(before.strip()) == 64
    (tmp_path / "data" / "masking.py").write_text('"""Nobody needs it here."""\n')
    if not source.startswith("serving"):
        assert run(digest, tmp_path).stdout == before
    with (tmp_path / part).open("a") as file:
        file.write("CHANGED = True\n")
    assert run(digest, tmp_path).stdout != before
