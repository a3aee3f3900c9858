"""Declared stages of a funnel: no leak for coming before the outcome, a leak where they are written after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from data.contract import UsageError
from data.intake.ingest import ingest
from data.sources.mapping import EventsPart, Mapping
from tests.data.exports import write_csv
from workspace import Workspace

TYPES = ("page_view", "mql", "sql", "deal_won", "deal_lost", "customer", "proposal")
MAPPING = Mapping(
    name="crm", event_types=TYPES,
    events=EventsPart(lead_id="lead", event_type="type", occurred_at="at", constants={"source": "crm"}),
)  # fmt: skip
SETTINGS = """
[moments]
every_days = 14
[audit]
stages = {stages}
"""
LEADS = 1_600
Found = Callable[..., set[tuple[str, str]]]
SAME_DAY, LATER = [0, 0, 0, 15], [10, 20, 25]
"""Days from the last stage to the outcome."""


def funnel(after_days: Sequence[float], planted: bool) -> list[str]:
    """Half the leads become an MQL, half of these an SQL, of which seven of ten win, so many days after.

    planted: of each that wins a customer record is written just after it, and a proposal that is dated back.
    """
    dice, rows = np.random.default_rng(3), []

    def tell(lead: int, kind: str, at: float, seconds: int = 0) -> None:
        time = np.datetime64("2024-01-01T12:00:00") + np.timedelta64(int(at) * 86_400 + seconds, "s")
        rows.append(f"l{lead},{kind},{time}Z")

    for lead in range(LEADS):
        day = dice.uniform(0, 300)
        for _ in range(dice.integers(1, 5)):
            tell(lead, "page_view", day + dice.uniform(0, 30), int(dice.integers(0, 9_999)))
        if dice.uniform() > 0.5:
            continue
        tell(lead, "mql", day + 10)
        if dice.uniform() > 0.5:
            continue
        ends = day + 20 + dice.choice(after_days)
        tell(lead, "sql", day + 20)
        won = dice.uniform() < 0.7
        tell(lead, "deal_won" if won else "deal_lost", ends)
        if won and planted:
            tell(lead, "customer", ends, 3)
            tell(lead, "proposal", ends - 16)
    return rows


@pytest.fixture
def findings(tmp_path: Path) -> Found:
    """What the audit of a funnel finds, with stages that are declared."""

    def command(after_days: Sequence[float], planted: bool, *stages: str) -> set[tuple[str, str]]:
        if not (tmp_path / "log").exists():
            rows = write_csv(tmp_path / "events.csv", funnel(after_days, planted), "lead,type,at")
            ingest(tmp_path / "log", MAPPING, [rows], buckets=2)
        (tmp_path / "stages.toml").write_text(SETTINGS.format(stages=json.dumps(stages)))
        workspace = Workspace.open(tmp_path, tmp_path / "stages.toml")
        workspace.build()
        return {(finding.check, finding.name) for finding in workspace.audit()}

    return command


def test_a_stage_of_the_day_of_the_outcome_is_part_of_it_unless_it_is_declared(findings: Found) -> None:
    """As where an export has dates without times for the stages of a lead."""
    assert findings(SAME_DAY, False) == {("follows", "sql")}
    assert findings(SAME_DAY, False, "mql", "sql") == set()


def test_a_stage_that_tells_much_of_the_outcome_is_no_leak_when_it_is_declared(findings: Found) -> None:
    assert findings(LATER, False) == {("probe", "distinct_types_30d")}
    assert findings(LATER, False, "mql", "sql") == set()


def test_what_is_written_after_the_outcome_is_a_leak_though_it_is_declared(findings: Found) -> None:
    """Just after it, or dated back to before it once it is known."""
    assert findings(SAME_DAY, True, "mql", "sql", "customer", "proposal") == {
        ("follows", "customer"), ("certain", "proposal"),
        ("probe", "count_proposal_30d"), ("probe", "count_proposal_ever"),
    }  # fmt: skip


def test_a_stage_that_the_log_does_not_know_is_named(findings: Found) -> None:
    with pytest.raises(
        UsageError, match=r"audit\.stages names 'mqll', which is no event type of the log; did you mean"
    ):
        findings(SAME_DAY, False, "mqll")
