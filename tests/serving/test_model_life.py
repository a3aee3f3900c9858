"""Models come and go under load without a failed request; damaged ones are refused and the old one serves on."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from serving.messages.examples import LEAD
from serving.scoring.served_model import ServedModel
from tests.artifacts import edit_manifest
from tests.serving.conftest import Starts
from tests.serving.server_process import ServerProcess
from tests.serving.workshop import Workshop, shifted
from training.registry.artifact_files import digest_of, seal


@dataclass
class Load:
    """Clients that ask without a pause until told to stop; each answer is kept as (model digest, probability)."""

    url: str
    clients: int = 4
    answers: list[tuple[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    until: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Load:
        self.threads = [threading.Thread(target=self._ask) for _ in range(self.clients)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.until.set()
        for thread in self.threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self.until.is_set():
                answer = client.post("/v1/score", json=LEAD)
                if answer.status_code == 200:
                    body = answer.json()
                    self.answers.append((body["model"]["digest"], body["score"]["probability"]))
                else:
                    self.failures.append(answer.text)


def replaced(artifact: Path, by: Path) -> None:
    """Puts another artifact into the folder that a server watches."""
    shutil.rmtree(artifact)
    shutil.copytree(by, artifact)


def serves(server: ServerProcess, artifact: Path) -> bool:
    return bool(told_model(server)["model"]["digest"] == digest_of(artifact))


def refused_more(server: ServerProcess, than: int) -> bool:
    return _refusals(server) > than


def told_model(server: ServerProcess) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{server.url}/v1/model", verify=False).json()
    return answer


@pytest.mark.proof("swap")
def test_swaps_under_load(start: Starts, workshop: Workshop, tmp_path: Path, full: bool) -> None:
    watched = shutil.copytree(workshop.artifact, tmp_path / "watched")
    swaps = 50 if full else 2
    models = [shifted(workshop.artifact, tmp_path / f"model-{i}", 0.1 * i) for i in range(swaps)]
    expected = {digest_of(artifact): _probability(artifact) for artifact in (workshop.artifact, *models)}
    server = start(artifact=watched)
    server.ready()
    with Load(server.url) as load:
        for artifact in models:
            replaced(watched, artifact)
            server.until(partial(serves, server, artifact))
        server.until(lambda: len(load.answers) + len(load.failures) >= (20_000 if full else 200))
    assert not load.failures
    assert {digest for digest, _ in load.answers} >= {digest_of(model) for model in models}
    assert all(probability == pytest.approx(expected[digest], abs=1e-12) for digest, probability in load.answers)


def _probability(artifact: Path) -> float:
    from serving.messages.times import written_us
    from serving.routes.scores import ONE

    live, request = ServedModel.load(artifact, "m", "1"), ONE.decode(json.dumps(LEAD).encode())
    as_of = written_us(request.as_of, "as_of") if request.as_of else 0
    return float(live.score(live.request_histories([request], [as_of]), [as_of]).probability[0])


Damage = Callable[[Path, np.random.Generator], None]


def cut(artifact: Path, rng: np.random.Generator) -> None:
    path = _file(artifact, rng)
    path.write_bytes(path.read_bytes()[: int(rng.integers(0, path.stat().st_size))])


def bytes_deleted(artifact: Path, rng: np.random.Generator) -> None:
    path = _file(artifact, rng)
    content = path.read_bytes()
    at = int(rng.integers(0, len(content) - 1))
    path.write_bytes(content[:at] + content[at + int(rng.integers(1, 60)) :])


def digits_changed(artifact: Path, rng: np.random.Generator) -> None:
    path = artifact / "booster-0.txt"
    content = bytearray(path.read_bytes())
    digits = [i for i, byte in enumerate(content) if 48 <= byte <= 57]
    for at in rng.choice(digits, 3, replace=False).tolist():
        content[at] = 48 + (content[at] - 47) % 10
    path.write_bytes(bytes(content))


def other_features(artifact: Path, rng: np.random.Generator) -> None:
    def rename(plain: dict[str, Any]) -> None:
        plain["features"][int(rng.integers(0, len(plain["features"])))]["name"] = "count_nothing_7d"

    edit_manifest(artifact, rename)


def other_flavour(artifact: Path, rng: np.random.Generator) -> None:
    for path in artifact.glob("booster-*"):
        path.unlink()
    (artifact / "model.xgb").write_text("{}")
    seal(artifact, b'{"format": "xgboost", "boosters": []}')


def pickled(artifact: Path, rng: np.random.Generator) -> None:
    (artifact / "booster-0.pkl").write_bytes(b"cos\nsystem\n(S'kill -9 $PPID'\ntR.")
    edit_manifest(artifact, lambda plain: plain["boosters"][0].update(file="booster-0.pkl"))


def honestly_broken(artifact: Path, rng: np.random.Generator) -> None:
    """A damaged booster whose hash and size are right: only the trial in a process of its own can tell."""
    import hashlib

    path = artifact / "booster-0.txt"
    content = path.read_bytes().replace(b"left_child=", b"left_child=7777 ")
    path.write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    edit_manifest(artifact, lambda plain: plain["boosters"][0].update(entry))


DAMAGES: tuple[Damage, ...] = (
    cut,
    bytes_deleted,
    digits_changed,
    other_features,
    other_flavour,
    pickled,
    honestly_broken,
)


@pytest.mark.proof("bad-model")
def test_damaged_artifacts_are_refused(start: Starts, workshop: Workshop, tmp_path: Path, full: bool) -> None:
    watched = shutil.copytree(workshop.artifact, tmp_path / "watched")
    server, rng = start(artifact=watched), np.random.default_rng(4)
    server.ready()
    before, tried = told_model(server)["model"], 0
    for number in range(100 if full else len(DAMAGES)):
        draft = shutil.copytree(workshop.artifact, tmp_path / "draft")
        DAMAGES[number % len(DAMAGES)](draft, rng)
        refusals = _refusals(server)
        replaced(watched, draft)
        shutil.rmtree(draft)
        server.until(partial(refused_more, server, refusals))
        assert told_model(server)["model"] == before
        assert "was refused" in httpx.get(f"{server.url}/v2/health/ready").json()["detail"]
        assert httpx.post(f"{server.url}/v1/score", json=LEAD).status_code == 200
        tried += 1
    replaced(watched, workshop.other)
    server.until(partial(serves, server, workshop.other))
    assert told_model(server)["refusal"] is None
    assert tried >= len(DAMAGES)


def _refusals(server: ServerProcess) -> int:
    return sum(line["event"] == "model_refused" for line in server.log_lines())


def _file(artifact: Path, rng: np.random.Generator) -> Path:
    return artifact / ("booster-0.txt", "booster-1.txt", "model.json")[int(rng.integers(0, 3))]


@pytest.mark.proof("mlflow-away")
def test_scores_go_on_and_a_cold_start_works_while_the_registry_is_away(
    start: Starts, workshop: Workshop, full: bool
) -> None:
    first = start()
    first.ready()
    assert first.stop() == 0
    away = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    second = start(artifact=None, environment=away)
    second.ready()
    second.until(lambda: any(line["event"] == "registry_away" for line in second.log_lines()))
    asked, end = 0, time.monotonic() + (600 if full else 1)
    while time.monotonic() < end or not asked:
        assert httpx.post(f"{second.url}/v1/score", json=LEAD).status_code == 200
        asked += 1
        time.sleep(0.01)
    assert told_model(second)["model"]["digest"] == digest_of(workshop.artifact)
