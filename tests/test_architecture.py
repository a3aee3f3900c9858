"""The building keeps its shape: data flows one way, imports are our own, importing does no work, files say what for."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

FOLDERS = ("data", "features", "training", "serving")
"""From left to right; a folder imports from those to its left."""
TOP = ("console", "settings", "settings_file", "settings_sections", "workspace", "leadscore")
"""What stands above the folders; settings and console know no command, folders know none of them."""
MOST_FILES = 21
"""Files in a room at most, with the one that explains it."""
COMMANDS = "commands"
"""One file per noun of the command line; no folder imports it."""
RUN_BY_OTHERS = ("training.artifact.pyfunc", "serving.store.database.migrations")
"""MLflow runs the one from inside an artifact, Alembic the others with its own set-up."""
PRIVATE_MLFLOW = ("utils", "store", "protos", "entities", "tracking", "environment_variables")
"""Parts of MLflow that its documentation does not promise."""

DOORS = {
    "data/pull/": "what vendors are asked and answer, in JSON of their own",
    "data/sources/mapping.py": "a mapping file before it is checked",
    "data/sources/json_rows.py": "the structure of JSON lines",
    "training/artifact/pyfunc.py": "MLflow's signature",
    "serving/edge/connection.py": "uvicorn's signature",
    "serving/http/openapi.py": "a document of OpenAPI's",
    "serving/messages/": "bodies whose rows are checked one by one",
    "serving/routes/events.py": "those rows",
    "serving/routes/profiles.py": "those rows",
    "serving/pages/rendering/page_context.py": "what a template is given by name: texts, rows, functions",
    "settings_sections.py": "features in the settings' file, before their kind is known",
}
"""Where a dictionary of anything comes in or goes out; behind them everything has a type."""


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py"))]


@cache
def parsed(source: str) -> ast.Module:
    """The tree of a source: most tests look at all of them."""
    return ast.parse(source)


def imported(source: str) -> Iterator[str]:
    """Full names of all modules that a source imports, anywhere in it."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def against_the_stream(folder: str, source: str) -> set[str]:
    """Imports that a source in a folder must not have: folders to its right, and the command line."""
    forbidden = {*FOLDERS[FOLDERS.index(folder) + 1 :], *TOP, COMMANDS, "tests", "benchmarks"}
    return {name.partition(".")[0] for name in imported(source)} & forbidden


@pytest.mark.parametrize("folder", FOLDERS)
def test_data_flows_one_way(folder: str) -> None:
    files = sources(folder)
    assert len(files) >= 4
    for path in files:
        assert not against_the_stream(folder, path.read_text()), path.relative_to(REPOSITORY)


@pytest.mark.parametrize(
    "source",
    [
        "from serving.scoring.scorer import Scorer",
        "import training.model.classifier",
        "import serving",
        "def late():\n    from workspace import Workspace",
        "from commands.options import Var",
        "try:\n    import leadscore\nexcept ImportError:\n    pass",
    ],
)
def test_a_planted_import_against_the_stream_is_caught(source: str) -> None:
    assert against_the_stream("features", source)
    assert not against_the_stream("serving", "from training.model.classifier import LeadConversionClassifier")


def documented_rooms() -> list[str]:
    """The rooms as docs/architecture.md lists them, in the order in which they may import: each from those above it."""
    return re.findall(r"^\| `([a-z/]+)/` \|", (REPOSITORY / "docs" / "architecture.md").read_text(), re.MULTILINE)


def rooms() -> dict[str, list[Path]]:
    """Room -> its files, for every folder below the four that holds Python files."""
    files: dict[str, list[Path]] = {}
    for path in sources(*FOLDERS):
        if "migrations" not in path.parts:  # Alembic's folder: its files import nothing of ours but the schema
            files.setdefault(str(path.parent.relative_to(REPOSITORY)), []).append(path)
    return files


def room_of(module: str, names: Collection[str]) -> str | None:
    """The innermost room that a dotted name lies in; None for what is not ours."""
    parts = module.split(".")
    places = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((place for place in places if place in names), None)


def uphill(room: str, source: str, order: Sequence[str]) -> set[str]:
    """Rooms that a source imports although they stand after its own."""
    targets = {room_of(name, order) for name in imported(source)} - {None, room}
    return {target for target in targets if target and order.index(target) > order.index(room)}


def test_the_rooms_are_those_of_the_map_and_import_only_from_rooms_above_them() -> None:
    order, standing = documented_rooms(), rooms()
    assert sorted(order) == sorted(standing)
    assert len(order) >= 35
    for room, files in standing.items():
        for path in files:
            assert not uphill(room, path.read_text(), order), path.relative_to(REPOSITORY)


def test_a_planted_import_between_rooms_is_caught() -> None:
    order = documented_rooms()
    assert uphill("training/model", "from training.recipe.train import judge", order) == {"training/recipe"}
    assert uphill("serving/store/events", "import serving.store.leads.leads", order) == {"serving/store/leads"}
    assert not uphill("training/recipe", "from training.model.hazard import HazardClassifier", order)


