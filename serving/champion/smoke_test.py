"""Tries an artifact in a process of its own, because a damaged one may take the process down.

As a program it takes FOLDER and exits with 0 when the artifact scores, explains and gives numbers.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import msgspec
import numpy as np

from data.contract import DataError
from serving.champion.child_process import MACHINE_AT_FAULT, output_of
from serving.messages.examples import LEAD
from serving.messages.schemas import ScoreRequest
from serving.messages.times import all_us
from serving.scoring.served_model import ServedModel, ServedScores

SECONDS = 120.0
OF_THE_MACHINE = {errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EIO}


def smoke_test(folder: Path, seconds: float = SECONDS) -> None:
    """Runs the test in a throw-away process.

    Raises DataError with the reason when the artifact fails, MachineFault when it could not be told whether it does.
    """
    output_of(__name__, str(folder), job=f"the trial of {folder.name}", seconds=seconds)


def warm(live: ServedModel) -> ServedScores:
    """Scores the documents' example, so that everything is compiled and loaded. Raises DataError for no probability."""
    lead = msgspec.convert(LEAD, ScoreRequest)
    as_of = all_us([str(LEAD["as_of"])], str)
    scored = live.score(live.request_histories([lead], as_of), as_of)
    if not (np.isfinite(scored.probability).all() and 0 < scored.probability[0] < 1):
        raise DataError("the model gives no probability; train again")
    return scored


def explain(live: ServedModel, scored: ServedScores) -> None:
    """Explains scores. Raises DataError when the explanation is not one of them."""
    total = float(live.predictor.contributions(scored.matrix)[0].sum())
    if abs(total - float(live.predictor.parts(scored.matrix)[0, 0])) > 1e-6:
        raise DataError("the model's explanation does not add up to its score; train again")


def main(folder: str) -> int:
    """The test itself; the reason of a failure is the last line on standard error."""
    try:
        live = ServedModel.load(Path(folder), "trial", "0")
        explain(live, warm(live))
    except Exception as error:
        print(error or type(error).__name__, file=sys.stderr)  # noqa: T201 -- read by `smoke_test`
        machine = isinstance(error, MemoryError) or getattr(error, "errno", None) in OF_THE_MACHINE
        return MACHINE_AT_FAULT if machine else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
