"""A new kind of feature is one class and its line in KINDS, and a rule of the kernel where none answers it yet."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hypothesis import given, settings

from features.compiler import compile_plan
from features.feature_wording import in_words
from features.kernel import compute
from features.kinds import Definition
from features.kinds.accumulators import Accumulators, Counted
from features.kinds.definition import Sentence, View
from tests.conftest import REPOSITORY
from tests.features.leads import AS_OF, LEADS, VOCABULARY, histories_of, moments_of
from tests.oracles import features_naive as naive


@dataclass(frozen=True)
class Priced(Definition):
    """Number of events in the window that have a value: the kernel counts them already."""

    sentence: ClassVar = Sentence("{events} with a value {days}", "{events} mit Wert {days}")

    events: str
    days: int | None = None

    def read(self, accumulators: Accumulators) -> Counted:
        return Counted(accumulators.value_row(self.events), accumulators.window(self.days))

    def by_definition(self, view: View) -> float:
        return float(sum(event.value is not None for event in view.matching(self.events, self.days)))


@given(LEADS, AS_OF)
@settings(max_examples=30, deadline=None)
def test_a_kind_that_the_accumulators_answer_is_one_class(leads: list[naive.Lead], as_of: list[int]) -> None:
    features = [Priced("web", 7), Priced("any")]
    table = compute(compile_plan(features, VOCABULARY), histories_of(leads), moments_of(leads, as_of))
    for feature in features:
        views = (naive.View(lead, at, VOCABULARY) for lead in leads for at in sorted(as_of))
        assert table[feature.name].to_pylist() == [feature.by_definition(view) for view in views]


def test_its_name_and_words_are_derived() -> None:
    assert Priced("web", 7).name == "priced_web_7d"
    assert in_words(Priced("web", 7)) == "website visits with a value in the last 7 days"
    assert in_words(Priced("any"), "de") == "Aktivitäten mit Wert insgesamt"


SPAN = '''

@dataclass(frozen=True)
class Span(Definition):
    """Days between the earliest and the latest of the events; missing when there is none."""

    sentence: ClassVar = Sentence("days from the first to the last {events}", "Tage von Anfang bis Ende: {events}")
    fractional: ClassVar = True

    events: str

    def read(self, accumulators: Accumulators) -> Operands:
        return Operands(accumulators.track(self.events))

    def by_definition(self, view: View) -> float:
        times = [event.occurred_at for event in view.matching(self.events)]
        return (max(times) - min(times)) / US_PER_DAY if times else math.nan
'''
KIND = {
    "features/kinds/times.py": [("", SPAN)],
    "features/kinds/__init__.py": [
        ("from features.kinds.times import", "from features.kinds.times import Span,"),
        ("*(FirstTouch,", "*(Span, FirstTouch,"),
    ],
}
RULE = {
    "features/walk/derived.py": [
        ("from features.kinds import (", "from features.kinds import (\n    Span,"),
        ("RECENCY, AGE,", "SPAN = KINDS.index(Span)\nRECENCY, AGE,"),
        (
            "        elif op == DECAYED:",
            "        elif op == SPAN:\n            if track[LAST, a]:\n"
            "                number = (time[track[LAST, a]] - time[track[FIRST, a]]) / US_PER_DAY\n"
            "        elif op == DECAYED:",
        ),
    ],
}
"""What a developer writes."""
CHECK = """
from data.contract import US_PER_DAY as DAY
from features.catalogue import from_json, to_json
from features.feature_wording import in_words
from tests.features import test_kernel as kernel
from tests.oracles.features_naive import Event, Lead

lead = Lead("L", [Event(day * DAY, day * DAY, "page_view", None, None) for day in (100, 101, 104)], [])
moments = [99 * DAY, 101 * DAY, 200 * DAY]
span = next(feature for feature in kernel.CATALOGUE if type(feature).__name__ == "Span")
assert from_json(to_json([span])) == [span]
wrong = kernel.differences(kernel.by_kernel([lead], moments), kernel.by_loops([lead], moments))
print(span.name, in_words(span), wrong)
"""


def tree_with(folder: Path, *changes: dict[str, list[tuple[str, str]]]) -> Path:
    """A copy of what computes and tests features, with pieces of text replaced; "" is the end of a file."""
    for name in ("data", "features", "tests", "serving", "training"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path, pairs in (item for change in changes for item in change.items()):
        text = (folder / path).read_text()
        for old, new in pairs:
            assert old in text, f"{path} has no {old!r}"
            text = text.replace(old, new, 1) if old else text + new
        (folder / path).write_text(text)
    return folder


def checked(tree: Path) -> str:
    """What the tests of the kernel say, uncompiled: compiling takes half a minute."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "NUMBA_DISABLE_JIT": "1"}
    words = [sys.executable, "-c", CHECK]
    done = subprocess.run(words, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_kind_with_a_rule_of_its_own_touches_three_files(tmp_path: Path) -> None:
    """The class, its line in KINDS, and the rule: oracle, words, names, JSON and tests follow."""
    tree = tree_with(tmp_path, KIND, RULE)
    assert checked(tree) == "span_web days from the first to the last website visits []"
    originals = {path.relative_to(tree): REPOSITORY / path.relative_to(tree) for path in tree.rglob("*.py")}
    touched = {str(path) for path, original in originals.items() if (tree / path).read_bytes() != original.read_bytes()}
    assert len(originals) > 300
    assert touched == {"features/kinds/times.py", "features/kinds/__init__.py", "features/walk/derived.py"}


def test_a_kind_whose_rule_is_missing_is_caught(tmp_path: Path) -> None:
    assert checked(tree_with(tmp_path, KIND)).endswith("['span_web']")
