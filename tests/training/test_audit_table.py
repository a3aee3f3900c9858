"""Each leak that is planted in a table is found and told with its evidence; clean tables stay clean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from data.contract import DataError
from training.audit.findings import Finding, refuse
from training.audit.table_audit import Labelled, audit_table, read_labelled

ROWS = 3_000


def honest(seed: int, rows: int = ROWS, rate: float = -2.0) -> Labelled:
    """A table whose columns are causes, not consequences: one strong, some weak, one missing where it is unwelcome."""
    rng = np.random.default_rng(seed)
    visits, size, source = (
        rng.poisson(3, rows),
        rng.lognormal(3, 1, rows),
        rng.choice(["ads", "friend", "search"], rows),
    )
    z = rate + 0.35 * visits + 0.3 * np.log(size) - 1.0 + 1.2 * (source == "friend") + rng.normal(0, 0.5, rows)
    features = pa.table(
        {
            "visits": visits.astype(float),
            "pages": visits * 4.0 + rng.poisson(2, rows),
            "employees": np.where(rng.random(rows) < expit(-z) * 0.6, np.nan, size),
            "source": source,
            "noise": rng.normal(size=rows),
        }
    )
    y = (rng.random(rows) < expit(z)).astype(np.float64)
    return Labelled(features, y, pa.table({"id": [f"L{i:06d}" for i in rng.permutation(rows)]}))


def with_column(table: Labelled, name: str, values: object) -> Labelled:
    return Labelled(table.features.append_column(name, pa.array(values)), table.y, table.ids, table.time)


def found(table: Labelled) -> set[tuple[str, str]]:
    return {(finding.check, finding.name) for finding in audit_table(table)}


@pytest.mark.parametrize("rate", [-5.0, -2.0, 0.0])
@pytest.mark.parametrize("seed", range(5))
def test_an_honest_table_has_no_finding(seed: int, rate: float) -> None:
    table = honest(seed, rate=rate)
    assert 30 < table.y.sum() < ROWS - 30
    assert found(table) == set()


def planted(name: str) -> Labelled:
    """An honest table with one leak."""
    table, rng = honest(9), np.random.default_rng(90)
    y = table.y
    late = rng.random(ROWS) < 0.5
    columns = {
        "talk_time": rng.exponential(1 + 4 * y),
        "page_worth": np.where((y > 0) | (rng.random(ROWS) < 0.05), rng.exponential(20, ROWS), 0.0),
        "contract_number": np.where((y > 0) & late, "C1", ""),
        "reason_lost": np.where((y == 0) & late, "price", ""),
        "Lead Quality": [["poor", "good"][int(flip)] for flip in rng.random(ROWS) < 0.4 + 0.3 * y],
        "final_status": [["a", "b"][int(flip)] for flip in rng.random(ROWS) < 0.4 + 0.3 * y],
    }  # fmt: skip
    return with_column(table, name, columns[name])


@pytest.mark.parametrize(
    ("check", "name"),
    [
        ("probe", "talk_time"),
        ("probe", "page_worth"),
        ("filled", "contract_number"),
        ("filled", "reason_lost"),
        ("state", "Lead Quality"),
        ("state", "final_status"),
    ],
)
def test_a_planted_column_is_found_and_no_other(check: str, name: str) -> None:
    findings = found(planted(name))
    assert (check, name) in findings
    assert {column for _, column in findings} == {name}


def test_a_leak_that_stands_there_twice_does_not_hide_itself() -> None:
    table = planted("talk_time")
    twice = with_column(table, "talk_minutes", table.features.column("talk_time").to_numpy() / 60)
    assert {"talk_time"} <= {name for _, name in found(twice)} <= {"talk_time", "talk_minutes"}


def test_ids_that_order_the_outcomes_are_found() -> None:
    table = honest(3)
    order = np.argsort(np.argsort(-table.y, kind="stable"))
    by_number = Labelled(table.features, table.y, pa.table({"id": [str(1000 + i) for i in order]}))
    assert found(by_number) == {("ids", "id")}
    letters = [f"{'CUST' if won else 'LEAD'}-{i % 977}" for i, won in enumerate(table.y)]
    assert found(Labelled(table.features, table.y, pa.table({"id": letters}))) == {("ids", "id")}


def test_ids_that_all_hold_one_number_are_ordered_by_the_rest() -> None:
    """Like 00Q5e1 and 00Q5e2: by their first number they would stand in the order of the rows."""
    table = honest(3)
    rows = np.argsort(table.y, kind="stable")
    ids = [f"00Q{letter}" for letter in np.random.default_rng(5).permutation([f"{i:x}".zfill(6) for i in range(ROWS)])]
    sorted_by_outcome = Labelled(table.features.take(pa.array(rows)), table.y[rows], pa.table({"id": ids}))
    assert found(sorted_by_outcome) == set()


def test_ids_that_follow_the_clock_through_a_drift_are_none() -> None:
    rng = np.random.default_rng(5)
    time = np.arange(ROWS)
    y = (rng.random(ROWS) < np.linspace(0.02, 0.5, ROWS)).astype(np.float64)
    ids = pa.table({"id": [f"{i:07d}" for i in time]})
    features = pa.table({"noise": rng.normal(size=ROWS)})
    assert found(Labelled(features, y, ids, time)) == found(Labelled(features, y, ids)) == set()


def test_rows_that_come_again_are_told_but_stop_nothing() -> None:
    table = honest(4)
    again = pa.array([*range(ROWS), *range(0, 400)])
    ids = pa.table({"id": [str(i) for i in np.random.default_rng(4).permutation(ROWS + 400)]})
    doubled = audit_table(Labelled(table.features.take(again), table.y[again.to_numpy()], ids))
    assert [(finding.check, finding.severity) for finding in doubled] == [("duplicates", "warn")]
    assert "400 of 3,400 rows repeat an earlier one" in doubled[0].evidence
    refuse(doubled, [], "")


def test_one_outcome_is_no_evidence() -> None:
    table = honest(1)
    with pytest.raises(DataError, match="3,000 rows with one outcome only"):
        audit_table(Labelled(table.features, np.zeros(ROWS), table.ids))


def test_findings_stop_until_each_is_allowed_by_name() -> None:
    findings = [Finding("probe", "a", "fail", "a knows"), Finding("ids", "b", "fail", "b orders")]
    with pytest.raises(DataError, match=r"a leak in a, b: a knows; drop it"):
        refuse(findings, [], "drop it")
    with pytest.raises(DataError, match="leak in b"):
        refuse(findings, ["a"], "")
    refuse(findings, ["a", "b"], "")


PUBLIC = {
    "bank-additional-full.csv.gz": ("y", [], None, {"duration"}),
    "online_shoppers_intention.csv.gz": ("Revenue", [], None, {"PageValues"}),
    "x_education_leads.csv.gz": (
        "Converted",
        ["Prospect ID", "Lead Number"],
        "Lead Number",
        {
            *("Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity"),
            *("Asymmetrique Activity Index", "Asymmetrique Profile Index"),
            *("Asymmetrique Activity Score", "Asymmetrique Profile Score"),
        },
    ),
}


@pytest.mark.parametrize("file", PUBLIC)
def test_the_known_leaks_of_public_tables_are_found_and_nothing_else(file: str, public_data: Path) -> None:
    target, ids, time, leaks = PUBLIC[file]
    labelled = read_labelled(public_data / file, target, None, ids, time)
    findings = audit_table(labelled)
    assert {finding.name for finding in findings} - {"rows"} == leaks
    left = [name for name in labelled.features.column_names if name not in leaks]
    again = audit_table(Labelled(labelled.features.select(left), labelled.y, labelled.ids, labelled.time))
    assert {finding.name for finding in again} - {"rows"} == set()
    assert ("rows" in {finding.name for finding in findings}) == file.startswith("x_education")


@pytest.mark.parametrize("share", [0.01, 0.02, 0.03, 0.05])
def test_an_amount_that_is_0_unless_won_is_found_however_few_win(share: float) -> None:
    rng, rows = np.random.default_rng(4), 6_000
    table = honest(3, rows=rows)
    y = (rng.random(rows) < share).astype(np.float64)
    table = Labelled(table.features, y, table.ids, table.time)
    leaky = with_column(table, "deal_amount", np.where(y > 0, rng.lognormal(8, 1, rows), 0.0))
    assert ("probe", "deal_amount") in found(leaky)
    assert found(table) == set()
    basket = np.where(rng.random(rows) < 0.9, 0.0, rng.lognormal(4, 1, rows))  # as often 0, and honest
    assert found(with_column(table, "basket", basket)) == set()


def test_codes_that_only_winners_have_are_found_among_hundreds() -> None:
    table, rng = honest(5), np.random.default_rng(5)
    owner = np.where(table.y > 0, rng.integers(0, 30, ROWS), rng.integers(30, 130, ROWS))
    names = np.array([f"owner {code:03d}" for code in range(130)])
    assert ("probe", "owner") in found(with_column(table, "owner", names[owner]))
    assert found(with_column(table, "owner", names[rng.integers(0, 130, ROWS)])) == set()
