"""What was known at a past date, to the microsecond: the sample as of it, the origins, the period that followed."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from data.contract import US_PER_DAY, DataError
from data.log.eventlog import EventLog
from data.vocabulary import Vocabulary
from features.kinds import Count
from features.labels import LabelWindow, Target
from features.moments import MomentPolicy
from features.recipe import Recipe
from features.training_set import build
from tests.data.exports import into, write_csv
from training.backtesting.backtest import blind
from training.backtesting.origins import LogTimeline, Origin, TableTimeline, between, spread
from training.calibration.intercept import PERIOD
from training.samples.sample import Sample, read_sample

DAY, HORIZON = US_PER_DAY, 10
WINDOW = LabelWindow(gap_days=0, horizon_days=HORIZON, settle_days=0)


def moments(as_of: list[float], event: list[float], observed: list[float], leads: list[str] | None = None) -> Sample:
    """A sample by days: when each moment was, when in its window the lead converted (NaN: not), how long observed."""
    event_days, observed_days = np.array(event), np.array(observed)
    mature = observed_days >= HORIZON
    y = np.where(event_days < HORIZON, 1.0, np.where(mature, 0.0, np.nan))
    rows, at = len(as_of), (np.array(as_of) * DAY).astype(np.int64)
    names = np.array(leads or [f"L{number}" for number in range(rows)])
    table = pa.table({"x": np.arange(float(rows))})
    return Sample(table, y, np.ones(rows), names, at, mature, event_days, observed_days, WINDOW)


NAN = float("nan")
SAMPLE = moments([0, 5, 10, 14, 20], [NAN, 4.0, NAN, 8.0, 1.0], [10, 10, 10, 10, 10])


def test_a_moment_at_the_date_itself_belongs_to_what_followed() -> None:
    at = int(SAMPLE.as_of[3])
    assert SAMPLE.known_at(at).as_of.max() < at
    assert len(SAMPLE.known_at(at + 1)) == 4
    table = TableTimeline(SAMPLE, "data")
    origin = Origin(at, int(SAMPLE.as_of[4]), "")
    assert (len(table.known_at(origin)), table.after(origin).as_of.tolist()) == (3, [at])


def test_what_is_pending_is_what_is_not_known() -> None:
    sample = moments([0, 5, 10, 14], [NAN, 4.0, NAN, 8.0], [10, 9, 10, 2])
    assert sample.known.as_of.tolist() == [0, 10 * DAY]
    assert sample.pending.as_of.tolist() == [5 * DAY, 14 * DAY]


def test_a_conversion_is_known_only_after_it_has_happened() -> None:
    converts = 5 * DAY + 4 * DAY
    for at, known in ((converts, False), (converts + 1, True)):
        past = SAMPLE.known_at(at)
        assert (past.y[1] == 1, np.isfinite(past.event_days[1])) == (known, known)
    assert np.isnan(SAMPLE.known_at(converts).y[1])


def test_a_moment_matures_when_its_window_has_been_observed_to_the_end() -> None:
    for at, mature in ((10 * DAY - 1, False), (10 * DAY, True)):
        past = SAMPLE.known_at(at)
        assert bool(past.mature[0]) is mature
        assert np.isnan(past.y[0]) == (not mature)
    past = SAMPLE.known_at(7 * DAY)
    np.testing.assert_array_equal(past.observed_days, [7, 2])


def test_the_gap_before_the_window_is_time_in_which_nothing_is_learnt() -> None:
    """With a gap of three days the window of day 0 ends on day 13, and the conversion of day 5 falls on day 12."""
    late = replace(SAMPLE, window=replace(WINDOW, gap_days=3))
    assert late.known_at(13 * DAY - 1).mature.tolist() == [False, False, False]
    assert late.known_at(13 * DAY).mature.tolist() == [True, False, False]
    assert np.isnan(late.known_at(12 * DAY).y[1])
    assert late.known_at(12 * DAY + 1).y[1] == 1
    assert late.known_at(2 * DAY).observed_days.tolist() == [0], "not less than nothing"


def test_what_has_not_settled_is_not_known_yet() -> None:
    """Where outcomes take two days to be recorded, labels come in two days later; the conversion too."""
    slow = replace(SAMPLE, window=replace(WINDOW, settle_days=2))
    assert slow.known_at(12 * DAY - 1).mature.tolist() == [False, False, False]
    assert slow.known_at(12 * DAY).mature.tolist() == [True, False, False]
    assert np.isnan(slow.known_at(11 * DAY).y[1])
    assert slow.known_at(11 * DAY + 1).y[1] == 1


def test_what_is_not_known_today_was_not_known_then() -> None:
    """A window of which three days have settled by now had no more of them settled at any past date."""
    today = moments([0], [NAN], [3])
    past = today.known_at(40 * DAY)
    assert (past.observed_days.tolist(), past.mature.tolist()) == ([3], [False])
    assert np.isnan(past.y).all()


def test_plain_rows_are_known_at_once_and_watched_for_all_of_their_horizon() -> None:
    rows = Sample.of_labels(
        pa.table({"x": [1.0, 2.0]}), np.array([0.0, 1.0]), np.ones(2), np.array(["a", "b"]), np.arange(2)
    )
    assert rows.mature.all()
    assert (rows.horizon_days, rows.observed_days.tolist()) == (1, [1, 1])
    assert np.isnan(rows.event_days[0])
    assert rows.event_days[1] == 0


def test_a_part_of_a_sample_takes_the_same_rows_of_every_column() -> None:
    mask = np.array([False, True, False, True, True])
    part = SAMPLE.of(mask)
    for column in fields(Sample):
        whole, some = getattr(SAMPLE, column.name), getattr(part, column.name)
        if isinstance(whole, np.ndarray):
            np.testing.assert_array_equal(some, whole[mask])
    assert part.features.column("x").to_pylist() == [1, 3, 4]
    assert part.horizon_days == HORIZON


def test_what_is_predicted_is_predicted_without_what_became_of_it() -> None:
    hidden = blind(SAMPLE)
    assert np.isnan(hidden.y).all()
    assert np.isnan(hidden.event_days).all()
    assert hidden.features is SAMPLE.features
    np.testing.assert_array_equal(hidden.as_of, SAMPLE.as_of)
    assert np.isfinite(SAMPLE.event_days).any(), "or there was nothing to hide"


def test_a_period_holds_its_mature_moments_from_its_first_to_before_its_end() -> None:
    sample = moments([1, 2, 3, 4], [NAN] * 4, [10, 10, 9, 10])
    assert (between(sample, Origin(2 * DAY, 4 * DAY, "")).as_of // DAY).tolist() == [2]
    assert (between(sample, Origin(1 * DAY, 4 * DAY + 1, "")).as_of // DAY).tolist() == [1, 2, 4]


def test_origins_part_the_mature_moments_evenly_up_to_the_last() -> None:
    sample = moments(list(range(100)), [NAN] * 100, [10.0] * 90 + [9.0] * 10)
    origins = spread(sample, 3, 0.4, dated=True)
    assert [origin.at // DAY for origin in origins] == [35, 53, 71]
    assert [origin.until for origin in origins] == [origins[1].at, origins[2].at, 89 * DAY + 1]
    assert [origin.name for origin in origins] == ["1970-02-05", "1970-02-23", "1970-03-13"]
    shares = [origin.name for origin in spread(sample, 2, 0.5, dated=False)]
    assert shares == ["50 % of rows", "75 % of rows"]
    with pytest.raises(DataError, match="no moment is mature"):
        spread(moments([1], [NAN], [9]), 3, 0.5, dated=True)


def test_labels_of_a_table_come_in_row_by_row() -> None:
    outcomes = TableTimeline(moments(list(range(200)), [NAN] * 200, [10.0] * 200), "data").outcomes
    assert (len(outcomes.rows), outcomes.delay, outcomes.pace) == (200, 1, 2)
    assert TableTimeline(SAMPLE, "data").outcomes.pace == 1


LINES = [
    *(f"l{lead},page_view,2024-01-{day:02d}T12:00:00Z,,,,crm,{lead}-{day}" for lead in range(6) for day in (1, 9)),
    "l0,email_click,2024-01-14T12:00:00Z,,,,crm,won-0",
    "l1,email_click,2024-01-14T12:00:00Z,2024-01-25T12:00:00Z,,,crm,won-1",
    "l5,page_view,2024-02-20T12:00:00Z,,,,crm,last",
]
TARGET = Target("clicks", ("email_click",), horizon_days=HORIZON, gap_days=3, settle_days=2)


@pytest.fixture(scope="module")
def log_timeline(tmp_path_factory: pytest.TempPathFactory) -> LogTimeline:
    folder = tmp_path_factory.mktemp("past")
    into(folder / "log", write_csv(folder / "events.csv", LINES))
    log = EventLog.open(folder / "log")
    recipe = Recipe(
        log.digest, log.observed_until_us, Vocabulary(("page_view", "email_click")), [Count("page_view", 7)], TARGET,
        MomentPolicy(every_days=1),
    )  # fmt: skip
    now = read_sample(build(log, recipe, folder / "now", jobs=1))
    return LogTimeline(log, recipe, now, folder / "scratch", jobs=1)


def day_of_january(day: int, of: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of some times are the beginning of a day."""
    return np.asarray(of == np.datetime64(f"2024-01-{day:02d}", "us").astype(np.int64))


