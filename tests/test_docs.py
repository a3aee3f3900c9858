"""The README cannot lag: it names every command and every setting, and what it tells people to type can be typed."""

from __future__ import annotations

import re
import subprocess

import pytest

import leadscore
from settings import keys
from tests.conftest import REPOSITORY

README = REPOSITORY / "README.md"


@pytest.fixture(scope="module")
def text() -> str:
    if not README.exists():
        pytest.skip("there is no README.md yet")
    return README.read_text(encoding="utf-8")


def test_every_command_is_in_the_readme(text: str) -> None:
    names = {str(each.callback.__name__) for each in leadscore.app.registered_commands if each.callback}
    assert len(names) >= 8
    missing = {name for name in names if not re.search(rf"leadscore(\.py)? {name}\b|make {name}\b", text)}
    assert not missing


def test_every_section_of_the_settings_is_in_the_readme(text: str) -> None:
    sections = {key.partition(".")[0] for key in keys() if "." in key}
    assert len(sections) >= 5
    assert not {each for each in sections if f"[{each}" not in text and f"`{each}" not in text}


def test_what_is_to_be_typed_is_shell(text: str) -> None:
    blocks = re.findall(r"^```(?:sh|bash|shell)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert done.returncode == 0, block + done.stderr
