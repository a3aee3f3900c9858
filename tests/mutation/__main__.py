"""`make mutants`: draws 200 faults in the core, plants them one after the other, and tells which no test noticed.

Written ourselves, because mutmut puts all mutants of a function behind a switch that compiled functions cannot call,
and cosmic-ray starts a Python for each mutant, which here goes mostly into imports. Two processes at a time are forked
from one that has the libraries loaded; compiled functions are made anew where a fault may lie in them.

It may be stopped at any time and goes on where it was: `var/mutants/results.jsonl` holds what is known. A mutant that
was killed stays so while its module is the same; one that survived is tried again when its tests have changed. Without
that file all begin anew. `make mutants NAME=…` tries one by its id, or all of a file, whether drawn or not.
"""

from __future__ import annotations

import hashlib
import json
import signal
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Literal

from console import Screen
from tests.mutation.guards import CORE, Guarded
from tests.mutation.mutants import Mutant, drawn, mutants_of
from tests.mutation.trial import NO_TESTS, SURVIVED, Tree, Trial, begin

ROOT = Path(__file__).parents[2]
VAR = ROOT / "var" / "mutants"
RESULTS = VAR / "results.jsonl"
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
COUNT, AT_ONCE = 200, 2
LEAST_LIMIT_S, LIMIT_FACTOR = 120, 5
"""A mutant whose tests take that much more of the processor than they do without a fault runs in circles: noticed.
Time that goes by says nothing, since other work may take the processor."""
WAITS_S = 1800.0
"""One whose tests take nothing of the processor, and do not end, waits for ever: it is noticed too."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant, or of a module without a fault, whose id is its name.

    by: the test that noticed it. digest: of the module, and of its tests where none noticed anything. seconds: of the
    processor's.
    """

    id: str
    outcome: Literal["killed", "survived"]
    by: str
    digest: str
    seconds: float
    mutant: str


@dataclass(frozen=True)
class Job:
    """A mutant to try, or a module without a fault, to see that its tests pass and how long they take."""

    guarded: Guarded
    mutant: Mutant | None

    @property
    def compiles(self) -> bool:
        return self.mutant is not None and "@njit" in self.mutant.source


def main(names: Sequence[str]) -> int:
    """Tries what is not known yet and shows the table. Exit code 1 when a survivor is not named as equivalent."""
    screen, equivalent = Screen(), {name: text["why"] for name, text in tomllib.loads(EQUIVALENT.read_text()).items()}
    of_module = {
        definition: mutants_of((ROOT / definition.module).read_text(), definition.module, definition.functions)
        for definition in CORE
    }
    if names:
        chosen = [m for some in of_module.values() for m in some if m.id in names or m.module in names]
    else:
        chosen = drawn(list(of_module.values()), COUNT)
    by_module = {definition.module: definition for definition in CORE}
    known = _known()
    open_ = [m for m in chosen if names or not _stands(known.get(m.id), by_module[m.module])]
    sound = {g.module: r.seconds for g in CORE if (r := known.get(g.module)) is not None and _stands(r, g)}
    jobs = [Job(by_module[m.module], m) for m in open_]
    jobs[:0] = [
        Job(guarded, None) for guarded in dict.fromkeys(job.guarded for job in jobs) if guarded.module not in sound
    ]
    with RESULTS.open("a") as file:
        for done, result in enumerate(_tried(jobs, sound), start=1):
            screen.say(f"{done}/{len(jobs)} {result.outcome:8} {result.seconds:4.0f} s {result.id} {result.mutant}")
            file.write("\n" + json.dumps(asdict(result)))
            file.flush()
            known[result.id] = result
    return _report(screen, chosen, known, equivalent)


def _known() -> dict[str, Result]:
    """What stands in the file; a line that a kill has cut off is left out."""
    VAR.mkdir(parents=True, exist_ok=True)
    known = {}
    for line in RESULTS.read_text().splitlines() if RESULTS.exists() else []:
        with suppress(ValueError, TypeError):
            result = Result(**json.loads(line))
            known[result.id] = result
    return known


