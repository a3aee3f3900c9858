"""The command line as a whole: its sub-commands, one per job, and how an error reads.

Help and refusals import neither numba nor pandas nor Rich: a command imports what it needs when it is called.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import NoReturn

import typer

from commands.compilation import compile_all
from commands.demo import demo
from commands.histories.audit import audit
from commands.histories.histories import compact, features, ingest, simulate
from commands.histories.mappings import mappings
from commands.histories.pull import pull
from commands.models.backtest import backtest
from commands.models.models import evaluate, promote, rebuild, register, rollback, train
from commands.models.monitor import monitor
from commands.models.recalibration import recalibrate
from commands.models.thresholds import thresholds
from commands.scores.cohorts import cohorts
from commands.scores.explanation import explain
from commands.scores.publication import publish
from commands.scores.scores import info, score
from commands.server import serve
from commands.store.backup import backup, restore
from commands.store.migration import store
from commands.store.retention import prune
from commands.store.store import forget, keys, objection
from commands.store.trail import check_trail, trail
from commands.store.users import users
from data.contract import DataError, UsageError

ABOUT = "Which leads convert: from engagement histories to calibrated probabilities, thresholds and reasons."
app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, help=ABOUT
)
HISTORIES = (simulate, mappings, ingest, pull, compact, features, audit)
MODELS = (train, register, rebuild, recalibrate, evaluate, backtest, monitor, promote, rollback)
SCORES = (score, explain, cohorts, publish, info)
KEPT = (trail, backup, restore, prune)
for command in (*HISTORIES, *MODELS, *SCORES, demo, serve, forget, objection, *KEPT):
    app.command()(command)
app.command(name="compile")(compile_all)
app.command(name="check-trail")(check_trail)
app.add_typer(keys, name="keys")
app.add_typer(store, name="store")
app.add_typer(users, name="users")
app.add_typer(thresholds, name="thresholds")


def main() -> None:
    """Runs a command; errors a user can mend are one line on standard error, exit code 2 (usage) or 3 (data)."""
    _prepare()
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except typer.TyperException as error:
        _stop(2, f"{error.format_message()} (see leadscore --help)".lstrip())
    except UsageError as error:
        _stop(2, str(error))
    except DataError as error:
        _stop(3, str(error))
    except OSError as error:
        _stop(3, f"{error.filename or 'input or output'}: {error.strerror or error}")
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)


def _prepare() -> None:
    """What libraries are told before they are imported. Not where files cannot be locked."""
    if os.name != "posix":
        _stop(2, "leadscore runs on Linux and macOS, not on Windows; use WSL or the image, see docs/operations.md")
    # Threads that wait must not spin: on a busy machine that makes LightGBM ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Of users without a home, and machines without /dev/shm: both go on without them.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", ".*joblib will operate in serial mode")


def _stop(code: int, text: str) -> NoReturn:
    print(f"error: {' '.join(text.split())}", file=sys.stderr)  # noqa: T201 -- the one line that the user gets
    sys.exit(code)
