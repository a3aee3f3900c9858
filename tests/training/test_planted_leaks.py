"""Thirteen leaks as analysts plant them by accident, in a table that is honest but for one; five honest ones beside."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from data.contract import US_PER_DAY
from data.vocabulary import Vocabulary
from features.kinds import Count
from features.labels import Target
from features.moments import MomentPolicy
from features.recipe import Recipe
from tests.training.test_audit_table import ROWS, honest, with_column
from training.audit.log_audit import _certain
from training.audit.table_audit import Labelled, audit_table
from training.samples.sample import Sample

Draw = np.random.Generator
Column = Callable[[Draw, np.ndarray[tuple[int], np.dtype[np.float64]]], object]
FEWEST_FOUND = 11


def some(draw: Draw, share: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return draw.random(ROWS) < share


def owners(draw: Draw, count: int) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    return np.char.add("owner ", draw.integers(0, count, ROWS).astype(np.str_))


def of_account(draw: Draw, y: np.ndarray[tuple[int], np.dtype[np.float64]], share: bool) -> object:
    """How many leads of a lead's company bought, it included; or what share of them."""
    account = draw.integers(0, ROWS // 3, ROWS)
    bought, leads = np.bincount(account, y, ROWS // 3), np.bincount(account, minlength=ROWS // 3)
    return (bought / np.maximum(leads, 1) if share else bought)[account]


PLANTED: dict[str, Column] = {
    "amount": lambda draw, y: np.where(y > 0, draw.lognormal(8, 1, ROWS), 0.0),
    "one owner closes": lambda draw, y: np.where((y > 0) & some(draw, 0.4), "closing desk", owners(draw, 80)),
    "campaign of customers": lambda draw, y: np.where(
        (y > 0) & some(draw, 0.9), np.char.add("upsell ", owners(draw, 30)), owners(draw, 150)
    ),
    "purged when lost": lambda draw, y: np.where((y == 0) & some(draw, 0.9), "", owners(draw, 9)),
    "customer number": lambda draw, y: np.where((y > 0) & some(draw, 0.5), owners(draw, 900), ""),
    "revenue, enriched": lambda draw, y: (
        np.where(y > 0, 1.0, 0.0) * np.round(draw.lognormal(3, 1, ROWS) * 1_000)
        + np.where(y > 0, 0.0, 1.0) * np.round(draw.lognormal(3, 1, ROWS)) * 1_000
    ),
    "company's purchases": lambda draw, y: of_account(draw, y, share=False),
    "company's rate": lambda draw, y: of_account(draw, y, share=True),
    "meetings in all": lambda draw, y: draw.poisson(1 + 4 * y).astype(np.float64),
    "day of update": lambda draw, y: np.where(
        y > 0, 91.0 * draw.integers(1, 5, ROWS), draw.integers(1, 366, ROWS).astype(np.float64)
    ),
    "channel, as sales tells": lambda draw, y: np.where(
        (y > 0) & some(draw, 0.5), "direct", draw.choice(["ads", "search", "social"], ROWS)
    ),
    "closing status": lambda draw, y: np.where(draw.random(ROWS) < 0.4 + 0.3 * y, "b", "a"),
}
CLEAN: dict[str, Column] = {
    "nothing": lambda draw, y: np.zeros(ROWS),
    "basket": lambda draw, y: np.where(some(draw, 0.9), 0.0, draw.lognormal(4, 1, ROWS)),
    "owner": lambda draw, y: owners(draw, 130),
    "revenue": lambda draw, y: np.round(draw.lognormal(3, 1, ROWS) * 1_000) // np.where(some(draw, 0.5), 1, 1e3),
    "size of account": lambda draw, y: np.bincount(account := draw.integers(0, 900, ROWS))[account].astype(np.float64),
}


def table_with(name: str, column: Column, seed: int = 11) -> Labelled:
    table = honest(seed)
    return with_column(table, name, column(np.random.default_rng(seed), table.y))


def sorted_by_outcome() -> Labelled:
    """Ids that were given when customers were created."""
    table = honest(12)
    ids = np.empty(ROWS, np.int64)
    ids[np.argsort(-table.y, kind="stable")] = np.arange(ROWS)
    return Labelled(table.features, table.y, pa.table({"id": [f"00Q{place:05d}" for place in ids]}))


def test_nearly_all_planted_leaks_are_found() -> None:
    suspects = {
        name: {finding.name for finding in audit_table(table_with(name, leak))} for name, leak in PLANTED.items()
    }
    caught = {name for name, names in suspects.items() if name in names}
    caught |= {"id"} & {finding.name for finding in audit_table(sorted_by_outcome())}
    assert len(caught) >= FEWEST_FOUND, f"not found: {sorted({*PLANTED, 'id'} - caught)}"
    assert all(names <= {name} for name, names in suspects.items()), "no honest column is suspected"


@pytest.mark.parametrize("share", [0.01, 0.02, 0.03, 0.05])
def test_an_amount_that_is_0_unless_won_is_found_however_few_win(share: float) -> None:
    table = table_with("amount", PLANTED["amount"])
    lost, won = (np.flatnonzero(side) for side in (table.y == 0, table.y > 0))
    rows = np.sort([*lost, *won[: round(share / (1 - share) * len(lost))]])
    rare = Labelled(table.features.take(pa.array(rows)), table.y[rows], table.ids.take(pa.array(rows)))
    assert {finding.name for finding in audit_table(rare)} == {"amount"}


@pytest.mark.parametrize("name", CLEAN)
def test_honest_tables_stop_nothing(name: str) -> None:
    assert audit_table(table_with(name, CLEAN[name])) == []


def weekly(seed: int, share: float) -> tuple[Sample, Recipe]:
    """Ten weekly moments of 2,000 leads, of whom one in twelve converts; of `share` of those a kickoff is dated back to
    before the last moment, and of one in five of all leads there is a page view."""
    draw, leads, weeks = np.random.default_rng(seed), 2_000, 10
    won = draw.random(leads) < 1 / 12
    last = np.tile(np.arange(weeks) == weeks - 1, leads)
    lead, y = np.repeat(np.arange(leads), weeks), (np.repeat(won, weeks) & last).astype(np.float64)
    dated_back = np.repeat(won & (draw.random(leads) < share), weeks) & last
    counts = {"kickoff": dated_back, "page_view": np.repeat(draw.random(leads) < 0.2, weeks)}
    catalogue = [Count(name) for name in counts]
    table = pa.table({definition.name: counts[definition.events].astype(np.float32) for definition in catalogue})
    names = np.char.add("L", lead.astype(np.str_))
    sample = Sample.of_labels(table, y, np.ones(len(y)), names, np.tile(np.arange(weeks), leads) * US_PER_DAY)
    window = Target("conversion", ("deal_won",))
    return sample, Recipe("", 0, Vocabulary(tuple(counts), {}), catalogue, window, MomentPolicy())


def test_an_event_that_is_dated_back_is_certain_though_few_moments_know_it() -> None:
    assert [(finding.check, finding.name) for finding in _certain(*weekly(1, 1.0))] == [
        ("certain", "count_kickoff_ever")
    ]
    assert list(_certain(*weekly(2, 0.0))) == []
