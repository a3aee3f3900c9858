"""What a run takes of the machine: time of its processors, and memory at most."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass

PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the system counts the peak."""


@dataclass(frozen=True)
class Meter:
    """Processor time of this process up to now, in seconds."""

    spent: float

    @staticmethod
    def started() -> Meter:
        return Meter(_spent())

    def read(self) -> dict[str, float]:
        """By the names that MLflow has for metrics of the system: seconds since the start, megabytes of the process."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PEAK_UNIT / 1e6
        return {"system/cpu_seconds": _spent() - self.spent, "system/peak_memory_megabytes": peak}


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
