"""The artifact scores where nothing of leadscore is: with lightgbm and numpy alone, and by MLflow without pickle."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from packaging.requirements import Requirement

from features.training_shard import KEYS
from training.artifact.standalone import load
from training.model.artifact_predictions import predict
from training.samples.log_odds import Array
from training.samples.sample import read_sample
from workspace import Workspace

ROWS = 200
BARE = """
import json, sys
sys.path[:0] = {paths!r}
for name in ("sklearn", "pandas", "mlflow", "pyarrow", "training", "leadscore"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(name + " can be imported: the environment is not bare")
from standalone import load
model = load({folder!r})
print(json.dumps(model.predict(model.encode(json.load(open({rows!r})))).tolist()))
"""
PYFUNC = """
import json, pickle, sys
import cloudpickle, joblib, mlflow, pandas as pd
for name in ("training", "leadscore", "features"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(name + " can be imported: the repository is not absent")
def refuse(*args, **kwargs):
    raise SystemExit("something was unpickled")
pickle.load = pickle.loads = pickle.Unpickler = cloudpickle.load = cloudpickle.loads = joblib.load = refuse
model = mlflow.pyfunc.load_model({model!r})
names = model.metadata.get_input_schema().input_names()
rows = pd.DataFrame(json.load(open({rows!r})), columns=names)
print(json.dumps(model.predict(rows)["probability"].tolist()))
"""


@pytest.fixture(scope="module")
def table(trained: Workspace) -> pa.Table:
    """Features of some moments of the training set."""
    return read_sample(trained.build()).features.slice(0, ROWS)


@pytest.fixture(scope="module")
def expected(trained: Workspace, table: pa.Table) -> Array:
    """What our own scorer says of them."""
    p = predict(trained.champion().load(), _Rows(table))  # type: ignore[arg-type] # a sample's features are all it takes
    assert len(np.unique(p)) > ROWS / 4
    return p


class _Rows:
    def __init__(self, features: pa.Table) -> None:
        self.features = features


@pytest.fixture(scope="module")
def rows(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The moments as a foreign system would send them: JSON, null for what is missing."""
    plain = [{name: None if value != value else value for name, value in row.items()} for row in table.to_pylist()]
    path = tmp_path_factory.mktemp("rows") / "rows.json"
    path.write_text(json.dumps(plain))
    assert not set(KEYS) & set(plain[0])
    return path


def needed(*names: str) -> set[str]:
    """These distributions and all that they cannot do without."""
    needs: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in needs:
            needs.add(name)
            required = [Requirement(line) for line in distribution(name).requires or []]
            waiting += [
                requirement.name
                for requirement in required
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            ]
    return needs


def bare_site(folder: Path) -> Path:
    """A folder of links to lightgbm, numpy, what they need, and nothing else of this environment."""
    folder.mkdir()
    for name in needed("lightgbm", "numpy"):
        for top in {Path(str(file)).parts[0] for file in distribution(name).files or []} - {"..", "__pycache__"}:
            package = Path(sysconfig.get_path("purelib")) / top
            if package.exists():
                (folder / top).symlink_to(package)
    return folder


def run(code: str, folder: Path, *options: str, **environment: str) -> Any:
    """What a script prints as JSON, run in a folder of its own by a new Python."""
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_scores_with_lightgbm_and_numpy_alone(
    trained: Workspace, rows: Path, expected: Array, tmp_path: Path
) -> None:
    folder = trained.champion().folder
    paths = [str(bare_site(tmp_path / "site")), str(folder)]
    predicted = run(BARE.format(paths=paths, folder=str(folder), rows=str(rows)), tmp_path, "-I", "-S")
    np.testing.assert_allclose(predicted, expected, rtol=0, atol=1e-12)


ABSENT = """
import sys
class Absent:
    def find_spec(name, path=None, target=None):
        if name in ("data", "features", "training", "serving", "leadscore", "workspace", "console"):
            raise ModuleNotFoundError(name)
        if name.startswith("settings"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent)
"""


def mlflow_environment(trained: Workspace, folder: Path) -> dict[str, str]:
    """Settings of MLflow processes, and of those that they start, to which the repository does not exist."""
    (folder / "sitecustomize.py").write_text(ABSENT)
    return {
        "MLFLOW_TRACKING_URI": trained.registry.uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": str(folder),
        "PYTHONWARNINGS": "ignore",
    }


def test_mlflow_loads_it_without_the_repository_and_without_unpickling(
    trained: Workspace, rows: Path, expected: Array, tmp_path: Path
) -> None:
    code = PYFUNC.format(model=f"models:/{trained.model_name}@champion", rows=str(rows))
    predicted = run(code, tmp_path, **mlflow_environment(trained, tmp_path))
    np.testing.assert_allclose(predicted, expected, rtol=0, atol=1e-12)


def test_the_model_logged_to_mlflow_holds_no_pickle(trained: Workspace) -> None:
    files = [path for path in (trained.root / "mlartifacts").rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib", ".cloudpickle")]
    assert not [path for path in files if path.suffix != ".png" and path.read_bytes()[:1] == b"\x80"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_mlflow_serves_it_in_a_process_of_its_own(
    trained: Workspace, rows: Path, expected: Array, tmp_path: Path
) -> None:
    port, uri = free_port(), f"models:/{trained.model_name}@champion"
    command = ["-m", "mlflow", "models", "serve", "--model-uri", uri, "--env-manager", "local", "--port", str(port)]
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, *command, "--workers", "1"],
            cwd=tmp_path,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(tmp_path),
                **mlflow_environment(trained, tmp_path),
            },
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            answer = _asked(port, json.loads(rows.read_text())[:20], server, tmp_path / "server.log")
        finally:
            os.killpg(server.pid, 15)
            server.wait(30)
    predicted = [prediction["probability"] for prediction in answer["predictions"]]
    np.testing.assert_allclose(predicted, expected[:20], rtol=0, atol=1e-12)


def _asked(port: int, rows: list[dict[str, Any]], server: subprocess.Popen[bytes], log: Path) -> Any:
    """The server's answer, once it is there."""
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
    while True:
        try:
            httpx.get(f"{url}/ping", timeout=5).raise_for_status()
            break
        except httpx.HTTPError:
            assert server.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.5)
    reply = httpx.post(f"{url}/invocations", json={"dataframe_records": rows}, timeout=60)
    assert reply.status_code == 200, reply.text + log.read_text()[-2000:]
    return reply.json()


def test_encoding_takes_null_nan_and_unseen_for_missing(trained: Workspace) -> None:
    model = load(trained.champion().folder)
    category = next(name for name, codes in zip(model.features, model.codes, strict=True) if codes)
    number = next(name for name, codes in zip(model.features, model.codes, strict=True) if codes is None)
    rows: list[dict[str, Any]] = [
        {},
        {category: None, number: None},
        {category: "never seen", number: float("nan")},
        {"unknown": 3},
    ]
    assert np.isnan(model.encode(rows)).all()
    known = next(iter(model.codes[model.features.index(category)] or {}))
    assert model.encode([{category: known, number: 7}])[0, model.features.index(number)] == 7