def rules() -> list[tuple[str, str]]:
    """File and name of every rule in docs/architecture.md."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    return re.findall(r"^\| .* \| `([a-z_/]+\.py)`: `(\w+)` \|$", text, re.MULTILINE)


def test_a_rule_stands_where_the_document_says_and_nowhere_else() -> None:
    places: dict[str, set[str]] = {}
    for path in sources(*FOLDERS):
        for node in ast.walk(parsed(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                places.setdefault(node.name, set()).add(str(path.relative_to(REPOSITORY)))
    assert len(rules()) >= 15
    for file, name in rules():
        assert places.get(name) == {file}, name


def test_a_room_is_small_and_says_what_belongs_in_it() -> None:
    for room, files in rooms().items():
        assert len(files) <= MOST_FILES, room
        doc = ast.get_docstring(parsed((REPOSITORY / room / "__init__.py").read_text())) or ""
        assert "Belongs here: " in doc, room


def modules() -> list[str]:
    names = [path.relative_to(REPOSITORY).with_suffix("") for path in sources(*FOLDERS)]
    dotted = [".".join(name.parts).removesuffix(".__init__") for name in names]
    return [*TOP, *(name for name in dotted if not name.startswith(RUN_BY_OTHERS))]


def test_the_packages_are_the_repositorys_own() -> None:
    for name in (*FOLDERS, *TOP):
        assert Path(str(importlib.import_module(name).__file__)).is_relative_to(REPOSITORY)


WATCH = """
import sys
deeds = []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        deeds.append((event, str(arguments[0])))
    if event in ("socket.connect", "socket.bind", "subprocess.Popen", "os.mkdir", "os.remove", "os.rename"):
        deeds.append((event, str(arguments)))
import importlib
for name in {before!r}:
    importlib.import_module(name)
sys.addaudithook(watch)
for name in {modules!r}:
    importlib.import_module(name)
print([deed for deed in deeds if "__pycache__" not in deed[1] and ".nbi" not in deed[1] and ".nbc" not in deed[1]])
"""
THIRD_PARTY = [
    *("duckdb", "joblib", "lightgbm", "numba", "numpy", "pandas", "pyarrow.parquet", "scipy.optimize", "sklearn"),
    *(
        "dlt.sources.helpers.rest_client",
        "matplotlib.figure",
        "starlette.routing",
        "sqlalchemy",
        "prometheus_client",
        "pydantic_settings",
        "typer",
        "rich",
    ),
]
"""Imported before the watch begins: what they do at import is theirs."""


def deeds(names: list[str], before: list[str], folder: Path) -> str:
    """What importing modules does to the world once others are imported, in a process of its own."""
    code = WATCH.format(before=before, modules=names)
    words = [sys.executable, "-B", "-c", code]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_does_no_work(tmp_path: Path) -> None:
    assert deeds(modules(), THIRD_PARTY, tmp_path) == "[]"
    assert list(tmp_path.iterdir()) == []


def test_planted_work_at_import_is_caught(tmp_path: Path) -> None:
    (tmp_path / "eager.py").write_text("open('log.txt', 'w').close()")
    assert "log.txt" in deeds(["eager"], [], tmp_path)


def test_every_file_says_in_its_first_line_what_it_is_for() -> None:
    files = [REPOSITORY / f"{name}.py" for name in TOP] + sources(*FOLDERS, COMMANDS, "tests", "benchmarks")
    assert len(files) > 80
    for path in files:
        doc = ast.get_docstring(parsed(path.read_text()))
        assert doc, f"{path} has no docstring"
        first = doc.splitlines()[0]
        assert 15 < len(first) <= 120, f"{path}: {first!r}"


def test_public_functions_and_classes_are_documented() -> None:
    count, missing = 0, []
    for path in [REPOSITORY / f"{name}.py" for name in TOP] + sources(*FOLDERS, COMMANDS):
        for node in parsed(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith(
                "_"
            ):
                count += 1
                missing += [] if ast.get_docstring(node) else [f"{path.relative_to(REPOSITORY)}: {node.name}"]
    assert count > 200
    assert not missing


def test_nothing_that_mlflow_does_not_promise_is_used() -> None:
    for path in sources(*FOLDERS):
        names = {name for name in imported(path.read_text()) if name.startswith("mlflow.")}
        assert not {name for name in names if name.split(".")[1] in PRIVATE_MLFLOW or "._" in name}, path


def test_no_assert_outside_of_tests_and_nothing_unpickled() -> None:
    for path in [REPOSITORY / f"{name}.py" for name in TOP] + sources(*FOLDERS, COMMANDS):
        source = path.read_text()
        assert not [node for node in ast.walk(parsed(source)) if isinstance(node, ast.Assert)], path
        assert not {"pickle", "cloudpickle", "dill", "shelve", "marshal"} & set(imported(source)), path


def test_every_silenced_complaint_has_its_reason() -> None:
    """`type: ignore` and `noqa` name what they silence."""
    for path in sources(*FOLDERS):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            assert "type: ignore" not in line or "type: ignore[" in line, f"{path}:{number}"
            assert "noqa" not in line or "noqa: " in line, f"{path}:{number}"


def untyped(source: str) -> list[int]:
    """Lines that take or give a dictionary of anything, or look a field up by its name in `about`."""
    lines = []
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Subscript):
            kind, inside = ast.unparse(node.value), ast.unparse(node.slice)
            is_any = kind in ("dict", "Mapping", "MutableMapping", "defaultdict") and inside == "(str, Any)"
            if is_any or (kind == "about" and isinstance(node.slice, ast.Constant)):
                lines.append(node.lineno)
    return lines


def test_a_dictionary_of_anything_stays_at_the_door() -> None:
    used = set()
    for path in [REPOSITORY / f"{name}.py" for name in TOP] + sources(*FOLDERS, COMMANDS):
        name = str(path.relative_to(REPOSITORY))
        door = next((door for door in DOORS if name.startswith(door)), None)
        lines = untyped(path.read_text())
        assert door or not lines, f"{name}: lines {lines}"
        used |= {door} if lines else set()
    assert used == set(DOORS)


@pytest.mark.parametrize(
    "source",
    ["def f(row: dict[str, Any]) -> None: ...", "rows: list[Mapping[str, Any]]", 'size = about["parts"]["size"]'],
)
def test_a_planted_dictionary_of_anything_is_caught(source: str) -> None:
    assert untyped(source)
    assert not untyped("counts: dict[str, int]\nrow = rows['a']")
