"""What monitoring found, as tables of text."""

from __future__ import annotations

from features.wording import number, percent, short_percent
from training.measuring.tables import Table, share
from training.monitoring.monitor import Monitoring


def monitor_tables(found: Monitoring) -> list[Table]:
    """Cohorts, tests and shifts; a table without rows is left out."""
    cohorts = [
        [each.week, number(each.leads), percent(each.promised, 1), share(each.realised)] for each in found.cohorts
    ]
    checks = [[each.name, "FAILED" if each.failed else "kept", each.evidence] for each in found.checks]
    shifts = [
        [
            each.name,
            number(each.earlier),
            number(each.recent),
            number(each.psi, 3),
            f"{each.p:.2g}",
            _moved(each.shifted),
        ]
        for each in found.shifts
    ]
    tables = [
        Table(
            "Matured cohorts: promised and realised (95 % intervals)",
            ["week", "leads", "promised", "realised"],
            cohorts,
        ),
        Table(
            f"Do scores keep their word? (when they do, anything fails in at most "
            f"{short_percent(found.error)} of runs)",
            ["test", "result", "evidence"],
            checks,
        ),
        Table(
            "Has the world moved? (index PSI, chi-squared test; alone no reason to act)",
            ["what", "leads before", "leads now", "PSI", "p", "moved"],
            shifts,
        ),
    ]
    return [each for each in tables if each.rows]


def _moved(shifted: bool) -> str:
    return "MOVED" if shifted else "no"
