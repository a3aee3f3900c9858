"""The peers of the serving benchmark on the same model: they are spared the features, which are sent ready-made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.serving._contender import OUT, Contender, leads
from serving.http.answers import scores
from serving.messages.schemas import Extra, ScoreRequest
from serving.messages.times import written_us
from serving.scoring.served_model import ServedModel

ENVIRONMENT = OUT / "env"
PACKAGES = ("bentoml", "lightgbm", "numpy<3")
SERVICE = """
import sys
import bentoml
sys.path.insert(0, {artifact!r})
import standalone

@bentoml.service(workers=1)
class Leads:
    def __init__(self) -> None:
        self.model = standalone.load({artifact!r})

    @bentoml.api
    def predict(self, rows: list[dict]) -> list[float]:
        return self.model.predict(self.model.encode(rows)).tolist()
"""


def contenders(artifact: Path) -> Iterator[Contender]:
    """`mlflow models serve` from our own environment, BentoML from one below var/bench/env."""
    one, many = _features(artifact, 200), _features(artifact, 500)
    rows = [json.dumps({"dataframe_records": [features]}).encode() for features in one]
    yield Contender("mlflow models serve", _mlflow(artifact), 18111, "POST", "/invocations", rows, "/ping")
    bento, path = _bentoml(artifact), "/predict"
    rows = [json.dumps({"rows": [features]}).encode() for features in one]
    yield Contender("BentoML", bento, 18112, "POST", path, rows, "/readyz")
    batch = [json.dumps({"rows": many}).encode()]
    yield Contender("BentoML, batch of 500", bento, 18113, "POST", path, batch, "/readyz", 500)


def _features(artifact: Path, n: int) -> list[dict[str, Any]]:
    live = ServedModel.load(artifact, "model", "1")
    requests = [msgspec.convert(lead, ScoreRequest) for lead in leads(n)]
    as_of = [written_us(request.as_of, "as_of") for request in requests if request.as_of is not None]
    histories = live.request_histories(requests, as_of)
    answers = scores(live, histories, live.score(histories, as_of), as_of, [[]] * n, Extra(features=True))
    return [msgspec.to_builtins(answer)["features"] for answer in answers]


def _mlflow(artifact: Path) -> list[str]:
    folder = OUT / "mlflow-model"
    if not folder.exists():
        code = (
            "import mlflow, sys; mlflow.pyfunc.save_model(sys.argv[1], python_model='training/artifact/pyfunc.py', "
            "artifacts={'model': sys.argv[2]}, pip_requirements=[])"
        )
        subprocess.run([sys.executable, "-c", code, str(folder), str(artifact)], check=True)
    command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "--model-uri", str(folder)]
    return [*command, "--env-manager", "local", "--workers", "1", "--port"]


def _bentoml(artifact: Path) -> list[str]:
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "ready").exists():
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *PACKAGES], check=True)
        (ENVIRONMENT / "ready").touch()
    service = OUT / "bento"
    service.mkdir(parents=True, exist_ok=True)
    (service / "service.py").write_text(SERVICE.format(artifact=str(artifact.resolve())), encoding="utf-8")
    command = [str(python), "-m", "bentoml", "serve", "service:Leads", "--working-dir", str(service)]
    return [*command, "--port"]
