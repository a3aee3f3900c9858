"""What somebody gets who runs the image: by the Dockerfile's own words, with a checkout in the place of the package."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import REPOSITORY
from tests.serving.server_process import launched
from tests.serving.workshop import Workshop


def told(data: Path, artifact: Path) -> list[str]:
    """ENTRYPOINT and CMD, with another place for /data, the checkout's program, a free port and a model."""
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    words = [
        word for name in ("ENTRYPOINT", "CMD") for word in json.loads(re.findall(rf"^{name} (\[.*\])$", text, re.M)[0])
    ]
    assert words[0] == "leadscore"
    own = [str(data) if word == "/data" else word for word in words[1:]]
    return [sys.executable, "leadscore.py", *own, "--artifact", str(artifact), "--port", "0"]


def environment(**said: str) -> dict[str, str]:
    unset = {name: value for name, value in os.environ.items() if not name.startswith("LEADSCORE_")}
    return unset | {"PYTHONPATH": str(REPOSITORY)} | said


def test_bare_it_says_in_a_line_what_is_to_be_said_and_ends(tmp_path: Path, workshop: Workshop) -> None:
    command = told(tmp_path / "data", workshop.artifact)
    done = subprocess.run(command, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    for word in ("LEADSCORE_TRUSTED_PROXY", "LEADSCORE_PLAIN_HTTP=1", "unencrypted"):
        assert word in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "said", [{"LEADSCORE_PLAIN_HTTP": "1"}, {"LEADSCORE_TRUSTED_PROXY": "10.0.0.2 10.1.0.0/16"}], ids=["plain", "proxy"]
)
def test_with_one_word_in_the_environment_it_serves(tmp_path: Path, workshop: Workshop, said: dict[str, str]) -> None:
    data = tmp_path / "data"
    server = launched(told(data, workshop.artifact), tmp_path / "log", REPOSITORY, environment(**said))
    try:
        server.ready()
        assert httpx.get(f"{server.url}/v1/leads").status_code == 401, "it asks for a key"
        assert (data / "store.db").exists(), "what it writes goes to the volume"
    finally:
        server.stop()
