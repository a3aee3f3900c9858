"""Every command that prints a table gives the same as numbers, by --json, and nothing else on standard output."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.models import CommandInfo

from commands.app import app
from console import Screen
from tests.conftest import REPOSITORY

Place = tuple[str, str]
"""A module of commands/ and a function in it."""


def commands(of: typer.Typer, before: str = "") -> Iterator[tuple[str, CommandInfo]]:
    """All commands by what one types."""
    for command in of.registered_commands:
        assert command.callback is not None
        yield before + (command.name or command.callback.__name__), command
    for group in of.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, f"{before}{group.name} ")


def calls(folder: Path) -> dict[Place, set[Place]]:
    """Which functions each function of a folder's modules calls; ("", name) is a method of something."""
    found: dict[Place, set[Place]] = {}
    for path in folder.rglob("*.py"):
        module = ".".join(path.relative_to(folder).with_suffix("").parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            alias.asname or alias.name: (node.module.removeprefix("commands."), alias.name)
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("commands.")
            for alias in node.names
        }
        for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
            called = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
            found[module, function.name] = {
                names.get(to.id, (module, to.id)) for to in called if isinstance(to, ast.Name)
            } | {("", to.attr) for to in called if isinstance(to, ast.Attribute)}
    return found


def printing(found: dict[Place, set[Place]]) -> set[Place]:
    """Functions that print a table, by themselves or by what they call."""
    there: set[Place] = {("", "table")}
    while more := {place for place, called in found.items() if called & there} - there:
        there |= more
    return there - {("", "table")}


def test_every_command_that_prints_a_table_has_json() -> None:
    tables, shown = printing(calls(REPOSITORY / "commands")), []
    for name, command in commands(app):
        callback = command.callback
        assert callback is not None
        if (callback.__module__.removeprefix("commands."), callback.__name__) in tables:
            shown.append(name)
            assert "as_json" in inspect.signature(callback).parameters, f"leadscore {name} has no --json"
    assert {"ingest", "audit", "backtest", "demo", "train", "keys list", "thresholds what-if"} <= set(shown)
    assert len(shown) >= 20


def test_a_table_is_found_behind_what_a_command_calls(tmp_path: Path) -> None:
    """Planted: a command that prints by a helper of another file."""
    (tmp_path / "room").mkdir()
    (tmp_path / "one.py").write_text(
        "from commands.room.two import show\ndef listed():\n    show()\ndef quiet():\n    x.tell()"
    )
    (tmp_path / "room" / "two.py").write_text("def show():\n    screen.table()\n")
    assert printing(calls(tmp_path)) == {("one", "listed"), ("room.two", "show")}


def test_numbers_stay_numbers_and_what_is_none_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has no word for NaN and infinity."""
    told = {"n": np.int64(3), "share": np.float32(0.5), "slope": float("nan"), "ends": (np.inf, 1.0), "path": Path("x")}
    Screen(as_json=True).result(told)
    assert json.loads(capsys.readouterr().out) == {
        "n": 3, "share": 0.5, "slope": None, "ends": [None, 1.0], "path": "x"
    }  # fmt: skip
