"""What an audit found: the check, the column, how bad, and the evidence in words and numbers; and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from data.contract import DataError

Check = Literal["probe", "filled", "certain", "state", "overwritten", "cut", "follows", "ids", "duplicates", "undone"]
Severity = Literal["fail", "warn"]
CHECKS: tuple[Check, ...] = get_args(Check)


@dataclass(frozen=True)
class Finding:
    """One leak, or what looks like one.

    name: a column or event type, `lead_id` or `rows` where it concerns all. severity: `fail` stops training, `warn`
    is told only. evidence: a sentence with its numbers.
    """

    check: Check
    name: str
    severity: Severity
    evidence: str

    def to_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        return {"check": self.check, "name": self.name, "severity": self.severity, "evidence": self.evidence}


def standing(findings: Sequence[Finding], allow: Collection[str]) -> list[Finding]:
    """The findings that stop training: severe ones whose name is not allowed.

    >>> findings = [Finding("probe", "duration", "fail", "…"), Finding("duplicates", "rows", "warn", "…")]
    >>> [finding.name for finding in standing(findings, [])], standing(findings, ["duration"])
    (['duration'], [])
    """
    return [finding for finding in findings if finding.severity == "fail" and finding.name not in allow]


def refuse(findings: Sequence[Finding], allow: Collection[str], remedy: str) -> None:
    """Raises DataError, naming them, when findings stand; `remedy` says how to drop or allow a column."""
    severe = standing(findings, allow)
    if severe:
        names = ", ".join(dict.fromkeys(finding.name for finding in severe))
        raise DataError(f"the audit found what looks like a leak in {names}: {severe[0].evidence}; {remedy}")


def words_of(name: str) -> frozenset[str]:
    """The words of a column's name, in lower case.

    >>> sorted(words_of("Last Notable Activity")), sorted(words_of("leadQuality_2"))
    (['activity', 'last', 'notable'], ['lead', 'quality'])
    """
    return frozenset(word.lower() for word in re.findall(r"[A-ZÄÖÜ]?[a-zäöüß]+|[A-ZÄÖÜ]+(?![a-zäöüß])", name))
