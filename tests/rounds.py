"""The rounds of a proof: in full they tell how far they are, and go on where they were stopped."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
KEPT = REPOSITORY / ".proofs"
TOLD_EVERY_S = 20.0


class Rounds:
    """Counts from 0 to `count`. seen: what was counted on the way, by those who go through the rounds as well.

    keep: where it is noted how many rounds are done; a run of the same code goes on there. None notes nothing.
    A round that fails is not done: the next run begins with it.
    """

    def __init__(self, count: int, keep: Path | None = None, tell: Callable[[str], None] = lambda line: None) -> None:
        self.count, self.seen = count, Counter[str]()
        self._keep, self._tell, self._code = keep, tell, code() if keep else ""

    def __iter__(self) -> Iterator[int]:
        first, reported = self._begin(), time.monotonic()
        for number in range(first, self.count):
            yield number
            self._note(number + 1)
            if self._keep and (time.monotonic() > reported + TOLD_EVERY_S or number + 1 == self.count):
                reported = time.monotonic()
                self._tell(f"{number + 1} of {self.count} rounds {dict(self.seen)}")

    def _begin(self) -> int:
        if self._keep is None or not self._keep.exists():
            return 0
        state = json.loads(self._keep.read_text())
        if state["code"] != self._code or state["done"] >= self.count:
            return 0
        self.seen.update(state["seen"])
        self._tell(f"goes on after {state['done']} of {self.count} rounds {state['seen']}")
        return int(state["done"])

    def _note(self, done: int) -> None:
        if self._keep is not None:
            self._keep.parent.mkdir(exist_ok=True)
            draft = self._keep.with_suffix(".draft")
            draft.write_text(json.dumps({"code": self._code, "done": done, "seen": self.seen}))
            draft.replace(self._keep)


def code() -> str:
    """A digest of all Python of the repository: a proof of other code is another proof."""
    digest = hashlib.sha256()
    for path in sorted(path for path in REPOSITORY.glob("[!.]*/**/*.py") if "site-packages" not in path.parts):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def kept_as(name: str) -> Path:
    """Where the rounds of a test are noted."""
    return KEPT / f"{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-')}.json"
