"""The tool that plants faults: it makes the small ones that are meant, names them lastingly, and does not miss one."""

from __future__ import annotations

import ast
import signal
import textwrap
import tomllib
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.mutation.__main__ import EQUIVALENT
from tests.mutation.guards import CORE
from tests.mutation.mutants import Mutant, drawn, mutants_of
from tests.mutation.operators import sql_changes
from tests.mutation.trial import SURVIVED, Tree, begin


def changes(source: str) -> set[tuple[str, str]]:
    return {(mutant.before, mutant.after) for mutant in mutants_of(textwrap.dedent(source), "m.py")}


@pytest.mark.parametrize(
    ("source", "before", "after"),
    [
        ("a < b", "a < b", "(a <= b)"),
        ("x = a >= b", "a >= b", "(a > b)"),
        ("x = a + b", "a + b", "(a - b)"),
        ("x = a and b", "a and b", "(a or b)"),
        ("x = a and b", "a and b", "(b)"),
        ("x = a & ~b", "~b", "(b)"),
        ("x = 0", "0", "(1)"),
        ("x = 0.1", "0.1", "(0.05)"),
        ("x = True", "True", "(False)"),
        ("x = max(a, b)", "max(a, b)", "(min(a, b))"),
        ("x = max(a, b)", "max(a, b)", "(b)"),
        ("x = thinned(rows, lead)", "thinned(rows, lead)", "(rows)"),
        ("x = f(a, at=2)", "f(a, at=2)", "(f(a))"),
        ("x = rows.of(known)", "rows.of(known)", "(rows)"),
        ("x = a if b else c", "a if b else c", "(c if b else a)"),
        ("def f():\n    if a: return b\n    return c", "a", "False"),
        ("if a:\n    b()\nelse:\n    c()", "a", "(not (a))"),
        ("f(a)", "f(a)", "pass"),
        ("n += 1", "n += 1", "pass"),
        ("x = x.of(a)", "x = x.of(a)", "pass"),
        ("x = quantile(p, side='left')", "'left'", "('right')"),
        ('x = "SELECT a FROM b WHERE c AND d"', '"SELECT a FROM b WHERE c AND d"', '"SELECT a FROM b WHERE c OR d"'),
        ('x = f"SELECT {a} WHERE c > 1"', 'f"SELECT {a} WHERE c > 1"', 'f"SELECT {a} WHERE c >= 1"'),
    ],
)
def test_each_kind_of_fault_is_planted(source: str, before: str, after: str) -> None:
    assert (before, after) in changes(source)


def test_types_decorators_docstrings_and_messages_are_left_alone() -> None:
    source = '''
        """Takes 1 < 2 FROM SELECT."""
        @njit(cache=True)
        def f(a: Literal[3] = None) -> Literal[4]:
            "SELECT 5 FROM docstring"
            raise ValueError(f"{a + 6}")
        '''
    assert changes(source) == set()


def test_a_mutant_differs_in_its_place_alone_also_behind_letters_of_two_bytes() -> None:
    source = 'x = "ä", a < b  # ü\ny = 1\n'
    (mutant,) = (mutant for mutant in mutants_of(source, "m.py") if mutant.before == "a < b")
    assert mutant.source == 'x = "ä", (a <= b)  # ü\ny = 1\n'


def test_an_id_outlasts_a_move_of_the_file_and_changes_elsewhere() -> None:
    source = "def f(a):\n    return a < 1\n"
    moved = f"import os\n\n\ndef g():\n    return 0\n\n\n{source}"
    here = {mutant.id for mutant in mutants_of(source, "a.py")}
    there = {mutant.id for mutant in mutants_of(moved, "b/c.py", ["f"])}
    assert here == there
    twice = mutants_of("def f(a):\n    a < 1\n    a < 1\n", "a.py")
    assert len({mutant.id for mutant in twice}) == len(twice)


