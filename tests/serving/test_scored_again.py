"""Scores of the past are made again from log and artifact, to the bit; where not, what has changed is named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.contract import US_PER_DAY
from data.histories import EACH_EVENT
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.sources.mapping import read_mapping
from features.moments import open_moments
from serving.messages.times import at
from serving.scoring.batch import one_moment
from serving.scoring.rescoring import Rescorer
from serving.scoring.scored_again import score_again
from serving.scoring.scorer import Scorer
from serving.store.scores.scores import ScoreRecord
from serving.store.store import Store, open_store
from serving.trees.predictor import Predictor
from tests.serving.messy_year import Year
from tests.serving.workshop import Workshop
from tests.test_cli import Shell
from training.registry.artifact_files import digest_of
from workspace import Workspace


@pytest.mark.proof("again")
def test_all_scores_of_a_year_are_made_again_to_the_bit(
    store: Store, workshop: Workshop, year: Year, full: bool
) -> None:
    """Published and scored export by export, with corrections, merges and deletions; then again from the last log."""
    scorer = Scorer(Predictor.load(workshop.artifact))
    for log, now in year if full else year[-3:]:
        store.publication.run(log, now)
        Rescorer(store, scorer, "1", "digest").run(lambda now=now: now)  # type: ignore[misc]
    newest, again, other = year[-1][0], 0, list[str]()
    for lead_id in (name for bucket in range(newest.n_buckets) for name in newest.bucket(bucket).lead_ids.to_pylist()):
        history = newest.find(lead_id)
        for stored in store.scores.history(lead_id):
            made = score_again(scorer, history, stored.as_of, stored.probability)
            other += [] if made.is_same else [lead_id]
            again += made.is_same
    print(f"{again:,} of {again + len(other):,} stored scores made again to the bit")  # noqa: T201 -- a proof
    assert again >= (1_000 if full else 150)
    assert not other


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


@pytest.fixture
def corrected(trained: Workspace, tmp_path: Path) -> tuple[EventLog, EventLog, str, int, str]:
    """A log before and after an export that corrects an event as of before the score: the logs, the lead, the moment of
    the score, and the id of the event."""
    path = tmp_path / "var" / "log"
    shutil.copytree(trained.log_path, path)
    before, scorer = EventLog.open(path), Scorer(Predictor.of(trained.champion()))
    as_of, histories = before.observed_until_us + 1, before.bucket(0)
    moments = open_moments(histories, scorer.target, as_of)
    order = (-scorer.score(histories, moments).probability).argsort()
    lead_id = histories.lead_ids[int(moments.lead[order[0]])].as_py()
    history = before.find(lead_id)
    newest = max(range(history.n_events), key=lambda event: (not history.bot[event], int(history.occurred_at[event])))
    source, event_id = before.keys(lead_id)[newest]
    rows = tmp_path / "corrected.csv"
    day = at(int(history.occurred_at.min())).isoformat()
    rows.write_text(
        "lead_id,event_type,occurred_at,received_at,channel,value,source,event_id\n"
        f"{lead_id},unsubscribe,{day},,,,{source},{event_id}\n"
    )
    ingest(path, read_mapping("simulated"), [str(rows)], as_of=as_of - 1)
    return before, EventLog.open(path), lead_id, as_of, str(event_id)


def test_a_corrected_event_is_named(corrected: tuple[EventLog, EventLog, str, int, str], trained: Workspace) -> None:
    before, after, lead_id, as_of, event_id = corrected
    scorer = Scorer(Predictor.of(trained.champion()))
    stored = score_again(scorer, before.find(lead_id), as_of).probability
    made = score_again(scorer, after.find(lead_id), as_of, stored)
    assert not made.is_same
    assert [(change.kind, after.keys(lead_id)[change.event][1]) for change in made.changes] == [("corrected", event_id)]
    (change,) = made.changes
    assert change.since == as_of - 1


def test_what_no_single_change_accounts_for_is_not_guessed(trained: Workspace) -> None:
    scorer, log = Scorer(Predictor.of(trained.champion())), trained.event_log()
    histories, as_of = log.bucket(1), log.observed_until_us + 1
    moments = open_moments(histories, scorer.target, as_of)
    lead = max(moments.lead.tolist(), key=lambda lead: int(histories.starts[lead + 1] - histories.starts[lead]))
    history = log.find(histories.lead_ids[lead].as_py())
    even = np.arange(history.n_events) % 2 == 0
    arrays: dict[str, Any] = {name: getattr(history, name) for name in EACH_EVENT}
    arrays = {name: None if array is None else array[even] for name, array in arrays.items()}
    fewer = replace(history, starts=np.array([0, even.sum()]), **arrays)
    given = float(scorer.score(fewer, one_moment(as_of)).probability[0])
    made = score_again(scorer, history, as_of, given)
    assert not made.is_same
    assert made.changes == ()


def test_the_command_tells_it(
    shell: Shell, corrected: tuple[EventLog, EventLog, str, int, str], trained: Workspace, tmp_path: Path
) -> None:
    before, _, lead_id, as_of, event_id = corrected
    champion, url = trained.champion(), f"sqlite:///{tmp_path / 'store.db'}"
    given = score_again(Scorer(Predictor.of(champion)), before.find(lead_id), as_of).probability
    with open_store(url) as store:
        store.leads.put(lead_id, as_of - US_PER_DAY, None, {}, as_of, earliest=as_of - US_PER_DAY)
        stored = ScoreRecord(
            lead_id, "conversion", as_of, given, 0.0, 1.0, champion.version, digest_of(champion.folder), as_of, "SQL"
        )
        store.scores.record([stored], [], as_of)
    options = ("--var", trained.root, "--config", trained.root / "small.toml", "--store", url)
    code, out, err = shell("explain", lead_id, *options)
    assert code == 0, err
    assert "the same, to the bit" in out
    assert "    + " in out
    changed = (*options, "--log", tmp_path / "var" / "log")
    code, out, err = shell("explain", lead_id, *changed, "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert (answer["same"], answer["stored"]) == (False, given)
    assert event_id in answer["changes"][0]
    assert "Korrigiert" in shell("explain", lead_id, *changed, "--language", "de")[1]
    earlier = at(as_of - US_PER_DAY).isoformat()
    assert "no score was stored" in shell("explain", lead_id, *options, "--as-of", earlier)[1]
    assert "is not in" in shell.refused(3, "explain", "nobody", *options)
    assert "was not known yet" in shell.refused(3, "explain", lead_id, *options, "--as-of", "2001-01-01")
    with open_store(url) as store:
        lost = replace(stored, as_of=as_of + 9, model_version="999")
        store.scores.record([lost], [], as_of)
    assert "version 999" in shell.refused(3, "explain", lead_id, *options)
