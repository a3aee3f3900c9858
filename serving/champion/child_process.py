"""Runs a module of ours in a process of its own: what costs much memory, or may take its process down.

The process imports from where this one does, be that a checkout or the installed package.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from data.contract import DataError

PROGRAM = "import gc, runpy, sys; gc.disable(); runpy.run_module(sys.argv.pop(1), None, '__main__', True)"
"""Runs a module as `python -m` does, without the collector: a process that soon ends has nothing to collect."""
MACHINE_AT_FAULT = os.EX_TEMPFAIL
"""The exit code of a module that could not do its work for want of memory, room or the like."""


class MachineFault(DataError):
    """The machine could not do the work now: what was asked may be sound, and is worth another try."""


def output_of(module: str, *arguments: str, job: str, seconds: float) -> bytes:
    """What `python -m MODULE ARGUMENTS` writes to standard output. module: `__name__` of the caller.

    Raises DataError with the last line on standard error when it fails, MachineFault when that is the machine's fault:
    the time is over, it was killed, or it says so itself. `job` names in messages what it was to do.
    """
    command = [sys.executable, "-P", "-c", PROGRAM, module, *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise MachineFault(f"{job} did not end within {seconds:g} seconds") from None
    except OSError as error:
        raise MachineFault(f"{job} could not begin: {error.strerror}") from None
    if done.returncode < 0:
        fault = MachineFault if done.returncode == -signal.SIGKILL else DataError
        raise fault(f"{job} died of signal {-done.returncode}")
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        fault = MachineFault if done.returncode == MACHINE_AT_FAULT else DataError
        raise fault(f"{(last or [f'{job} gave no reason'])[0][:300]}")
    return done.stdout
