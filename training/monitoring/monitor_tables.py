"""What monitoring found, as tables of text."""

from __future__ import annotations

from collections.abc import Sequence

from features.numbers_in_words import number, percent, short_percent
from training.measuring.tables import Table, share
from training.monitoring.checks import Check
from training.monitoring.monitor import Monitoring
from training.samples.covariate_shift import CovariateShift


def monitor_tables(monitoring: Monitoring) -> list[Table]:
    """Cohorts, tests and shifts; a table without rows is left out."""
    cohorts = [
        [cohort.week, number(cohort.leads), percent(cohort.promised, 1), share(cohort.realised)]
        for cohort in monitoring.cohorts
    ]
    tables = [
        Table(
            "Matured cohorts: promised and realised (95 % intervals)",
            ["week", "leads", "promised", "realised"],
            cohorts,
        ),
        check_table(monitoring.checks, monitoring.error),
        shift_table(monitoring.shifts),
    ]
    return [table for table in tables if table.rows]


def check_table(checks: Sequence[Check], error: float) -> Table:
    """Tests of scores against what became of them."""
    rows = [[check.name, "FAILED" if check.failed else "kept", check.evidence] for check in checks]
    title = f"Do scores keep their word? (when they do, anything fails in at most {short_percent(error)} of runs)"
    return Table(title, ["test", "result", "evidence"], rows)


def shift_table(shifts: Sequence[CovariateShift]) -> Table:
    """What has moved between two samples of leads."""
    rows = [
        [
            shift.name,
            number(shift.earlier),
            number(shift.recent),
            number(shift.psi, 3),
            f"{shift.p:.2g}",
            _moved(shift.shifted),
        ]
        for shift in shifts
    ]
    title = "Has the world moved? (index PSI, chi-squared test; alone no reason to act)"
    return Table(title, ["what", "leads before", "leads now", "PSI", "p", "moved"], rows)


def _moved(shifted: bool) -> str:
    return "MOVED" if shifted else "no"
