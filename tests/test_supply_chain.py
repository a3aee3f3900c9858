"""What is installed is locked by hash, listed in a bill of materials, and audited by an auditor that can see."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

LOCKS = ("requirements.lock", "requirements-dev.lock")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")


def pins(lock: str) -> dict[str, str]:
    """Name and version of every pinned package."""
    matches = re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]+\])?==([^\s;\\]+)", (REPOSITORY / lock).read_text(), re.MULTILINE)
    return {name.replace("_", "-").lower(): version for name, version in matches}


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_is_pinned_with_hashes_and_no_host_is_named(lock: str) -> None:
    text = (REPOSITORY / lock).read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", "\n" + text)[1:]
    assert len(blocks) == len(pins(lock)) > 50
    for block in blocks:
        assert HASH.search(block), f"{block.splitlines()[0]} has no hash"
    assert not re.search(r"https?://|index-url|find-links|git\+|@ file", text)


def test_the_lock_of_developers_holds_the_same_versions_as_that_of_users() -> None:
    users, developers = pins(LOCKS[0]), pins(LOCKS[1])
    assert users.items() <= developers.items()


def make(target: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    words = ["make", "--no-print-directory", "--assume-old=.venv/ready", target, f"VAR={tmp_path}"]
    environment = {**os.environ, **environment}
    return subprocess.run(
        words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_bill_of_materials_lists_all_of_the_lock(tmp_path: Path) -> None:
    done = make("sbom", tmp_path)
    assert done.returncode == 0, done.stderr
    bill = json.loads((tmp_path / "sbom.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = {component["name"].replace("_", "-").lower(): component["version"] for component in bill["components"]}
    assert listed == pins("requirements.lock")
    for component in bill["components"]:
        assert component["purl"].startswith("pkg:pypi/"), component["name"]


def auditor(folder: Path, script: str) -> Path:
    """A stand-in for pip-audit."""
    path = folder / "auditor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


BLIND = 'echo "No known vulnerabilities found"'
BROKEN = 'echo "connection refused" >&2; exit 1'
SEEING = (
    'case "$*" in *canary*) echo "jinja2 2.4.1 PYSEC-2014-8"; exit 1;; *) echo "No known vulnerabilities found";; esac'
)
ALARMED = 'echo "jinja2 2.4.1 PYSEC-2014-8"; exit 1'


@pytest.mark.parametrize(
    ("script", "code", "said", "unsaid"),
    [
        (BLIND, 0, "audit: not run", "No known vulnerabilities found"),
        (BROKEN, 0, "audit: not run", "No known vulnerabilities found"),
        (SEEING, 0, "No known vulnerabilities found", "audit: not run"),
        (ALARMED, 2, "jinja2 2.4.1 PYSEC-2014-8", "audit: not run"),
    ],
)
def test_ci_audits_where_the_auditor_sees_and_says_where_it_does_not(
    script: str, code: int, said: str, unsaid: str, tmp_path: Path
) -> None:
    words = [str(REPOSITORY / ".ci" / "audit"), "--assume-old=.venv/ready", f"VAR={tmp_path}"]
    environment = {**os.environ, "AUDITOR": str(auditor(tmp_path, script))}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code, done.stderr
    assert said in done.stdout.splitlines()
    assert unsaid not in done.stdout.splitlines()
    assert ".ci/audit\n" in (REPOSITORY / ".ci" / "run").read_text()


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        (BLIND, False, "the audit did not run"),
        (BROKEN, False, "the audit did not run"),
        (SEEING, True, "No known vulnerabilities found"),
        (ALARMED, False, "PYSEC-2014-8"),
    ],
)
def test_an_auditor_that_misses_the_canary_counts_as_not_run(
    script: str, code: bool, message: str, tmp_path: Path
) -> None:
    done = make("audit", tmp_path, AUDITOR=str(auditor(tmp_path, script)))
    assert (done.returncode == 0) == code, done.stdout + done.stderr
    assert message in done.stdout + done.stderr
    assert ("the audit did not run" in done.stderr) == (message == "the audit did not run")
