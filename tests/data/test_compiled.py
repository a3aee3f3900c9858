"""Compiled code cannot outlive the sources it was made of, and a cache that cannot be written to is no error."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

LABELS = """
import json
import numpy as np
import pyarrow as pa
from data.contract import US_PER_DAY as DAY
from data.histories import Histories, Profiles
from features.labels import Target
from features.moments import MomentPolicy, label_moments

day = lambda *days: np.array(days, np.int64) * DAY
codes = np.array([0, 1], np.int32)
histories = Histories(
    pa.array(["L"]), day(0, 2) // DAY, day(1, 9), day(1, 9), codes, codes, np.full(2, np.nan), codes > 1,
    Profiles(np.zeros(2, np.int64), day(), pa.table({})), ["visit", "deal"], ["", ""],
)
labelled = label_moments(histories, Target("won", ("deal",)), MomentPolicy("ages", ages_days=(1,)), 9 * DAY)
answer = labelled.labels.label.tolist()
"""
"""Of an event on day 1 and the outcome on day 9, when observation ends: is the outcome visible then?"""
FEATURES = """
from data.vocabulary import Vocabulary
from features.compiler import compile_plan
from features.kernel import Moments, compute
from features.kinds import Count

plan = compile_plan([Count("any")], Vocabulary(("visit", "deal"), {}))
answer += compute(plan, histories, Moments(np.zeros(1, np.int32), day(9)))["count_any_ever"].to_pylist()
"""
"""How many events are visible at the moment at which the second one becomes known?"""
TELL = "\nprint(json.dumps(answer))"
NUMBAS_OWN = """
from functools import partial
import numba
njit = partial(numba.njit, cache=True, nogil=True)
"""
CALLER = """
from leadscore.data.compiled import njit
from leadscore.data.visibility import is_visible

@njit()
def visible(known_at, as_of):
    return is_visible(known_at, as_of)
"""
BY_NUMBA = re.compile(r"^\s*(?:import numba\b|from numba import)", re.MULTILINE)
CALL = "from leadscore.caller import visible\nprint(visible(2, 2))"
HITS = "\nprint(sum(visible.stats.cache_hits.values()))"
ONE_RULE = "from data.visibility import is_visible\nprint(is_visible(1, 2), is_visible.stats.cache_path)"


def copied(folder: Path, *names: str) -> Path:
    """A folder with copies of our packages, without what was compiled of them."""
    for name in names:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def start(code: str, tree: Path, environment: Mapping[str, str] = os.environ) -> subprocess.Popen[str]:
    """A process of its own that imports the packages of a tree."""
    words = [sys.executable, "-W", "error", "-c", code]
    environment = {**environment, "PYTHONPATH": str(tree)}
    return subprocess.Popen(words, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(code: str, tree: Path, environment: Mapping[str, str] = os.environ) -> str:
    process = start(code, tree, environment)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    return out.strip()


def elsewhere(**changes: str) -> dict[str, str]:
    """The environment without the places where a user caches, and with these changes."""
    return {
        key: value for key, value in os.environ.items() if key not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    } | changes


def change_the_rule(tree: Path) -> None:
    """From now on an event is visible at the very moment at which it becomes known."""
    rule = tree / "data" / "visibility.py"
    text = rule.read_text()
    assert "return known_at < as_of" in text
    rule.write_text(text.replace("return known_at < as_of", "return known_at <= as_of"))


@pytest.mark.proof("stale")
def test_a_changed_rule_changes_labels_and_features_under_a_warm_cache(tmp_path: Path, full: bool) -> None:
    """The cheap form leaves the kernel out: it takes half a minute to compile."""
    tree = copied(tmp_path, "data", "features")
    code = LABELS + (FEATURES if full else "") + TELL
    assert json.loads(run(code, tree)) == ([-1, 1.0] if full else [-1])
    assert list(tree.glob("features/__pycache__/outcome_events-*/*.nbc")), "the cache was not warm"
    change_the_rule(tree)
    assert json.loads(run(code, tree)) == ([1, 2.0] if full else [1])


def one_package(folder: Path) -> Path:
    """What is installed, small: the package leadscore with the rule, and a function in another file that calls it."""
    tree = folder / "leadscore"
    (tree / "data").mkdir(parents=True)
    for name in ("__init__", "compiled", "contract", "visibility"):
        source = (REPOSITORY / "data" / f"{name}.py").read_text()
        (tree / "data" / f"{name}.py").write_text(source.replace("from data.", "from leadscore.data."))
    (tree / "caller.py").write_text(CALLER)
    return tree


def test_it_works_where_our_packages_stand_in_one(tmp_path: Path) -> None:
    tree = one_package(tmp_path)
    assert run(CALL, tmp_path) == "False"
    assert run(CALL + HITS, tmp_path) == "False\n1"
    change_the_rule(tree)
    assert run(CALL, tmp_path) == "True"


def test_a_planted_cache_of_numbas_own_keeps_the_old_rule(tmp_path: Path) -> None:
    tree = one_package(tmp_path)
    (tree / "data" / "compiled.py").write_text(NUMBAS_OWN)
    assert run(CALL, tmp_path) == "False"
    change_the_rule(tree)
    assert run(CALL, tmp_path) == "False", "the fault is none, and the test above proves nothing"


DIGESTS = """
from pathlib import Path
from data.compiled import digest

