"""A function of the user's own is found by its name, told by its code, and blamed by file and line when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.contract import UsageError
from data.own_functions import own_function


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text("def half(x):\n    return x / 2\n\n\ndef broken(x):\n    return {}[x]\n")
    return path


@pytest.mark.parametrize("name", ["mine.py:half", "mine.half"])
def test_it_is_found_beside_the_settings_by_file_and_by_module(name: str, mine: Path) -> None:
    own = own_function(name, mine.parent)
    assert own.load()(3) == 1.5
    assert own.file == mine


def test_an_installed_module_has_functions_too(tmp_path: Path) -> None:
    assert own_function("statistics.median", tmp_path).load()([1, 2, 9]) == 2


def test_a_module_of_an_installed_package_finds_its_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "their_metrics"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "inner.py").write_text("def tenth():\n    return 0.1\n")
    (package / "lift.py").write_text("from .inner import tenth\n\n\ndef lift():\n    return tenth()\n")
    monkeypatch.syspath_prepend(package.parent)
    assert own_function("their_metrics.lift.lift", tmp_path).load()() == 0.1


def test_a_file_may_hold_what_looks_for_its_module(mine: Path) -> None:
    lines = ("from __future__ import annotations", "from dataclasses import dataclass", "@dataclass", "class Rule:")
    mine.write_text("\n".join((*lines, "    low: float = 1.0", "def lowest():", "    return Rule().low")))
    assert own_function("mine.py:lowest", mine.parent).load()() == 1.0


def test_other_code_is_another_function_and_the_folder_is_not_part_of_it(mine: Path, tmp_path: Path) -> None:
    before = own_function("mine.py:half", mine.parent)
    elsewhere = tmp_path / "copy"
    elsewhere.mkdir()
    (elsewhere / "mine.py").write_bytes(mine.read_bytes())
    assert own_function("mine.py:half", elsewhere) == before
    mine.write_text(mine.read_text().replace("/ 2", "/ 4"))
    after = own_function("mine.py:half", mine.parent)
    assert after != before
    assert after.load()(4) == 1, "of the same second and size: Python's own cache would run the old code"
    with pytest.raises(UsageError, match="no function 'quarter'"):
        own_function("mine.py:quarter", mine.parent).load()


def test_code_that_changes_after_it_was_hashed_is_not_run(mine: Path) -> None:
    own = own_function("mine.py:half", mine.parent)
    mine.write_text("raise SystemExit")
    with pytest.raises(UsageError, match="has changed"):
        own.load()


def test_what_fails_is_told_by_file_line_and_kind_without_what_it_was_given(mine: Path) -> None:
    own = own_function("mine.py:broken", mine.parent)
    with pytest.raises(KeyError) as failed:
        own.load()("anna@example.com")
    blame = own.blame(failed.value)
    assert blame == f"{mine} line 6 (`return {{}}[x]`): KeyError"


@pytest.mark.parametrize(
    ("text", "line"),
    [("def half(x):\n    return x /\n", 2), ("import math\n\nmath.nothing\n", 3)],
    ids=["syntax", "run"],
)
def test_a_file_that_cannot_be_run_names_its_line(text: str, line: int, mine: Path) -> None:
    mine.write_text(text)
    with pytest.raises(UsageError, match=f"mine.py line {line} "):
        own_function("mine.py:half", mine.parent).load()


@pytest.mark.parametrize(
    ("name", "message"),
    [("half", "write FILE.py:FUNCTION"), ("gone.py:half", "cannot be read"), ("no_such.half", "no module 'no_such'")],
)
def test_a_name_that_names_nothing_says_what_is_wanted(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        own_function(name, tmp_path)
