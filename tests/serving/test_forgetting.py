"""Forgetting through the server takes a lead out of the workspace's event log and exports as well."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from data.contract import DataError
from data.log.eventlog import EventLog
from serving.app import create_app
from serving.http.services import Services
from tests.serving.inside import Inside
from tests.serving.workshop import Workshop


def test_a_forgotten_lead_is_in_no_log_and_no_export(services: Services, workshop: Workshop, tmp_path: Path) -> None:
    workspace = tmp_path / "var"
    shutil.copytree(workshop.log, workspace / "log")
    lead = str(EventLog.open(workspace / "log").bucket(0).lead_ids[0].as_py())
    (workspace / "scores.csv").write_text(f"lead_id,probability\n{lead},0.5\nsomebody,0.4\n")
    with closing(Inside(create_app(replace(services, workspace=workspace)))) as asked:
        answer = asked("DELETE", f"/v1/leads/{lead}")
    assert answer.status_code == 200
    removed = answer.json()["removed"]
    assert removed["event log"] > 1
    assert removed["exports"] == 1
    assert lead not in answer.text
    assert (workspace / "scores.csv").read_text() == "lead_id,probability\nsomebody,0.4\n"
    with pytest.raises(DataError, match="is not in"):
        EventLog.open(workspace / "log").find(lead)


def test_the_server_does_without_what_ingests_and_trainings_use() -> None:
    """Erasing needs no DuckDB: a server would carry it around for nothing. Arrow arrays made at import bring pandas."""
    assert imported_by("serving.app", {"duckdb", "joblib", "mlflow", "pandas"}) == set()


def test_the_trial_of_a_model_does_without_the_store() -> None:
    assert imported_by("serving.champion.smoke_test", {"sqlalchemy", "duckdb", "joblib", "mlflow", "pandas"}) == set()
    assert imported_by("serving.app", {"sqlalchemy"}) == {"sqlalchemy"}


def imported_by(module: str, packages: set[str]) -> set[str]:
    """Which of some packages come with a module."""
    code = f"import sys, {module}; print(*{packages} & {{*sys.modules}})"
    shown = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True, capture_output=True)
    return set(shown.stdout.decode().split())
