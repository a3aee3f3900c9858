"""Events of several leads: one row per lead, versions of all of them, and what becomes of those who leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from data.contract import UsageError
from data.histories import Histories
from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.log.content import lead_hash
from data.log.eventlog import EventLog
from data.sources.mapping import EventsPart, read_mapping
from tests.data.exports import HEADER, NOW, rejected, write_csv
from tests.data.test_identities import ALIASES, amounts_of
from tests.data.test_versions import day
from tests.oracles.identities_naive import FAR, People

SHARED = ALIASES.model_copy(
    update={"events": (EventsPart(**{**ALIASES.events[0].model_dump(), "shared": True, "retracted": "gone"}),)}
)


def deal(lead: str, value: str = "10", received: int | None = None, gone: str = "") -> str:
    """A deal of the first of January, as a row says it of one of its leads."""
    known = "" if received is None else f"2024-01-{received:02d}T00:00:00Z"
    return f"{lead},page_view,2024-01-01T00:00:00Z,{known},,{value},crm,7,{gone}"


def told(folder: Path, at: int, lines: list[str], aliases: list[str] | None = None, name: str = "") -> IngestReport:
    """An export at a day of January."""
    file = write_csv(folder / f"{at}{name}.csv", lines, f"{HEADER},gone")
    ids = [write_csv(folder / f"{at}{name}-ids.csv", aliases, "cookie,contact,since,until")] if aliases else []
    return ingest(folder / "log", SHARED, [file], [], ids, as_of=day(at), clock=lambda: NOW, buckets=8)


def of_each(folder: Path, at: int, leads: str = "abc") -> list[list[float]]:
    """What is valid of leads at a day of January."""
    histories = histories_by_lead(folder)
    return [amounts_of(histories[lead], at) if lead in histories else [] for lead in leads]


def histories_by_lead(folder: Path) -> dict[str, Histories]:
    """The history of each lead of a log."""
    log = EventLog.open(folder / "log")
    buckets = [log.bucket(number) for number in range(log.n_buckets)]
    rows = [(bucket, row) for bucket in buckets for row in range(bucket.n_leads)]
    return {bucket.lead_ids[row].as_py(): bucket.of(np.array([row])) for bucket, row in rows}


def test_an_event_of_several_leads_is_one_of_each(tmp_path: Path) -> None:
    report = told(tmp_path, 5, [deal("a"), deal("b"), deal("a")])
    assert (report.events.accepted, report.events.duplicate, report.events.rejected) == (2, 1, 0)
    assert of_each(tmp_path, 3) == [[10], [10], []]
    again = told(tmp_path, 6, [deal("b"), deal("a")])
    assert (again.events.accepted, again.events.duplicate) == (0, 2)


def test_a_correction_reaches_all_of_its_leads(tmp_path: Path) -> None:
    told(tmp_path, 5, [deal("a"), deal("b")])
    report = told(tmp_path, 8, [deal("a", "20"), deal("b", "20")])
    assert (report.events.accepted, report.events.corrected) == (2, 2)
    assert [of_each(tmp_path, at) for at in (8, 9)] == [[[10], [10], []], [[20], [20], []]]
    told(tmp_path, 9, [deal("a"), deal("b")])
    assert of_each(tmp_path, 10) == [[10], [10], []]


def test_who_is_not_named_any_more_leaves_and_who_is_new_comes_from_the_export_on(tmp_path: Path) -> None:
    told(tmp_path, 5, [deal("a"), deal("b")])
    told(tmp_path, 8, [deal("b"), deal("c")])
    told(tmp_path, 11, [deal("c"), deal("a")])
    assert [of_each(tmp_path, at) for at in (2, 8, 9, 12)] == [
        [[10], [10], []], [[10], [10], []], [[], [10], [10]], [[10], [], [10]]
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [["a"], ["a", "b"]], ids=["by one row", "by all"])
def test_a_retraction_takes_it_back_for_all_of_them(tmp_path: Path, rows: list[str]) -> None:
    told(tmp_path, 5, [deal("a"), deal("b")])
    report = told(tmp_path, 8, [deal(lead, gone="true") for lead in rows])
    assert (report.events.accepted, report.events.rejected) == (len(rows), 0)
    assert [of_each(tmp_path, at) for at in (8, 9)] == [[[10], [10], []], [[], [], []]]
    assert told(tmp_path, 9, [deal("b", gone="true")]).events.duplicate == 1


def test_a_retraction_beside_a_row_that_stays_takes_one_lead_out(tmp_path: Path) -> None:
    told(tmp_path, 5, [deal("a"), deal("b")])
    told(tmp_path, 8, [deal("a", gone="true"), deal("b")])
    assert of_each(tmp_path, 9) == [[], [10], []]


def test_rows_with_dates_of_their_own_are_versions_to_which_leads_come(tmp_path: Path) -> None:
    told(tmp_path, 20, [deal("a", "10", 3), deal("b", "10", 5), deal("a", "20", 8), deal("c", "20", 9, "true")])
    assert [of_each(tmp_path, at) for at in (3, 4, 6, 9, 10)] == [
        [[], [], []], [[10], [], []], [[10], [10], []], [[20], [10], []], [[20], [10], []]
    ]  # fmt: skip
    told(tmp_path, 21, [deal("b", "20", 12)])
    assert of_each(tmp_path, 13) == [[], [20], []]


def test_what_contradicts_itself_in_one_export_is_refused(tmp_path: Path) -> None:
    report = told(tmp_path, 5, [deal("a"), deal("a", "20"), deal("b")])
    assert [row[1:] for row in rejected(report)] == [(2, "event_id '7' is taken by an event with another content")]
    assert of_each(tmp_path, 6) == [[10], [10], []]
    assert told(tmp_path, 6, [deal("a", gone="true").replace(",7,", ",8,")]).events.rejected == 1


@pytest.mark.parametrize("first", [True, False], ids=["at once", "merged later"])
def test_two_leads_of_one_event_that_turn_out_to_be_one_have_it_once(tmp_path: Path, first: bool) -> None:
    merge = ["a,b,2024-01-07T00:00:00Z,2024-01-09T00:00:00Z"]
    told(tmp_path, 6, [deal("a"), deal("b")], merge if first else None)
    if not first:
        told(tmp_path, 10, [deal("c").replace(",7,", ",8,")], merge)
    assert [of_each(tmp_path, at, "ab") for at in (7, 8, 10)] == [[[10], [10]], [[], [10]], [[10], [10]]]


def test_without_an_id_nothing_is_shared(tmp_path: Path) -> None:
    file = tmp_path / "shared.toml"
    file.write_text(
        'name = "x"\nevent_types = ["won"]\n'
        '[events]\nlead_id = "l"\nevent_type = "t"\noccurred_at = "a"\nshared = true\n'
    )
    with pytest.raises(UsageError, match="shared = true needs event_id"):
        read_mapping(file)


@dataclass(frozen=True)
class Said:
    """A row: of which lead, with which amount, received on which day (0: not told), taken back or not."""

    lead: str
    value: int
    received: int
    gone: bool

    @property
    def content(self) -> int:
        """0 for what is taken back."""
        return 0 if self.gone else self.value


@dataclass
class Deal:
    """One event by plain loops, as docs/mappings.md has it: versions by their days, each an amount for each lead."""

    versions: dict[int, dict[str, int]] = field(default_factory=dict)

    def take(self, rows: Sequence[Said], at: int) -> None:
        """An export of a day whose time is stated."""
        undated = [max(at, 1) if self.versions else 1 for row in rows if not row.received][:1]
        stand: list[list[int]] = []  # the day of a row, and which
        for place, row in enumerate(rows):
            on = row.received or undated[0]
            mine = [other for other in stand if rows[other[1]].lead == row.lead]
            if mine:
                newest = max(mine)
                same = [other for other in mine if rows[other[1]].content == row.content]
                comes_back = row.received and on > newest[0] and rows[newest[1]].content != row.content
                if same and not comes_back:
                    same[-1][0] = min(same[-1][0], on)
                    continue
                if not row.received or on in [other[0] for other in mine]:
                    continue
            stand.append([on, place])
        before = max(self.versions, default=0)
        for on in sorted({other[0] for other in stand}):
            newest_of = {
                rows[place].lead: rows[place] for _, place in sorted(other for other in stand if other[0] <= on)
            }
            version = {lead: row.value for lead, row in newest_of.items() if not row.gone}
            has_date = any(rows[place].received for day_, place in stand if day_ == on)
            self._add(version, on, at, has_date, before)

    def _add(self, version: dict[str, int], on: int, at: int, has_date: bool, before: int) -> None:
        if not self.versions:
            if version:
                self.versions[on] = version
            return
        newest = max(self.versions)
        when = max(at, on) if on in self.versions else on
        if self.versions[newest] == version:
            return
        if version in self.versions.values() and not (when > newest and (has_date or newest == before)):
            return
        if when not in self.versions:
            self.versions[when] = version

    def held(self, at: int, people: People) -> dict[str, int]:
        """Who has which amount at the beginning of a day: a lead that it is told of itself before one by an alias."""
        version = self.versions[max(known)] if (known := [on for on in self.versions if on < at]) else {}
        held: dict[str, int] = {}
        for lead in sorted(version, key=lambda lead: (people.owner(lead, at - 1) != lead, lead_hash(lead))):
            held.setdefault(str(people.owner(lead, at - 1)), version[lead])
        return held


ROWS = st.builds(
    Said, st.sampled_from("aabbc"), st.sampled_from([1, 2]), st.sampled_from([0, 0, *range(2, 10)]),
    st.sampled_from([False, False, True]),
)  # fmt: skip
EXPORTS = st.lists(st.tuples(st.lists(ROWS, min_size=1, max_size=6), st.integers(11, 19)), min_size=1, max_size=3)
MERGES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(2, 20), st.sampled_from([99, 12, 25])),
    max_size=2,
)  # fmt: skip


def line_of(row: Said) -> str:
    return deal(row.lead, str(row.value), row.received or None, "true" if row.gone else "")


def alias_line(alias: str, lead: str, since: int, until: int) -> str:
    ends = "" if until == 99 else f"2024-01-{until:02d}T00:00:00Z"
    return f"{alias},{lead},2024-01-{since:02d}T00:00:00Z,{ends}"


def test_whoever_has_an_event_is_who_plain_loops_say(tmp_path_factory: pytest.TempPathFactory) -> None:
    seen = set[int]()

    @settings(max_examples=60, derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @example([([Said(lead, 1, 0, False) for lead in "abc"], 11)], [], 0)
    @given(EXPORTS, MERGES, st.integers(0, 2))
    def check(exports: list[tuple[list[Said], int]], merges: list[tuple[str, str, int, int]], of: int) -> None:
        folder, event, people = tmp_path_factory.mktemp("shared"), Deal(), People()
        for number, (rows, at) in enumerate(exports):
            event.take(rows, at)
            merge = merges if number == of % len(exports) else []
            for alias, lead, since, until in sorted(merge, key=lambda row: row[2]):
                people.take(alias, lead, since, FAR if until == 99 else until)
            other = deal("z").replace(",7,", ",8,")  # so that some row fits
            told(folder, at, [*map(line_of, rows), other], [alias_line(*row) for row in merge], str(number))
        histories = histories_by_lead(folder)
        for at in range(1, 29):
            expected = event.held(at, people)
            logged = {lead: amounts_of(history, at) for lead, history in histories.items() if lead != "z"}
            assert {lead: values for lead, values in logged.items() if values} == {
                lead: [value] for lead, value in expected.items()
            }
            seen.add(len(expected))

    check()
    assert seen == {0, 1, 2, 3}
