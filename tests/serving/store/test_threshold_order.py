"""No sequence of publishing, waiting, taking back, promoting, scoring and setting turns MQL and SQL around."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from serving.scoring.effective_thresholds import EffectiveThresholds, effective_thresholds
from serving.store.scores import threshold_changes
from serving.store.scores.scores import StoredScore
from serving.store.scores.threshold_changes import OutOfOrder, Wish
from serving.store.store import Store, open_store
from tests.serving.store.test_store_thresholds import of_precision
from training.thresholds.stages import are_in_order
from training.thresholds.threshold import Threshold

NOW = 1_700_000_000_000_000
BEGINS = st.sampled_from((0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7))
STAGES = st.sampled_from(("MQL", "SQL"))
PROBABILITIES = (0.01, 0.06, 0.15, 0.25, 0.4, 0.6, 0.8)
RANK = {"unqualified": 0, "MQL": 1, "SQL": 2}
TARGETS = itertools.count()


class Thresholds(RuleBasedStateMachine):
    """A store, its models and the one in place; `store` is shared, every run has a target of its own."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.target, self.now = f"t{next(TARGETS)}", NOW
        self.models: list[tuple[Threshold, ...]] = [(of_precision("MQL", 0.1, 0.05), of_precision("SQL", 0.3, 0.3))]
        self.live, self.scored = 0, 0
        self.followed = self.effective()

    @property
    def digest(self) -> str:
        return f"{self.target} model {self.live}"

    def effective(self) -> EffectiveThresholds:
        """What holds for the model in place, as the server lays it over and lists show it."""
        changes = self.store.thresholds.effective(self.target, self.digest)
        return effective_thresholds(self.models[self.live], str(self.live), changes)

    def publish_threshold(self, stage: str, threshold: Threshold | None) -> None:
        self.now += 1
        wish = Wish(self.target, stage, str(self.live), self.digest, "anna", "goal", threshold)
        try:
            self.store.thresholds.publish([wish], self.models[self.live], self.now)
        except OutOfOrder:
            assert self.store.thresholds.history(self.target, 1) == [] or (
                self.store.thresholds.history(self.target, 1)[0].at < self.now
            ), "what is refused leaves nothing behind"

    @rule(stage=STAGES, begins=BEGINS)
    def publish(self, stage: str, begins: float) -> None:
        self.publish_threshold(stage, of_precision(stage, 0.3, begins))

    @rule(stage=STAGES)
    def take_back(self, stage: str) -> None:
        self.publish_threshold(stage, None)

    @rule()
    def score(self) -> None:
        """A scoring takes up what waits, and puts leads where their probability belongs."""
        self.now += 1
        changes = self.store.thresholds.take_up(self.target, self.digest, self.now)
        self.followed = effective_thresholds(self.models[self.live], str(self.live), changes)
        self.scored += 1
        names = [f"{self.scored}-{place}" for place in range(len(PROBABILITIES))]
        for name in names:
            self.store.leads.put(name, NOW, None, {}, self.now)
        scores = [
            StoredScore(name, self.target, self.now, p, 0.0, 1.0, str(self.live), self.digest)
            for name, p in zip(names, PROBABILITIES, strict=True)
        ]
        stages = self.store.scores.record(scores, self.followed.stages, self.now)
        ranks = [RANK[stages[name]] for name in names]
        assert ranks == sorted(ranks), "a likelier lead stands no lower"

    @rule(stage=STAGES, begins=BEGINS)
    def set(self, stage: str, begins: float) -> None:
        """A new version of the model in place; the command refuses what is out of order."""
        own = tuple(
            of_precision(stage, 0.3, begins) if threshold.stage == stage else threshold
            for threshold in self.models[self.live]
        )
        if are_in_order(threshold.probability for threshold in own):
            self.models.append(own)
            self.live = len(self.models) - 1

    @rule(data=st.data())
    def promote(self, data: st.DataObject) -> None:
        self.live = data.draw(st.integers(0, len(self.models) - 1))

    @invariant()
    def stages_follow_each_other(self) -> None:
        effective = self.effective()
        assert are_in_order(threshold.probability for threshold in effective.thresholds)
        for change in effective.changes:
            held = {threshold.stage: threshold for threshold in effective.thresholds}
            assert change.threshold == held[change.stage], "what is said to hold is what holds"


def machine(opened: Store) -> type[Thresholds]:
    return type("Machine", (Thresholds,), {"store": opened})


def settle(runs: int, *phases: Phase) -> settings:
    return settings(max_examples=runs, stateful_step_count=12, phases=phases or settings().phases)


@pytest.mark.proof("thresholds")
def test_no_sequence_turns_stages_around(store: Store, full: bool) -> None:
    run_state_machine_as_test(machine(store), settings=settle(300 if full else 8))


def naive(own, changes):  # type: ignore[no-untyped-def]
    """What was in force before: every newest change of a stage, whatever the others say."""
    newest = {change.stage: change for change in changes if change.threshold is not None}
    held = tuple(newest[threshold.stage].threshold if threshold.stage in newest else threshold for threshold in own)
    return held, tuple(newest.values())


def test_the_machine_finds_what_was_in_force_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: changes are laid over one by one, and what waits is not looked at when one is published."""
    monkeypatch.setattr("serving.scoring.effective_thresholds.in_force", naive)
    monkeypatch.setattr(threshold_changes, "_check_order", lambda *_: None)
    always_the_same = settings(settle(400, Phase.generate), derandomize=True, database=None)
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as opened, pytest.raises(AssertionError):
        run_state_machine_as_test(machine(opened), settings=always_the_same)


Step = Callable[[Thresholds], None]
SEQUENCES: list[list[Step]] = [
    # Each goes with what is in force, and both wait.
    [lambda m: m.publish("MQL", 0.2), lambda m: m.publish("SQL", 0.1), lambda m: m.score()],
    # SQL is given back to the model, below where MQL begins by then.
    [lambda m: m.publish("SQL", 0.7), lambda m: m.score(), lambda m: m.publish("MQL", 0.5), lambda m: m.score(),
     lambda m: m.take_back("SQL"), lambda m: m.score()],
]  # fmt: skip


@pytest.mark.parametrize("steps", SEQUENCES)
def test_the_sequences_that_turned_them_around_do_so_no_more(store: Store, steps: list[Step]) -> None:
    run = machine(store)()
    for step in steps:
        step(run)
        run.stages_follow_each_other()
    newest = store.thresholds.history(run.target)[0]
    assert (newest.stage, newest.threshold is None) == ("MQL", False), "the last one was refused"
