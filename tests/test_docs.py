"""The README cannot lag: it names every command and every setting, and what it tells people to type can be typed."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from commands.app import app
from settings_file import keys
from tests.conftest import REPOSITORY

README = REPOSITORY / "README.md"
DOCUMENTS = sorted((REPOSITORY / "docs").rglob("*.md"))


@pytest.fixture(scope="module")
def text() -> str:
    if not README.exists():
        pytest.skip("there is no README.md yet")
    return README.read_text(encoding="utf-8")


def test_every_command_is_in_the_readme(text: str) -> None:
    names = {command.name or str(command.callback.__name__) for command in app.registered_commands if command.callback}
    assert len(names) >= 8
    missing = {name for name in names if not re.search(rf"leadscore(\.py)? {name}\b|make {name}\b", text)}
    assert not missing


def test_every_section_of_the_settings_is_in_the_readme(text: str) -> None:
    sections = {key.partition(".")[0] for key in keys() if "." in key}
    assert len(sections) >= 5
    assert not {section for section in sections if f"[{section}" not in text and f"`{section}" not in text}


def test_what_is_to_be_typed_is_shell(text: str) -> None:
    blocks = re.findall(r"^```(?:sh|bash|shell)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert done.returncode == 0, block + done.stderr


def test_commands_in_the_documents_can_be_followed() -> None:
    """Every `leadscore …` line of a document has a command and options that exist; values are not checked."""
    commands = get_command(app)
    count = 0
    for path in [README, *DOCUMENTS]:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"(?:^|[`(])(?:\S*bin/)?leadscore ([a-z][^`#\n]*)", text, re.MULTILINE):
            count += 1
            assert not unknown_words(commands, shlex.split(line.partition("`")[0].rstrip(")"))), f"{path.name}: {line}"
    assert count >= 20


def missing(text: str) -> list[str]:
    """Files and folders of the repository that a document names and that are not there."""
    names = re.findall(r"[`(]([\w./-]+(?:/|\.(?:py|md|toml|sh|lock)))[`)]", text)
    return [name for name in names if not (REPOSITORY / name).exists()]


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md"])
def test_what_a_guide_points_at_is_there(name: str) -> None:
    assert missing((REPOSITORY / name).read_text(encoding="utf-8")) == []


def test_a_file_that_is_not_there_is_caught() -> None:
    assert missing("see `docs/gone.md`, [this](setup.py) and `serving/attic/`") == ["docs/gone.md", "serving/attic/"]


def test_the_readme_is_short_and_lists_every_document(text: str) -> None:
    """One list has them all: whoever looks for something looks there."""
    assert len(text.splitlines()) <= 150
    listed = text.partition("\n## Documents\n")[2]
    assert len(DOCUMENTS) > 10
    guides = [REPOSITORY / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
    paths = [str(path.relative_to(REPOSITORY)) for path in (*DOCUMENTS, *guides)]
    assert [path for path in paths if f"({path})" not in listed] == []


def empty_headings(document: str) -> list[str]:
    """Headings that nothing follows but another one that is no smaller, or the end."""
    lines = [line for line in re.sub(r"^```.*?^```", "code", document, flags=re.M | re.S).splitlines() if line.strip()]
    pairs = zip(lines, [*lines[1:], "# end"], strict=True)
    level = [(line, re.match("#+ ", line), re.match("#+ ", after)) for line, after in pairs]
    return [line for line, this, after in level if this and after and len(after[0]) <= len(this[0])]


@pytest.mark.parametrize("path", [README, *DOCUMENTS], ids=lambda path: path.name)
def test_no_heading_is_empty(path: Path) -> None:
    assert empty_headings(path.read_text(encoding="utf-8")) == []


def test_an_empty_heading_is_caught() -> None:
    text = "# A\n## B\n## C\ntext\n```sh\n# no heading\n```\n### D\n## E\n"
    assert empty_headings(text) == ["## B", "### D", "## E"]


def unknown_words(command: Any, words: list[str]) -> list[str]:
    """Sub-commands and options in a line that the command line does not know."""
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return words[:1]
        command, words = command.commands[words[0]], words[1:]
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    return [word for word in words if word.startswith("--") and word.partition("=")[0] not in options]


def test_an_option_that_is_not_there_is_caught() -> None:
    assert unknown_words(get_command(app), ["keys", "create", "--role", "score"]) == ["--role"]
    assert unknown_words(get_command(app), ["fly"]) == ["fly"]
