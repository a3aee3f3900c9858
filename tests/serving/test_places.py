"""No place that can hold an id is forgotten: one is put through all there is, and its bytes looked for everywhere."""

from __future__ import annotations

import csv
import json
import shutil
import uuid
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.erasure.files import can_clean
from data.erasure.lead_ids import HEADINGS
from serving.app import create_app
from serving.http.services import Services
from serving.pages.rendering.addresses import lead_address
from serving.pages.rendering.texts import known
from serving.store.database.schema import metadata
from serving.store.privacy.places import FILES, TABLES, Cleaning, place_of
from serving.store.store import open_store
from tests.serving.inside import Inside
from tests.serving.pages.browser import PASSWORD, Visitor
from tests.test_cli import Shell
from tests.whole_workspace import bytes_of, files
from workspace import Workspace

AT = "2024-05-01T12:00:00Z"


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Shell(capsys, monkeypatch)


@pytest.fixture
def lived_in(trained: Workspace, tmp_path: Path) -> Path:
    """A copy of a workspace with log, training set, runs, registry and reports."""
    root = tmp_path / "var"
    shutil.copytree(trained.root, root)
    return root


def an_open_lead(root: Path, shell: Shell) -> str:
    """Puts out lists in each form; the first lead in them that was learnt from as well."""
    for name in ("best.csv", "best.parquet", "../elsewhere.csv"):
        assert shell("score", "--out", root / name, "--var", root, "--config", root / "small.toml")[0] == 0
    output = shell("score", "--out", root / "x.csv", "--var", root, "--config", root / "small.toml", "--json")[1]
    (root / "told.json").write_text(output)
    shards = [pq.read_table(shard, columns=["lead_id"]) for shard in root.glob("training_set/*/rows/*.parquet")]
    learnt = set(pa.concat_tables(shards).column("lead_id").to_pylist())
    with (root / "best.csv").open() as file:
        return str(next(row["lead_id"] for row in csv.DictReader(file) if row["lead_id"] in learnt))


def ask_everything(root: Path, lead: str, services: Services) -> None:
    """What services and people can do with a lead, and what they take along."""
    with open_store(f"sqlite:///{root / 'store.db'}") as store:
        app = create_app(replace(services, store=store, workspace=root))
        store.accounts.add("viewer", PASSWORD, "viewer", 1)
        with closing(Inside(app)) as asked:
            key = {"idempotency-key": uuid.uuid4().hex}
            good = {"lead_id": lead, "event_type": "page_view", "occurred_at": AT, "event_id": f"of {lead}"}
            bad = {**good, "occurred_at": f"at {lead}"}
            assert asked.post("/v1/events", json={"events": [good, bad]}, headers=key).status_code == 200
            assert asked.put(f"/v1/leads/{lead}", json={"profile": {"industry": lead}}, headers=key).status_code == 200
            for path in ("", "/score?reasons=true"):
                assert asked.get(f"/v1/leads/{lead}{path}").status_code == 200
        with closing(Visitor(app)) as visitor:
            assert visitor.sign_in("viewer").status_code == 303
            assert visitor.get(lead_address(lead)).status_code == 200
            for name in ("leads.csv", "leads.xlsx"):
                (root / name).write_bytes(visitor.get(f"/{name}").content)
            (root / "leads de.csv").write_bytes(visitor.get("/leads.csv?form=de").content)
        unfinished = store.rescorings.begin("conversion", "other model", 1)
        store.rescorings.advance(unfinished, lead, 1)


def put_through_everything(root: Path, shell: Shell, services: Services) -> str:
    """A lead that is in every place afterwards."""
    lead = an_open_lead(root, shell)
    assert shell("publish", "--var", root, "--config", root / "small.toml")[0] == 0
    ask_everything(root, lead, services)
    return lead


def test_after_an_erasure_no_byte_is_left_in_a_workspace_that_was_lived_in(
    lived_in: Path, shell: Shell, services: Services, tmp_path: Path
) -> None:
    lead = put_through_everything(lived_in, shell, services)
    held = bytes_of(lead, lived_in)
    assert {"best.csv", "leads.csv", "leads de.csv", "told.json", "store.db"} <= set(held)
    receipt = json.loads(shell("forget", lead, "--var", lived_in, "--json")[1])
    assert receipt["limits"] == []
    assert bytes_of(lead, tmp_path) == []
    gone = {name: receipt["removed"][name] for name in ("event log", "training sets", "exports", "rejected", "answers")}
    assert all(gone.values()), gone
    # Every command that works on leads knows what was erased.
    options = ("--var", lived_in, "--config", lived_in / "small.toml")
    export = written_again(lived_in, lead)
    words = ("ingest", "--mapping", "simulated", "--events", export, "--var", lived_in, "--json")
    report = json.loads(shell(*words)[1])
    assert (report["events"]["accepted"], report["events"]["rejected"]) == (0, 1)
    assert report["reasons"] == {"the lead was erased; nothing more is taken in about it": 1}
    assert shell("publish", *options)[0] == 0
    assert shell("score", "--out", lived_in / "best.csv", *options)[0] == 0
    assert bytes_of(lead, lived_in) == []


def written_again(root: Path, lead: str) -> Path:
    """An export in which the lead comes again."""
    head = (root / "demo" / "events.csv").read_text().splitlines()[0]
    row = {"lead_id": lead, "event_type": "page_view", "occurred_at": AT}
    path = root.parent / "again.csv"
    path.write_text("\n".join([head, ",".join(row.get(name, "") for name in head.split(",")), ""]))
    return path


def test_a_place_that_is_not_cleaned_is_found(lived_in: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: a place that says it holds no ids, and does."""
    lead = an_open_lead(lived_in, shell)
    silent = tuple(replace(place, cleaning=Cleaning.NO_IDS) if place.name == "exports" else place for place in FILES)
    monkeypatch.setattr("serving.store.privacy.places.FILES", silent)
    assert shell("forget", lead, "--var", lived_in)[0] == 0
    assert "best.csv" in bytes_of(lead, lived_in)


def test_every_file_of_ours_has_a_place_and_every_table_of_the_store(lived_in: Path, shell: Shell) -> None:
    """Whatever a workspace has, but for lists that people put there, is declared by name; so is every table."""
    assert shell("publish", "--var", lived_in, "--config", lived_in / "small.toml")[0] == 0
    ours = [path.relative_to(lived_in) for path in files(lived_in) if "demo" not in path.parts]
    unnamed = {path.as_posix() for path in ours if place_of(path).name == "exports"}
    assert unnamed == set()
    assert set(TABLES) == set(metadata.sorted_tables)
    by_lead = {table for table in metadata.sorted_tables if "lead_id" in table.c}
    assert by_lead == {table for table, how in TABLES.items() if how in (Cleaning.BY_LEAD, Cleaning.REJECTED)}


def test_lists_that_people_take_along_name_their_ids_as_an_erasure_looks_for_them() -> None:
    assert {known("leads.lead", language, "") for language in ("en", "de")} <= HEADINGS
    assert all(map(can_clean, map(Path, ("a.csv", "a.CSV", "a.parquet", "a.xlsx", "a.json", "a.jsonl"))))