def test_a_draw_takes_from_all_modules_alike_and_changes_little_when_a_line_does() -> None:
    def lines(numbers: range, name: str) -> list[Mutant]:
        return mutants_of("".join(f"def f{n}(a):\n    return a < {n}\n" for n in numbers), name)

    few, many = lines(range(2), "few.py"), lines(range(60), "many.py")
    chosen = drawn([few, many], 20)
    assert len(chosen) == len(set(chosen)) == 20
    assert {mutant.id for mutant in few} <= {mutant.id for mutant in chosen}
    other = drawn([few, lines(range(1, 61), "many.py")], 20)
    assert len({mutant.id for mutant in chosen} & {mutant.id for mutant in other}) > 15
    assert drawn([few, many], 20, seed=2) != chosen


def test_words_of_sql_are_changed_one_at_a_time_and_other_texts_not_at_all() -> None:
    text = "SELECT min(a) FROM b WHERE NOT c AND d"
    assert set(sql_changes(text)) == {
        "SELECT max(a) FROM b WHERE NOT c AND d",
        "SELECT min(a) FROM b WHERE c AND d",
        "SELECT min(a) FROM b WHERE NOT c OR d",
    }
    assert list(sql_changes("min(a) AND 1")) == []


def test_the_table_of_guards_names_what_is_there_and_mutants_of_it_compile() -> None:
    every = []
    for guarded in CORE:
        source = (REPOSITORY / guarded.module).read_text()
        names = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
        assert set(guarded.functions) <= names, guarded
        assert all((REPOSITORY / test).exists() for test in guarded.tests), guarded
        made = mutants_of(source, guarded.module, guarded.functions)
        assert len(made) >= 15, guarded
        every += made
    assert len(every) > 5_000
    for mutant in drawn([every], 100, seed=3):
        ast.parse(mutant.source)
    ids = {mutant.id for mutant in every}
    for name, text in tomllib.loads(EQUIVALENT.read_text()).items():
        assert name in ids, f"{name} is no mutant any more; take it out of {EQUIVALENT.name}"
        assert set(text) == {"what", "why"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    made = Tree(REPOSITORY, tmp_path_factory.mktemp("mutants"))
    made.refresh()
    return made


def killed(tree: Tree, module: str, tests: str) -> tuple[bool, str]:
    trial = begin(tree, module, [tests], compiles=False)
    trial.process.join()
    return trial.process.exitcode != SURVIVED, trial.failed


def test_a_planted_fault_is_noticed_in_the_copy_and_the_original_stays(tree: Tree) -> None:
    module, test = "training/thresholds/stages.py", "tests/data/test_stages.py"
    source = (REPOSITORY / module).read_text()
    assert not killed(tree, module, test)[0]
    tree.plant(module, source.replace("MARGIN = 0.1", "MARGIN = 0.2"))
    noticed, by = killed(tree, module, test)
    assert noticed
    assert by.startswith((test, module))
    tree.restore()
    assert (tree.folder / "tree" / module).read_text() == source
    assert (REPOSITORY / module).read_text() == source


def test_a_fault_that_runs_in_circles_is_ended_by_what_it_takes_of_the_processor(tree: Tree) -> None:
    """Not by the time that goes by: on a busy machine every mutant would seem to be noticed."""
    module, test = "training/thresholds/stages.py", "tests/data/test_stages.py"
    tree.plant(module, "while True:\n    pass\n")
    trial = begin(tree, module, [test], compiles=False, limit=2)
    trial.process.join()
    tree.restore()
    assert (trial.process.exitcode, trial.cpu_seconds) == (-signal.SIGXCPU, float("inf"))
    trial = begin(tree, module, [test], compiles=False, limit=100)
    trial.process.join()
    assert trial.process.exitcode == SURVIVED
    assert 0 < trial.cpu_seconds < 100


def test_a_tree_follows_the_original(tree: Tree, tmp_path: Path) -> None:
    (tree.folder / "tree" / "gone.py").write_text("x = 1")
    (tree.folder / "tree" / "settings.py").write_text("damaged")
    tree.refresh()
    assert not (tree.folder / "tree" / "gone.py").exists()
    assert (tree.folder / "tree" / "settings.py").read_bytes() == (REPOSITORY / "settings.py").read_bytes()
