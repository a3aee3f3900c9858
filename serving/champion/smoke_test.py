"""Tries an artifact in a process of its own, because a damaged one may take the process down.

python -m serving.champion.smoke_test FOLDER      exits with 0 when the artifact scores, explains and gives numbers
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np

from data.contract import DataError
from serving.messages.examples import LEAD
from serving.messages.schemas import ScoreRequest
from serving.messages.times import all_us
from serving.scoring.served_model import Scored, ServedModel

SECONDS = 120
"""A trial that takes longer has failed."""
ROOT = Path(__file__).parents[2]


def try_out(folder: Path) -> None:
    """Runs the trial in a throw-away process. Raises DataError with the reason when the artifact fails it."""
    command = [sys.executable, "-m", "serving.champion.smoke_test", str(folder)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise DataError(f"the trial of {folder.name} did not end within {SECONDS} seconds") from None
    if done.returncode < 0:
        raise DataError(f"the trial of {folder.name} died of signal {-done.returncode}; train again")
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise DataError(f"{(last or ['the trial gave no reason'])[0][:300]}")


def warm(live: ServedModel) -> Scored:
    """Scores the documents' example, so that everything is compiled and loaded. Raises DataError for no probability."""
    lead = msgspec.convert(LEAD, ScoreRequest)
    as_of = all_us([LEAD["as_of"]], str)
    scored = live.score(live.request_histories([lead], as_of), as_of)
    if not (np.isfinite(scored.probability).all() and 0 < scored.probability[0] < 1):
        raise DataError("the model gives no probability; train again")
    return scored


def explain(live: ServedModel, scored: Scored) -> None:
    """Explains scores. Raises DataError when the explanation is not one of them."""
    total = float(live.predictor.contributions(scored.matrix)[0].sum())
    if abs(total - float(live.predictor.parts(scored.matrix)[0, 0])) > 1e-6:
        raise DataError("the model's explanation does not add up to its score; train again")


def main(folder: str) -> int:
    """The trial itself; the reason of a failure is the last line on standard error."""
    try:
        live = ServedModel.load(Path(folder), "trial", "0")
        explain(live, warm(live))
    except Exception as error:
        print(error, file=sys.stderr)  # noqa: T201 -- read by `try_out`
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