def test_labels_of_a_log_come_in_when_gap_window_and_settling_are_over(log_timeline: LogTimeline) -> None:
    outcomes = log_timeline.outcomes
    assert outcomes.delay == (3 + 10 + 2) * DAY
    assert outcomes.pace == PERIOD
    assert outcomes.rows.mature.all()
    assert 0 < len(outcomes.rows) < len(log_timeline.now)


def test_the_past_of_a_log_holds_the_outcomes_that_were_recorded_by_then(log_timeline: LogTimeline) -> None:
    """Both clicks are of day 14; that of l1 is recorded on day 25."""
    known = {}
    for day in (14, 15, 25, 26):
        at = int(np.datetime64(f"2024-01-{day}", "us").astype(np.int64))
        past = log_timeline.known_at(Origin(at, at, ""))
        rows = day_of_january(8, past.as_of)
        known[day] = dict(zip(past.lead[rows].tolist(), past.y[rows].tolist(), strict=True))
    assert np.isnan(known[14]["l0"])
    assert known[15]["l0"] == known[26]["l1"] == 1
    assert np.isnan(known[15]["l1"])
    assert known[25]["l2"] == 0, "gap, window and settling of day 8 end on day 23"
    assert np.isnan(known[15]["l2"])
    assert not log_timeline.scratch.exists() or not list(log_timeline.scratch.iterdir())


