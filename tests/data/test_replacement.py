"""`ingest --replace`: a source's earlier events go out as the new ones come in, as if they had never been."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data.contract import DataError, UsageError
from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.log.absences import read_absences
from data.log.compaction import compact
from data.log.eventlog import EventLog
from data.sources.mapping import IdentitiesPart, LeadsPart
from tests.data.exports import HEADER, PLAIN, into, logged, write_csv
from tests.data.test_ingest_kill import PROCESSES, Setting, lines

DAY = 86_400_000_000
START = 19_000 * DAY
EVENTS = PLAIN.events[0].model_copy(update={"retracted": "retracted", "time_format": "epoch_us"})
MAPPING = PLAIN.model_copy(
    update={
        "events": (EVENTS,),
        "leads": (LeadsPart(lead_id="lead", snapshot=True, categories=("stage",), missing="deleted"),),
        "identities": (
            IdentitiesPart(alias="alias", lead_id="lead", valid_from="since", time_format="epoch_us"),
        ),
    }
)  # fmt: skip
NAMES = st.sampled_from(["l1", "l2", "l3", "l4"])
TIMES = st.integers(0, 12).map(lambda hours: START + hours * DAY // 2)
RECEIVED = st.sampled_from(["", *(str(START + day * DAY) for day in range(3, 12, 3))])
ROWS = st.tuples(
    NAMES, st.sampled_from(PLAIN.event_types[:2]), TIMES, RECEIVED, st.just("web"), st.sampled_from(["", "1.5"]),
    st.sampled_from(["crm", "web", "old"]), st.integers(1, 4), st.sampled_from(["", "", "", "yes"]),
)  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """What one export holds."""

    events: Sequence[tuple[Any, ...]] = ()
    leads: Sequence[tuple[str, str]] = ()
    aliases: Sequence[tuple[str, str, int]] = ()

    def without(self, sources: Sequence[str]) -> Batch:
        return Batch([row for row in self.events if row[6] not in sources], self.leads, self.aliases)


BATCHES = st.builds(
    Batch,
    st.lists(ROWS, max_size=8),
    st.lists(st.tuples(NAMES, st.sampled_from("ab")), max_size=3, unique_by=lambda row: row[0]),
    st.lists(st.tuples(NAMES, NAMES, TIMES), max_size=2),
)


def take(folder: Path, batch: Batch, number: int, replacing: Sequence[str] = ()) -> IngestReport | None:
    """Brings an export in as of its own day; None where nothing in it fits."""
    files = []
    for kind, head, rows in (
        ("events", f"{HEADER},retracted", batch.events),
        ("leads", "lead,stage", batch.leads),
        ("ids", "alias,lead,since", batch.aliases),
    ):
        texts = [",".join(map(str, row)) for row in rows]
        files.append([write_csv(folder / f"{kind}.csv", texts, head)] if texts else [])
    clock, log = START + (20 + number) * DAY, folder / "log"
    if not any(files):
        return None
    with suppress(DataError):  # no row fits
        return ingest(log, MAPPING, *files, as_of=clock, clock=lambda: clock / 1e6 + 1, buckets=2, replacing=replacing)
    return None


def said(folder: Path) -> Any:
    """All that a log holds, whatever lies where on disk."""
    log = EventLog.open(folder / "log")
    runs = [log.run(bucket) for bucket in range(log.n_buckets)]
    manifest = json.loads((folder / "log" / "log.json").read_text())
    names = (
        *("n_leads", "n_events", "n_overwritten", "vocabulary", "profile_columns", "sources", "complete_until_us"),
        *("silences_us", "silent_after_us", "observed_from_us", "observed_until_us", "corrected_until_us"),
        *("full_export_us", "versions", "digest"),
    )
    events = sorted(str(sorted(row.items(), key=str)) for row in logged(folder / "log"))
    absences = sorted(map(str, read_absences(log.folders).to_pylist()))
    leads = [run.leads.to_pylist() for run in runs]
    profiles = [(run.version_counts.tolist(), run.profiles.to_pylist()) for run in runs]
    return {name: manifest[name] for name in names} | {
        "rows": events, "absent": absences, "leads": leads, "profiles": profiles,
    }  # fmt: skip


@pytest.mark.proof("replace")
def test_a_log_is_as_if_the_earlier_ingests_of_the_source_had_never_been(
    full: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Beside a log that is made without them: events told twice, corrections, merges, full exports; in full 200."""
    replaced = []

    @settings(
        max_examples=200 if full else 25, phases=(Phase.explicit, Phase.generate), derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(
        st.lists(BATCHES, min_size=1, max_size=4), st.lists(ROWS, min_size=2, max_size=5),
        st.sampled_from([["crm"], ["crm", "web"]]), st.booleans(),
    )  # fmt: skip
    def holds(batches: list[Batch], news: list[tuple[Any, ...]], sources: list[str], woven: bool) -> None:
        one, other = (tmp_path_factory.mktemp("log") for _ in range(2))
        new = Batch([(*row[:6], sources[n % len(sources)], *row[7:8], "") for n, row in enumerate(news)])
        for number, batch in enumerate(batches):
            take(one, batch, number)
            take(other, batch.without(sources), number)
        has = set(EventLog.open(one / "log").watermarks.by_source()) if (one / "log" / "log.json").exists() else set()
        if woven and has:
            compact(one / "log")
        named = [source for source in sources if source in has]
        if set(named) == set(sources):
            replaced.append(take(one, new, len(batches), named))
            take(other, new, len(batches))
            assert said(one) == said(other)
        for folder in (one, other):
            shutil.rmtree(folder)

    holds()
    assert len([report for report in replaced if report]) >= (60 if full else 5)


WRONG = ["l1,page_view,2024-01-05T10:00:00Z,,web,,crm,1", "l2,page_view,2024-01-06T10:00:00Z,,web,,crm,2"]
RIGHT = [line.replace("page_view", "email_click").replace("T10", "T09") for line in WRONG]
OTHER = [f"l3,email_sent,2024-01-{day}T10:00:00Z,,mail,,web,{day}" for day in ("05", "08")]


def events_of(log: Path) -> set[tuple[str, str, str]]:
    return {(row["lead_id"], row["event_type"], row["source"]) for row in logged(log)}


@pytest.mark.parametrize("is_compacted", [False, True])
def test_a_corrected_mapping_does_not_double_events(tmp_path: Path, is_compacted: bool) -> None:
    log = tmp_path / "log"
    into(log, write_csv(tmp_path / "crm.csv", WRONG))
    into(log, write_csv(tmp_path / "web.csv", OTHER))
    if is_compacted:
        compact(log)
    report = into(log, write_csv(tmp_path / "crm.csv", RIGHT), replacing=["crm"])
    assert (report.taken_out, report.events.accepted, report.events.corrected) == ({"crm": 2}, 2, 0)
    expected = {("l1", "email_click", "crm"), ("l2", "email_click", "crm"), ("l3", "email_sent", "web")}
    assert events_of(log) == expected
    known = [row["known_at"] for row in logged(log)]
    opened = EventLog.open(log)
    assert (opened.observed_from_us, opened.observed_until_us) == (min(known), max(known))
    assert {path.name for path in log.iterdir()} == {"log.json", "writer.lock", *EventLog.open(log).manifest.parts}


def test_without_it_events_without_ids_are_doubled(tmp_path: Path) -> None:
    """What it is for: an id that is made of the row is another one for another reading of the row."""
    for lines_ in (WRONG, RIGHT):
        into(tmp_path / "log", write_csv(tmp_path / "a.csv", [line[:-1] for line in lines_]))
    assert len(logged(tmp_path / "log")) == 4


def test_a_lead_of_which_nothing_is_left_is_none_and_nor_is_a_type(tmp_path: Path) -> None:
    misread = PLAIN.model_copy(update={"event_types": ("page_view", "Email Click"), "groups": {"g": ["Email Click"]}})
    wrong = [line.replace("page_view", "Email Click") for line in WRONG]
    into(tmp_path / "log", write_csv(tmp_path / "a.csv", [*wrong, *OTHER]), mapping=misread)
    into(tmp_path / "log", write_csv(tmp_path / "b.csv", RIGHT[:1]), replacing=["crm"])
    log = EventLog.open(tmp_path / "log")
    assert log.n_leads == 2
    assert (log.vocabulary.types, dict(log.vocabulary.groups)) == (("page_view", *PLAIN.event_types[1:]), {})


def test_of_two_rows_that_say_the_same_the_right_one_stays_ended(tmp_path: Path) -> None:
    """A correction of one of them ends a row that says so, be it the other's: as histories go they are the same."""
    twins = [f"l1,page_view,2024-01-05T10:00:00Z,,web,1.5,{source},1" for source in ("crm", "web")]
    for gone, remaining, ended in (("crm", "web", [False, True]), ("web", "crm", [False])):
        folder = tmp_path / gone
        folder.mkdir()
        into(folder / "log", write_csv(folder / "a.csv", twins))
        into(folder / "log", write_csv(folder / "b.csv", [twins[1].replace("1.5", "2.5")]))
        into(folder / "log", write_csv(folder / "c.csv", [OTHER[0].replace("web", gone)]), replacing=[gone])
        ends = [row["superseded_at"] is not None for row in logged(folder / "log") if row["source"] == remaining]
        assert sorted(ends) == ended


@pytest.mark.parametrize(
    ("source", "lines_", "message"),
    [
        ("crn", RIGHT, "--replace 'crn': the log has no event of that source, but of 'crm', 'web'; correct the name"),
        ("crm", OTHER, "--replace 'crm': the export has no event of that source, but of 'web', so it would only be"),
    ],
)
def test_what_would_only_take_out_is_refused(tmp_path: Path, source: str, lines_: list[str], message: str) -> None:
    log = tmp_path / "log"
    into(log, write_csv(tmp_path / "a.csv", [*WRONG, *OTHER]))
    before = (log / "log.json").read_bytes()
    with pytest.raises(UsageError, match=message):
        into(log, write_csv(tmp_path / "b.csv", lines_), replacing=[source])
    assert (log / "log.json").read_bytes() == before
    assert events_of(log) == events_of(log) | {("l1", "page_view", "crm"), ("l3", "email_sent", "web")}


def test_a_source_may_get_another_name(tmp_path: Path) -> None:
    into(tmp_path / "log", write_csv(tmp_path / "a.csv", [line.replace("crm", "") for line in WRONG]))
    into(tmp_path / "log", write_csv(tmp_path / "b.csv", RIGHT), replacing=[""])
    assert events_of(tmp_path / "log") == {("l1", "email_click", "crm"), ("l2", "email_click", "crm")}


def test_there_is_nothing_to_replace_without_a_log(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--replace 'crm': there is no log yet; leave --replace out"):
        into(tmp_path / "log", write_csv(tmp_path / "a.csv", RIGHT), replacing=["crm"])


def test_the_same_export_again_changes_nothing(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", [*RIGHT, *OTHER])
    into(tmp_path / "log", file)
    digest = EventLog.open(tmp_path / "log").digest
    into(tmp_path / "log", file, replacing=["crm", "web"])
    assert EventLog.open(tmp_path / "log").digest == digest
    assert len(logged(tmp_path / "log")) == len([*RIGHT, *OTHER])


class Replacing(Setting):
    """A log of two sources, and an export that replaces one of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 400, 50)
        self.file = write_csv(folder / "right.csv", [line.replace("page_view", "email_sent") for line in lines(0, 300)])
        more = [line.replace("crm", "web") for line in lines(0, 300)]
        into(folder / "before", write_csv(folder / "web.csv", more))
        shutil.rmtree(folder / "after")
        shutil.copytree(folder / "before", folder / "after")
        into(folder / "after", self.file, replacing=["crm"])
        self.before, self.after = (EventLog.open(folder / name).digest for name in ("before", "after"))

    def survives(self, log: Path) -> bool:
        """Whether a log left behind is one of the two, and becomes the new one when the ingest is run again."""
        if EventLog.open(log).digest not in (self.before, self.after):
            return False
        into(log, self.file, replacing=["crm"])
        return EventLog.open(log).digest == self.after


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Replacing:
    PROCESSES.set_forkserver_preload(["tests.data.warm_ingest"])
    return Replacing(tmp_path_factory.mktemp("replacing"))


@pytest.mark.proof("replace-kill")
@pytest.mark.parametrize("trouble", ["replace", "replace in two generations"])
def test_killed_at_any_step_the_log_is_the_old_or_the_new_one(setting: Replacing, trouble: str, full: bool) -> None:
    """The planted fault, a source that is taken out in a generation of its own, is found."""
    assert setting.ends(setting.fresh_log(), 0, trouble) == 0
    steps = int(setting.outcome.read_text())
    points = range(1, steps + 1) if full else [steps // 2, *range(steps - 12, steps + 1, 4)]
    sound = []
    for point in points:
        log = setting.fresh_log()
        assert setting.ends(log, point, trouble) == -signal.SIGKILL
        sound.append(setting.survives(log))
        shutil.rmtree(log)
    assert all(sound) == (trouble == "replace")