def _stands(result: Result | None, guarded: Guarded) -> bool:
    return result is not None and result.digest == _digest(ROOT, guarded, result.outcome)


def _digest(root: Path, guarded: Guarded, outcome: str) -> str:
    files = [guarded.module, *(guarded.tests if outcome == "survived" else ())]
    return hashlib.sha256(b"\0".join((root / name).read_bytes() for name in files)).hexdigest()[:16]


def _tried(jobs: Sequence[Job], sound: dict[str, float]) -> Iterator[Result]:
    """Results as they come. sound: what tests of modules take of the processor without a fault, which is added to.

    Whatever ends this ends what it has started.
    """
    trees, running, waiting = [Tree(ROOT, VAR / str(number)) for number in range(AT_ONCE)], dict[Trial, Job](), [*jobs]
    for tree in trees if jobs else ():
        tree.refresh()
    try:
        while waiting or running:
            for tree in [tree for tree in trees if tree not in [trial.tree for trial in running]]:
                job = next((job for job in waiting if job.mutant is None or job.guarded.module in sound), None)
                if job is not None:
                    waiting.remove(job)
                    running[_begun(tree, job, sound)] = job
            wait([trial.process.sentinel for trial in running], timeout=1.0)
            for trial, job in [*running.items()]:
                if not trial.process.is_alive() or trial.seconds > WAITS_S:
                    del running[trial]
                    result = _result(trial, job)
                    if job.mutant is None:
                        sound[job.guarded.module] = result.seconds
                    yield result
    finally:
        for trial in running:
            trial.stop()
            trial.tree.restore()


def _begun(tree: Tree, job: Job, sound: dict[str, float]) -> Trial:
    guarded, limit = job.guarded, None
    if job.mutant is not None:
        tree.plant(job.mutant.module, job.mutant.source)
        limit = int(max(LEAST_LIMIT_S, LIMIT_FACTOR * sound[guarded.module]))
    return begin(tree, guarded.module, guarded.tests, job.compiles, limit)


def _result(trial: Trial, job: Job) -> Result:
    late = trial.process.is_alive() or trial.process.exitcode == -signal.SIGXCPU
    trial.stop()
    trial.tree.restore()
    code, module = trial.process.exitcode, job.guarded.module
    if code == NO_TESTS:
        raise SystemExit(f"no test guards {module}: correct tests/mutation/guards.py")
    if job.mutant is None and code != SURVIVED:
        raise SystemExit(f"the tests of {module} fail without a fault:\n{trial.output[-2000:]}")
    outcome: Literal["killed", "survived"] = "survived" if code == SURVIVED and not late else "killed"
    by = "the time limit" if late else "" if outcome == "survived" else trial.failed
    digest = _digest(trial.tree.folder / "tree", job.guarded, outcome)
    name = module if job.mutant is None else job.mutant.id
    taken = trial.seconds if late else trial.cpu_seconds
    return Result(name, outcome, by, digest, round(taken, 1), str(job.mutant or "without a fault"))


def _report(screen: Screen, chosen: Sequence[Mutant], known: dict[str, Result], equivalent: dict[str, str]) -> int:
    """The table by module, and every survivor with what makes it one."""
    survivors = [mutant for mutant in chosen if known[mutant.id].outcome == "survived"]
    rows = []
    for module in [*dict.fromkeys(mutant.module for mutant in chosen), "all"]:
        of = [mutant for mutant in chosen if module in (mutant.module, "all")]
        alive = [mutant for mutant in survivors if mutant in of]
        same = sum(mutant.id in equivalent for mutant in alive)
        rows.append([module, *map(str, (len(of), len(of) - len(alive), len(alive) - same, same)),
                     f"{100 * (len(of) - len(alive)) / len(of):.1f} %"])  # fmt: skip
    for mutant in survivors:
        screen.tell(f"{mutant.id} {mutant}\n         {equivalent.get(mutant.id, 'NO TEST NOTICED IT')}")
    screen.table("mutants", ["module", "tried", "killed", "survived", "equivalent", "share killed"], rows)
    return int(any(mutant.id not in equivalent for mutant in survivors))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped; `make mutants` goes on from here")