tree = Path({tree!r})
before = digest(tree / {source!r})
(tree / "serving" / "app.py").write_text("# nothing compiled is made of it")
beside = digest(tree / {source!r})
with (tree / {part!r}).open("a") as file:
    file.write("CHANGED = True")
print(beside == before, digest(tree / {source!r}) == before)
"""
"""Whether the digest of a file is the same after a change of another file, and after one of a part of it."""
ANOTHER_TYPE = CALL + "\nprint(visible(2.0, 3.0))"
NOWHERE = {"HOME": "/dev/null/home"}
"""Of a user without a cache."""


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder in which not even root can write: it is mounted onto itself."""
    made = subprocess.run(["mount", "--bind", str(folder), str(folder)], check=False)
    if made.returncode != 0:
        pytest.skip("only root may mount a folder read-only")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_who_may_not_write_finds_what_another_has_compiled(tmp_path: Path) -> None:
    """What is missing there is compiled in memory."""
    tree = one_package(tmp_path).parent
    assert run(CALL, tree, elsewhere()) == "False"
    with read_only(tree):
        assert run(CALL + HITS, tree, elsewhere(**NOWHERE)) == "False\n1"
        assert run(ANOTHER_TYPE, tree, elsewhere(**NOWHERE)) == "False\nTrue"


def test_what_is_compiled_travels_with_the_files(tmp_path: Path) -> None:
    """It is made for no processor in particular, and names no path."""
    one_package(tmp_path / "here")
    assert run(CALL, tmp_path / "here", elsewhere()) == "False"
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert run(CALL + HITS, tmp_path / "there", elsewhere()) == "False\n1"
    cpu = "\nprint(visible.targetctx.codegen().magic_tuple()[1:])"
    assert run(CALL + cpu, tmp_path / "there", elsewhere()) == "False\n('generic', '')"


def test_a_server_that_finds_nothing_and_can_keep_nothing_is_told(tmp_path: Path) -> None:
    tree = one_package(tmp_path).parent
    look = "from leadscore.data import compiled\nprint(compiled.check_ready())"
    note = "from leadscore.data import compiled\ncompiled.note_complete()"
    with read_only(tree):
        error = start(look, tree, elsewhere(**NOWHERE)).communicate(timeout=60)[1]
        assert "run `leadscore compile` as the user who has installed it" in error
    assert (run(look, tree, elsewhere()), run(note, tree, elsewhere())) == ("False", "")
    with read_only(tree):
        assert run(look, tree, elsewhere(**NOWHERE)) == "True"
    change_the_rule(tree / "leadscore")
    assert run(look, tree, elsewhere()) == "False", "what was compiled of other sources does not count"


def test_processes_that_compile_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    one_package(tmp_path)
    processes = [start(CALL, tmp_path) for _ in range(2)]
    assert [process.communicate(timeout=300) for process in processes] == [("False\n", "")] * 2
    assert run(CALL + HITS, tmp_path) == "False\n1"


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("features/walk/walk.py", "data/visibility.py"),
        ("features/walk/walk.py", "data/contract.py"),
        ("features/walk/walk.py", "features/walk/derived.py"),
        ("features/walk/walk.py", "features/kinds/counts.py"),
        ("features/moments.py", "data/visibility.py"),
        ("data/simulated/truth.py", "data/simulated/days.py"),
        ("serving/scoring/served_model.py", "serving/trees/bit_masks.py"),
    ],
)
def test_the_digest_is_of_all_files_that_a_function_is_made_of(tmp_path: Path, source: str, part: str) -> None:
    tree = copied(tmp_path, "data", "features", "training", "serving")
    assert run(DIGESTS.format(tree=str(tree), source=source, part=part), tree) == "True False"


def test_where_nothing_can_be_written_it_compiles_in_memory(tmp_path: Path) -> None:
    tree = copied(tmp_path, "data")
    for name in ("data/__pycache__", "home"):  # files, so that not even root can make folders of them
        (tree / name).write_text("")
    assert run(ONE_RULE, tree, elsewhere(HOME=str(tree / "home"))) == "True None"
    assert not list(tree.rglob("*.nb?"))


@pytest.mark.parametrize("variable", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME"])
def test_it_caches_where_it_is_told_to(tmp_path: Path, variable: str) -> None:
    tree = copied(tmp_path, "data")
    (tree / "data" / "__pycache__").write_text("")
    place = tmp_path / "cache"
    assert str(place) in run(ONE_RULE, tree, elsewhere(**{variable: str(place)}))
    assert list(place.rglob("*.is_visible-*.nbc"))


def test_what_changes_under_a_running_process_is_not_cached(tmp_path: Path) -> None:
    """It has read some of the old files already, and could not tell which."""
    tree = copied(tmp_path, "data")
    change = f"import data.compiled\nfrom pathlib import Path\nPath({str(tree / 'data' / 'visibility.py')!r}).touch()\n"
    assert run(change + ONE_RULE, tree) == "True None"
    assert run(ONE_RULE, tree) != "True None"


def test_all_that_is_compiled_is_compiled_by_it() -> None:
    files = [path for name in ("data", "features", "training", "serving") for path in (REPOSITORY / name).rglob("*.py")]
    direct = [path.relative_to(REPOSITORY) for path in files if BY_NUMBA.search(path.read_text())]
    assert direct == [Path("data/compiled.py")]
    assert sum("@njit(" in path.read_text() for path in files) >= 15
