"""The runbook knows every alarm and every line of the log, and the alarms are of what servers measure and do go off."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from serving.telemetry.metrics import Metrics
from tests.conftest import REPOSITORY

RULES = REPOSITORY / "examples" / "prometheus_rules.yml"
RUNBOOK = (REPOSITORY / "docs" / "runbook.md").read_text(encoding="utf-8")
CASES = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'leadscore_store_up{{instance="a", job="leadscore"}}', values: '1x10 0x20'}}
      - {{series: 'leadscore_data_alarm{{instance="a", kind="silent", stream="web"}}', values: '_x5 1x30'}}
      - {{series: 'leadscore_requests_total{{instance="a", method="POST", route="/v1/events", status="500"}}',
         values: '0x5 1+1x30'}}
      - {{series: 'leadscore_feature_rows_total{{instance="a", of="all"}}', values: '0+100x12000'}}
      - {{series: 'leadscore_feature_missing_total{{instance="a", feature="country"}}', values: '0x10080 0+90x1920'}}
      - {{series: 'leadscore_feature_missing_total{{instance="a", feature="size"}}', values: '0+5x12000'}}
    alert_rule_test:
      - {{eval_time: 9m, alertname: LeadscoreStoreAway, exp_alerts: []}}
      - eval_time: 15m
        alertname: LeadscoreStoreAway
        exp_alerts: [{{exp_labels: {{severity: page, instance: a, job: leadscore}},
                      exp_annotations: {{summary: "a: the store does not answer, or takes no writes"}}}}]
      - {{eval_time: 4m, alertname: LeadscoreDataAlarm, exp_alerts: []}}
      - eval_time: 6m
        alertname: LeadscoreDataAlarm
        exp_alerts: [{{exp_labels: {{severity: page, instance: a, kind: silent, stream: web}},
                      exp_annotations: {{summary: "web is silent: scores cannot be trusted until it is mended"}}}}]
      - {{eval_time: 5m, alertname: LeadscoreErrors, exp_alerts: []}}
      - eval_time: 15m
        alertname: LeadscoreErrors
        exp_alerts: [{{exp_labels: {{severity: page, instance: a, route: /v1/events, status: "500"}},
                      exp_annotations: {{summary: "a answers 500 at /v1/events"}}}}]
      - {{eval_time: 7d, alertname: LeadscoreFeatureMissing, exp_alerts: []}}
      - eval_time: 8d
        alertname: LeadscoreFeatureMissing
        exp_alerts: [{{exp_labels: {{severity: look, instance: a, feature: country}},
          exp_annotations: {{summary: "country is missing of many leads of which it was known a week ago"}}}}]
"""


def alarms() -> set[str]:
    return set(re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8")))


def log_lines() -> set[str]:
    """What the server writes into its log: the first word given to `write` or `failure` of a log."""
    events: set[str] = set()
    for path in (*(REPOSITORY / "serving").rglob("*.py"), REPOSITORY / "commands" / "server.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                is_log = node.func.attr in ("write", "failure") and "log" in ast.unparse(node.func.value).lower()
                if is_log and isinstance(first, ast.Constant) and isinstance(first.value, str):
                    events.add(first.value)
    return events


def test_each_alarm_has_its_paragraph_and_each_paragraph_its_alarm() -> None:
    assert len(alarms()) > 10
    assert set(re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE)) == alarms()


def test_each_line_of_the_log_is_explained() -> None:
    assert {"request", "listening", "model_refused", "not_compiled"} <= log_lines()
    assert {line for line in log_lines() if f"`{line}`" not in RUNBOOK} == set()


def test_alarms_are_of_what_is_measured() -> None:
    measured = {family.name for family in Metrics().registry.collect()} | {"score_band", "feature_rows"}
    measured |= {"leadscore_feature_rows", "leadscore_feature_missing"}  # of the model in place
    asked = set(re.findall(r"leadscore_\w+", RULES.read_text(encoding="utf-8")))
    assert {name for name in asked if re.sub("_(total|bucket)$", "", name) not in measured} == set()


@pytest.fixture
def promtool() -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed; apt-get install prometheus")
    return program


def test_rules_are_whole_and_go_off_at_planted_faults(promtool: str, tmp_path: Path) -> None:
    cases = tmp_path / "cases.yml"
    cases.write_text(CASES.format(rules=RULES), encoding="utf-8")
    for words in (["check", "rules", str(RULES)], ["test", "rules", str(cases)]):
        done = subprocess.run([promtool, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
