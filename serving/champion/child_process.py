"""Runs a module of ours in a process of its own: what costs much memory, or may take its process down.

The process imports from where this one does, be that a checkout or the installed package.
"""

from __future__ import annotations

import os
import subprocess
import sys

from data.contract import DataError


def output_of(module: str, *arguments: str, job: str, seconds: float) -> bytes:
    """What `python -m MODULE ARGUMENTS` writes to standard output. module: `__name__` of the caller.

    Raises DataError with the last line on standard error when it fails; `job` names in messages what it was to do.
    """
    command = [sys.executable, "-P", "-m", module, *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise DataError(f"{job} did not end within {seconds:g} seconds") from None
    if done.returncode < 0:
        raise DataError(f"{job} died of signal {-done.returncode}")
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise DataError(f"{(last or [f'{job} gave no reason'])[0][:300]}")
    return done.stdout
