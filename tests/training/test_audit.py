"""Every leak that is planted in histories is found; a clean log, and the public ones, have none."""

from __future__ import annotations

import csv
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from data.intake.ingest import ingest
from data.sources.mapping import read_mapping
from tests.conftest import REPOSITORY
from training.audit.findings import Finding
from training.audit.log_audit import audit
from workspace import Workspace

Rows = list[dict[str, str]]
MAPPINGS = REPOSITORY / "data" / "mappings"


def test_a_clean_log_has_no_finding(trained: Workspace) -> None:
    assert trained.audit() == []


def rows_of(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if None not in row and None not in row.values()]


def write(path: Path, rows: Rows) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def plant(events: Rows, leads: Rows) -> tuple[Rows, Rows]:
    """Winners get a contract value and ids of their own; a signature follows each deal; some leads are there twice."""
    won = [row for row in events if row["event_type"] == "deal_won"]
    winners = {row["lead_id"] for row in won}
    signed = [{**row, "event_type": "signed", "occurred_at": later(row), "received_at": "", "event_id": f"s{i}"}
              for i, row in enumerate(won)]  # fmt: skip
    again = [{**row, "lead_id": f"L9{row['lead_id'][2:]}", "event_id": f"d{i}"} for i, row in enumerate(events)
             if row["lead_id"].endswith(("3", "7")) and row["lead_id"].startswith("L0")]  # fmt: skip
    for row in leads:
        row["contract_value"] = str(1000 + len(row["email"])) if row["lead_id"] in winners else ""
    twins = [{**row, "lead_id": f"L9{row['lead_id'][2:]}"} for row in leads if row["lead_id"].endswith(("3", "7"))]
    everything = ([*events, *signed, *again], [*leads, *twins])
    for row in [*everything[0], *everything[1]]:
        row["lead_id"] = ("CUSTOMER" if row["lead_id"] in winners else "") + row["lead_id"]
    return everything


def later(row: dict[str, str]) -> str:
    at = datetime.fromisoformat(row["occurred_at"].replace("Z", "+00:00"))
    return (at + timedelta(seconds=3)).isoformat()


@pytest.fixture(scope="module")
def leaky(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The small funnel with four leaks planted."""
    folder = tmp_path_factory.mktemp("leaky")
    events, leads = plant(*(rows_of(trained.root / "demo" / f"{name}.csv") for name in ("events", "leads")))
    text = (MAPPINGS / "simulated.toml").read_text(encoding="utf-8")
    text = text.replace('"deal_won", "deal_lost"', '"deal_won", "signed", "deal_lost"', 1)
    (folder / "mapping.toml").write_text(text.replace('["employees"]', '["employees", "contract_value"]'))
    files = [write(folder / "events.csv", events)], [write(folder / "leads.csv", leads)]
    ingest(folder / "log", read_mapping(folder / "mapping.toml"), *files, buckets=4)
    return Workspace.open(folder, trained.root / "small.toml")


def test_every_planted_leak_is_found_and_no_more(leaky: Workspace) -> None:
    made = leaky.build()
    findings = audit(leaky.event_log(), made)
    names = {(finding.check, finding.name) for finding in findings}
    assert names >= {
        ("follows", "signed"),
        ("probe", "profile_number_contract_value"),
        ("ids", "lead_id"),
        ("duplicates", "rows"),
    }
    assert {name for _, name in names} == {"signed", "profile_number_contract_value", "lead_id", "rows"}
    assert [finding.severity for finding in findings if finding.check == "duplicates"] == ["warn"]
    quick = leaky.audit(quick=True)
    assert quick == findings
    assert all(re.search(r"\d", finding.evidence) for finding in findings)


BPIC = {"O_ACCEPTED": "offer_accepted", "A_APPROVED": "approved", "A_REGISTERED": "registered"}


def of_bpic(folder: Path, public_data: Path, text: str) -> list[Finding]:
    (folder / "mapping.toml").write_text(text)
    files = [str(public_data / "bpic2012_events.csv.gz")], [str(public_data / "bpic2012_applications.csv.gz")]
    ingest(folder / "log", read_mapping(folder / "mapping.toml"), *files, buckets=2)
    (folder / "small.toml").write_text(
        (REPOSITORY / "examples" / "bpic2012.toml")
        .read_text(encoding="utf-8")
        .replace("every_days = 1 ", "every_days = 7 ")
    )
    workspace = Workspace.open(folder, folder / "small.toml")
    workspace.build()
    return workspace.audit(quick=True)


def test_the_outcome_under_other_names_is_found_in_a_public_log(public_data: Path, tmp_path: Path) -> None:
    text = (MAPPINGS / "bpic2012.toml").read_text(encoding="utf-8")
    more = '"deal_won", "deal_lost", "offer_accepted", "approved", "registered",'
    careless = text.replace('"deal_won", "deal_lost",\n]', f"{more}\n]")
    for activity, name in BPIC.items():
        careless = careless.replace(f'"{activity} COMPLETE" = "deal_won"', f'"{activity} COMPLETE" = "{name}"')
    findings = of_bpic(tmp_path, public_data, careless)
    assert {(finding.check, finding.name) for finding in findings} == {("follows", name) for name in BPIC.values()}


def test_a_public_log_that_is_mapped_well_has_no_finding(public_data: Path, tmp_path: Path) -> None:
    text = (MAPPINGS / "bpic2012.toml").read_text(encoding="utf-8")
    assert of_bpic(tmp_path, public_data, text) == []
