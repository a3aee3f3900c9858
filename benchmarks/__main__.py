"""Runs one benchmark: prints its table and writes var/bench/NAME.json."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks.harness import report

HERE = Path(__file__).parent
FILES = (path for path in sorted(HERE.rglob("*.py")) if not path.stem.startswith("_") and path.stem != "harness")
MODULES = {path.stem: ".".join([HERE.name, *path.relative_to(HERE).with_suffix("").parts]) for path in FILES}
"""The module of each benchmark, whichever room it lies in."""


def main(arguments: list[str]) -> int:
    """`python -m benchmarks NAME [OPTION …]`; a benchmark is a module with `run(arguments) -> rows`."""
    if not arguments or arguments[0] not in MODULES:
        print(f"usage: make bench NAME=…, one of: {', '.join(sorted(MODULES))}", file=sys.stderr)  # noqa: T201
        return 2
    name = arguments[0]
    report(name, importlib.import_module(MODULES[name]).run(arguments[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
