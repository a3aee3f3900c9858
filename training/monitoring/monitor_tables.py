"""What monitoring found, as tables of text."""

from __future__ import annotations

from features.wording import number, percent, short_percent
from training.measuring.tables import Table, share
from training.monitoring.monitor import Monitoring


def monitor_tables(monitoring: Monitoring) -> list[Table]:
    """Cohorts, tests and shifts; a table without rows is left out."""
    cohorts = [
        [cohort.week, number(cohort.leads), percent(cohort.promised, 1), share(cohort.realised)]
        for cohort in monitoring.cohorts
    ]
    checks = [[check.name, "FAILED" if check.failed else "kept", check.evidence] for check in monitoring.checks]
    shifts = [
        [
            shift.name,
            number(shift.earlier),
            number(shift.recent),
            number(shift.psi, 3),
            f"{shift.p:.2g}",
            _moved(shift.shifted),
        ]
        for shift in monitoring.shifts
    ]
    tables = [
        Table(
            "Matured cohorts: promised and realised (95 % intervals)",
            ["week", "leads", "promised", "realised"],
            cohorts,
        ),
        Table(
            f"Do scores keep their word? (when they do, anything fails in at most "
            f"{short_percent(monitoring.error)} of runs)",
            ["test", "result", "evidence"],
            checks,
        ),
        Table(
            "Has the world moved? (index PSI, chi-squared test; alone no reason to act)",
            ["what", "leads before", "leads now", "PSI", "p", "moved"],
            shifts,
        ),
    ]
    return [table for table in tables if table.rows]


def _moved(shifted: bool) -> str:
    return "MOVED" if shifted else "no"