def test_a_sample_of_more_moments_than_are_wanted_is_thinned(
    log_timeline: LogTimeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.samples.thinning.FEWEST_CONVERTED", 1)
    made = build(log_timeline.log, log_timeline.recipe, tmp_path / "now", jobs=1)
    thinned = read_sample(made, made.moments // 2)
    assert thinned.thinned is not None
    assert thinned.thinned.moments == made.moments == len(read_sample(made, made.moments))
    assert 0 < len(thinned) < made.moments


def test_a_sample_is_the_training_set(log_timeline: LogTimeline) -> None:
    now = log_timeline.now
    keys = list(zip(now.as_of.tolist(), now.lead.tolist(), strict=True))
    assert keys == sorted(keys)
    assert now.features.column_names == log_timeline.columns == ["count_page_view_7d"]
    assert now.horizon_days == HORIZON
    assert np.isnan(now.y[~now.mature & (now.y != 1)]).all()
    won = day_of_january(8, now.as_of) & np.isin(now.lead, ["l0", "l1"])
    assert now.y[won].tolist() == [1, 1]
    assert now.event_days[won].tolist() == [3.5, 3.5], "from the end of the gap on day 11 to noon of day 14"
    assert now.observed_days.max() == HORIZON
    np.testing.assert_array_equal(now.mature, now.observed_days == HORIZON)


def test_before_the_first_moment_there_is_nothing_to_learn_from_and_nothing_is_left_behind(
    log_timeline: LogTimeline,
) -> None:
    with pytest.raises(DataError, match="holds no moments; check target and moments"):
        log_timeline.known_at(Origin(DAY, DAY, ""))
    other = replace(log_timeline, recipe=replace(log_timeline.recipe, log_digest="of another log"))
    with pytest.raises(DataError, match="has changed since the recipe was made"):
        other.known_at(Origin(DAY, DAY, ""))
    assert not log_timeline.scratch.exists() or not list(log_timeline.scratch.iterdir())


def test_origins_of_a_log_part_what_is_mature_today_and_are_named_by_their_dates(log_timeline: LogTimeline) -> None:
    origins = log_timeline.origins(2, 0.5)
    assert origins == spread(log_timeline.now, 2, 0.5, dated=True)
    assert [origin.name[:8] for origin in origins] == ["2024-01-"] * 2
    assert len(log_timeline.after(origins[0])) == len(between(log_timeline.now, origins[0])) > 0
