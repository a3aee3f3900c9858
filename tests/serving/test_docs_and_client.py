"""The examples of README.md and docs/api.md answer as printed there; the client retries and counts nothing twice."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from clients.leadscore_client import Client, Event, LeadscoreError, Profile
from tests.conftest import REPOSITORY
from tests.serving.server_process import ServerProcess, running
from tests.serving.workshop import Workshop

EXAMPLE = re.compile(r"```sh\n([^`]*)```\n```json\n([^`]*)```")
ASK = 'ask() { curl --silent --header "Content-Type: application/json" "$@"; }\n'


@pytest.fixture(scope="module")
def server(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running(workshop, tmp_path_factory.mktemp("server")) as start:
        started = start()
        started.ready()
        yield started


@pytest.mark.parametrize(("document", "floor"), [("README.md", 3), ("docs/api.md", 6)])
def test_every_documented_line_answers_as_printed(server: ServerProcess, document: str, floor: int) -> None:
    examples = EXAMPLE.findall((REPOSITORY / document).read_text(encoding="utf-8"))
    assert len(examples) >= floor
    for command, printed in examples:
        environment = {"URL": server.url, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(["bash", "-c", ASK + command], env=environment, capture_output=True, check=True)
        assert_same_shape(json.loads(printed), json.loads(done.stdout), command)


def assert_same_shape(printed: Any, answered: Any, where: str) -> None:
    """The same fields of the same kinds; numbers, texts and the length of lists are the model's business."""
    if isinstance(printed, dict) and isinstance(answered, dict):
        free = where.endswith(".removed")
        assert free or printed.keys() == answered.keys(), where
        for name in printed.keys() & answered.keys():
            assert_same_shape(printed[name], answered[name], f"{where}.{name}")
    elif isinstance(printed, list) and isinstance(answered, list):
        for one, other in zip(printed, answered, strict=False):
            assert_same_shape(one, other, f"{where}[]")
    elif printed is not None and answered is not None:
        numbers = (int, float)
        alike = isinstance(printed, numbers) and isinstance(answered, numbers)
        assert alike or type(printed) is type(answered), f"{where}: {printed!r} is printed, {answered!r} is answered"


def test_the_documented_statuses_are_all_there_are() -> None:
    from serving.messages.problems import STATUS

    documented = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8").partition("## Refusals")[2]
    missing = [code for code in STATUS if f"`{code}`" not in documented and code != "internal"]
    assert missing == []


class Flaky(BaseHTTPRequestHandler):
    """A proxy that passes every request on, and loses the first answers on the way back."""

    upstream = ""
    losses = 2

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name: self.headers[name] for name in ("content-type", "idempotency-key")}
        answer = httpx.post(f"{self.upstream}{self.path}", content=body, headers=headers)
        if type(self).losses > 0:
            type(self).losses -= 1
            self.close_connection = True
            return
        self.send_response(answer.status_code)
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def test_an_answer_that_is_lost_counts_nothing_twice(server: ServerProcess) -> None:
    Flaky.upstream, Flaky.losses = server.url, 2
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    thread = threading.Thread(target=proxy.serve_forever)
    thread.start()
    try:
        with Client(f"http://127.0.0.1:{proxy.server_address[1]}") as client:
            events = [Event("L-7", "page_view", datetime(2024, 5, day, tzinfo=UTC)) for day in (1, 2, 3)]
            receipt = client.send([*events, Event("", "page_view", datetime(2024, 5, 1, tzinfo=UTC))])
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
    assert Flaky.losses == 0
    assert (receipt.accepted, receipt.duplicate) == (3, 0), "the same key brings the same answer"
    assert [reason for _, reason in receipt.rejected] == ["lead_id is missing"]
    with Client(server.url) as client:
        assert client.send(events).duplicate == 3
        assert client.score("L-7").answer["score"]["events_counted"] == 3


def test_a_client_does_all_that_is_documented(server: ServerProcess) -> None:
    now = datetime.now(UTC)
    with Client(server.url) as client:
        client.put("L 8", {"industry": "software", "employees": 12}, datetime(2024, 5, 1, tzinfo=UTC))
        versions = [Profile(name, {"employees": 12}, datetime(2024, 4, 1, tzinfo=UTC)) for name in ("L 8", " ", "L 9")]
        many = client.put_many(versions)
        assert (many.accepted, many.duplicate, [profile for profile, _ in many.rejected]) == (2, 0, versions[1:2])
        stored = client.score("L 8", as_of=now)
        assert 0 < stored.interval[0] < stored.interval[1] < 1
        spoken = [client.score("L 8", as_of=now, reasons=True, language=language).answer for language in ("en", "de")]
        english, german = (answer["score"]["reasons"]["speaks_against"][0]["words"] for answer in spoken)
        assert english != german
        score = client.score_told({"industry": "software"}, [Event("x", "page_view", now)], as_of=now)
        assert score.model_version == stored.model_version
        _, cursor = client.changes()
        client.put("L 9", {"employees": 13}, datetime(2024, 5, 1, tzinfo=UTC))
        changed, cursor = client.changes(cursor)
        assert [lead["lead_id"] for lead in changed] == ["L 9"]
        assert client.changes(cursor)[0] == []
        with pytest.raises(LeadscoreError, match="neither an account nor an owner"):
            client.work("L 9", "take", 0, owner="anna")
        client.put("L 9", {"owner": "anna"}, datetime(2024, 5, 2, tzinfo=UTC))
        assert [client.work("L 9", "take", 0, owner="anna")["number"] for _ in range(2)] == [1, 1]
        assert client.work("L 9", "reject", 1, reason="timing")["owner"] == "anna"
        with pytest.raises(LeadscoreError, match="rejected by anna"):
            client.work("L 9", "accept", 1)
        assert client.forget("L 8")["signature"]
        with pytest.raises(LeadscoreError, match="not_found"):
            client.score("L 8")
        assert client.send([Event("L 8", "page_view", now)]).rejected, "a late event of an erased lead is kept out"
