"""`ingest --check` and the summary of an ingest: every doubt is told, with counts, before it becomes a number."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import leadscore
from data.intake.examination import nearest
from data.log.eventlog import EventLog

MAPPING = """
name = "crm"
event_types = ["email_open", "form_submission", "deal_won"]
[events]
lead_id = "id"
event_type = "type"
occurred_at = "at"
source = "system"
[leads]
lead_id = "id"
valid_from = "since"
categories = ["country"]
optional = ["country"]
"""
SOUND = [("1", "email_open", "2024-05-01T10:00:00Z", "crm"), ("2", "deal_won", "2024-05-02T10:00:00Z", "web")] * 50
LEADS = [("1", "2024-05-01T00:00:00Z", "DE"), ("2", "2024-05-01T00:00:00Z", "FR")]
ADDRESS = 'country … is an e-mail address or a telephone number; add the column to personal, or add as_is = ["country"]'
Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Checks (or ingests) as a user would: exit code, what stands on standard output (JSON), and on standard error."""

    def command(
        events: Sequence[tuple[str, ...]], leads: Sequence[tuple[str, ...]] = LEADS, *options: str,
        mapping: str = MAPPING, heads: tuple[str, str] = ("id,type,at,system", "id,since,country"),
    ) -> tuple[int, Any, str]:  # fmt: skip
        for name, head, rows in (("events", heads[0], events), ("leads", heads[1], leads)):
            with (tmp_path / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([head.split(","), *rows])
        (tmp_path / "m.toml").write_text(mapping, encoding="utf-8")
        files = ["--events", str(tmp_path / "events.csv"), "--leads", str(tmp_path / "leads.csv")]
        arguments = ["ingest", "--var", str(tmp_path / "var"), "--mapping", str(tmp_path / "m.toml"), *files, *options]
        monkeypatch.setattr(sys, "argv", ["leadscore", *arguments])
        try:
            leadscore.main()
            code: int | str | None = 0
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return int(code or 0), json.loads(out) if out.startswith("{") else out, err

    return command


def doubts(run: Run, *rows: Any, code: int = 0, **more: Any) -> list[str]:
    """Those of a check, which are those of the summary of a plain ingest too."""
    ended, said, _ = run(*rows, "--check", "--json", **more)
    assert ended == code
    examined: list[str] = said["examination"]["doubts"]
    ended, said, _ = run(*rows, "--json", **more)
    assert ended == 0
    assert said["doubts"] == examined
    return examined


def test_a_sound_export_raises_no_doubt_and_a_check_changes_nothing(tmp_path: Path, run: Run) -> None:
    code, said, _ = run(SOUND, LEADS, "--check")
    assert code == 0
    for words in (
        "tables",
        "event types",
        "sources",
        "with both",
        "events as they will be stored",
        " 10:00:00Z",
    ):
        assert words in said
    assert "doubt" not in said
    assert not (tmp_path / "var").exists()
    assert doubts(run, SOUND, LEADS) == []


def test_a_table_of_which_nothing_is_good_is_among_the_tables(run: Run) -> None:
    _, said, _ = run(SOUND, [("1", "at some time", "DE")], "--check", "--json")
    assert [(row["kind"], row["rejected"]) for row in said["examination"]["tables"]] == [("events", 0), ("leads", 1)]


def test_a_check_beside_a_log_leaves_it_as_it_was(tmp_path: Path, run: Run) -> None:
    run(SOUND, LEADS)
    before = {path: path.read_bytes() for path in (tmp_path / "var").rglob("*") if path.is_file()}
    assert run([("9", "deal_won", "2024-05-03T10:00:00Z", "crm")], LEADS, "--check")[0] == 0
    assert {path: path.read_bytes() for path in (tmp_path / "var").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("written", ["Email Open", "EMAIL_OPEN", "email-open", "emailopen", "Email_Opne"])
def test_a_type_that_is_written_otherwise_is_told_with_the_nearest(run: Run, written: str) -> None:
    raised = doubts(run, [*SOUND, ("1", written, "2024-05-01T11:00:00Z", "crm")], LEADS)
    expected = f"event type '{written}' (1 rows) is not in event_types; the nearest is 'email_open': add it, or map it"
    assert [doubt[: len(expected)] for doubt in raised] == [expected]


def test_types_of_another_meaning_are_no_doubt_unless_there_are_no_others(run: Run) -> None:
    assert doubts(run, [*SOUND, ("1", "page_view", "2024-05-01T11:00:00Z", "crm")], LEADS) == []
    raised = doubts(run, [("1", "page_view", "2024-05-01T11:00:00Z", "crm")], LEADS)
    assert raised == [
        "not one event is of a type in event_types, so features speak of none of them; correct event_types"
    ]
    assert nearest("webinar", ["web", "seminar_visit"]) is None


def test_ids_that_have_nothing_in_common_are_told(run: Run) -> None:
    leads = [(f"00{name}", *rest) for name, *rest in LEADS]
    assert doubts(run, SOUND, leads) == [
        "of 2 leads with events and 2 with a profile 0 are the same: do both tables call leads by the same id? "
        "Correct lead_id, join them by a query, or add [identities]"
    ]


def test_null_dates_are_told_with_their_counts(run: Run) -> None:
    leads = [
        *LEADS,
        *((f"{n}", f"{day}T00:00:00Z", "DE") for n, day in enumerate(["0001-01-01"] * 2 + ["1900-01-01"], 9)),
    ]
    raised = doubts(run, SOUND, leads, code=3)
    assert raised == [
        "3 values of which each is a null date (0001-01-01T00:00:00Z 2 times, 1900-01-01T00:00:00Z 1 times); they are "
        "left out; export empty cells instead, or set earliest where they are meant"
    ]


def test_damaged_ids_and_dates_ahead_are_told(run: Run) -> None:
    rows = [("1.2E+11", "deal_won", "2024-05-01T10:00:00Z", "crm"), ("1", "deal_won", "2999-05-01T10:00:00Z", "crm")]
    raised = doubts(run, SOUND + rows, LEADS, code=3)
    assert [doubt.split("(")[0] for doubt in raised] == [
        "1 values of which each lies in the future ", "1 values of which each has lost digits ",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("e_mail", ["x", "y"]),
        ("First Name", ["x", "y"]),
        ("Nachname", ["x", "y"]),
        ("owner", ["Anna Maier", "Bo Lund"]),
    ],
)
def test_a_column_that_says_who_people_are_is_told(run: Run, column: str, values: list[str]) -> None:
    leads = [(lead, since, value) for (lead, since, _), value in zip(LEADS, values, strict=True)]
    heads = ("id,type,at,system", f"id,since,{column}")
    mapping = MAPPING.replace('categories = ["country"]', f'categories = ["{column}"]')
    assert doubts(run, SOUND, leads, mapping=mapping, heads=heads) == [
        f"column {column!r} is kept and looks as if it said who people are; add it to personal, or keep a flag"
    ]


def test_addresses_in_a_column_that_is_kept_are_told_and_not_kept(tmp_path: Path, run: Run) -> None:
    """Of one cell in ten the cell is lost; of every other one the mapping is wrong, and nothing is taken in."""
    leads = [(str(n), "2024-05-01T00:00:00Z", f"ann{n}@example.org" if n % 10 == 0 else "DE") for n in range(50)]
    types = tmp_path / "types.parquet"
    code, said, _ = run(SOUND, leads, "--check", "--json", "--parquet", str(types))
    assert code == 0
    assert said["cells"] == {ADDRESS: 5}
    assert pq.read_table(types).to_pylist() == said["examination"]["types"]
    people = [(lead, since, f"ann{lead}@example.org") for lead, since, _ in leads]
    code, _, err = run(SOUND, people, "--check")
    assert code == 3
    assert "column country … is an e-mail address" in err
    assert not (tmp_path / "var").exists()


def test_a_source_that_lags_and_one_that_was_silent_are_told(run: Run) -> None:
    rows = [
        *SOUND,
        ("1", "email_open", "2024-03-01T10:00:00Z", "web"),
        ("1", "email_open", "2024-04-28T10:00:00Z", "old"),
    ]
    assert doubts(run, rows, LEADS) == [
        "source 'web' tells nothing between 2024-03-01 and 2024-05-02",
        "source 'old' ends on 2024-04-28, others go on until 2024-05-02: what it would have told since is unknown; "
        "export it too, or say --complete-until",
    ]


def test_a_lag_is_told_once_and_of_the_whole_log(run: Run) -> None:
    late, later = ("1", "email_open", "2024-04-28T10:00:00Z", "old"), ("1", "email_open", "2024-05-02T10:00:00Z", "old")
    code, said, err = run([*SOUND, late], LEADS)
    assert (code, " ".join((said + err).split()).count("ends on 2024-04-28")) == (0, 1)
    code, said, _ = run([later], [], "--json")
    assert (code, [line for line in said["doubts"] if "ends on" in line]) == (0, [])
    raised = doubts(run, [("1", "email_open", "2024-05-09T10:00:00Z", "web")], [])
    assert [line.split(",")[0] for line in raised] == [
        "source 'crm' ends on 2024-05-01",
        "source 'old' ends on 2024-05-02",
    ]


def test_too_many_rejected_rows_stop_a_pipeline(tmp_path: Path, run: Run) -> None:
    rows = [*SOUND[:98], ("=1+1", "deal_won", "x", "crm"), ("1", "deal_won", "y", "crm")]
    code, said, err = run(rows, LEADS, "--check")
    assert code == 3
    assert "1.96% of the rows are refused, more than --most-rejected 1.00%" in err
    assert "occurred_at 'x' is no time" in said
    with (tmp_path / "var" / "rejected.csv").open(encoding="utf-8") as file:
        assert [row[:2] for row in csv.reader(file)] == [["source", "row"], ["events.csv", "99"], ["events.csv", "100"]]
    assert run(rows, LEADS, "--check", "--most-rejected", "0.02")[0] == 0
    code, _, err = run(rows, LEADS, "--most-rejected", "0.01")
    assert (code, "nothing was ingested, see them with --check" in err) == (3, True)
    assert not (tmp_path / "var" / "log" / "log.json").exists()
    assert run(rows, LEADS)[0] == 0


def test_types_that_are_not_listed_are_known_when_they_come_often_enough(tmp_path: Path, run: Run) -> None:
    mapping = MAPPING.replace('event_types = ["email_open", "form_submission", "deal_won"]', "")
    rows = [*SOUND, ("1", "rare", "2024-05-01T10:00:00Z", "crm")]
    code, said, _ = run(rows, LEADS, "--check", "--json", mapping=mapping)
    assert code == 0
    known = {row["event_type"]: row["is_known"] for row in said["examination"]["types"]}
    assert known == {"deal_won": True, "email_open": True, "rare": False}
    run(rows, LEADS, mapping=mapping)
    assert sorted(EventLog.open(tmp_path / "var" / "log").vocabulary.types) == ["deal_won", "email_open"]


def test_a_check_says_what_would_be_replaced(tmp_path: Path, run: Run) -> None:
    run(SOUND, LEADS)
    before = (tmp_path / "var" / "log" / "log.json").read_bytes()
    code, said, _ = run(SOUND[:1], LEADS, "--check", "--replace", "crm")
    assert code == 0
    assert "to be taken out: 1 earlier event of source 'crm'; profiles and aliases, which have no source, stay" in said
    code, _, err = run(SOUND[:1], LEADS, "--check", "--replace", "CRM")
    assert code == 2
    assert "--replace 'CRM': the log has no event of that source, but of 'crm', 'web'" in err
    assert (tmp_path / "var" / "log" / "log.json").read_bytes() == before
    code, summary, _ = run(SOUND[:1], LEADS, "--replace", "crm", "--json")
    assert (code, summary["taken_out"], summary["events"]["accepted"]) == (0, {"crm": 1}, 1)


WITHOUT_TYPES = MAPPING.replace('event_types = ["email_open", "form_submission", "deal_won"]\n', "")


def many(kind: str, n: int, first: int = 0) -> list[tuple[str, ...]]:
    return [("1", kind, f"2024-05-01T10:{at // 60:02d}:{at % 60:02d}Z", "crm") for at in range(first, first + n)]


def test_where_no_types_are_listed_those_that_come_often_are_known_and_listed(tmp_path: Path, run: Run) -> None:
    code, said, _ = run([*many("visit", 25), *many("won", 20), *many("typo", 2)], LEADS, mapping=WITHOUT_TYPES)
    assert (code, "event types that are known from now on: visit, won" in said) == (0, True)
    assert EventLog.open(tmp_path / "var" / "log").vocabulary.types == ("visit", "won")


def test_types_become_known_when_all_exports_together_have_enough(tmp_path: Path, run: Run) -> None:
    """Of a weekly export no type may have many rows: what is known stays so, and nothing rare is learnt by the way."""
    for week, learnt in enumerate((["visit"], [], ["call"])):
        rows = [*many("visit", 25, 25 * week), *many("call", 8, 8 * week), *many(f"once {week}", 1)]
        code, said, _ = run(rows, LEADS, "--json", mapping=WITHOUT_TYPES)
        assert (code, said["learnt"]) == (0, learnt)
    assert EventLog.open(tmp_path / "var" / "log").vocabulary.types == ("visit", "call")


def test_members_of_groups_are_known_though_no_types_are_listed(tmp_path: Path, run: Run) -> None:
    run(many("visit", 25), LEADS, mapping=f'{WITHOUT_TYPES}\n[groups]\nweb = ["visit", "download"]')
    assert EventLog.open(tmp_path / "var" / "log").vocabulary.types == ("visit", "download")


def test_types_that_mean_the_same_are_grouped_by_the_mapping(tmp_path: Path, run: Run) -> None:
    types = (
        'event_type = { columns = ["type"], values = { "Email Open" = "email_open", "email_opened" = "email_open" } }'
    )
    mapping = MAPPING.replace('event_type = "type"', types)
    rows = [(*row[:1], kind, *row[2:]) for kind in ("Email Open", "email_opened", "email_open") for row in SOUND[:1]]
    assert doubts(run, rows, LEADS, mapping=mapping) == []
    log = EventLog.open(tmp_path / "var" / "log")
    assert [name for number in range(log.n_buckets) for name in log.bucket(number).types] == ["email_open"]
