"""A backtest knows no more than one could have known, is not done twice, and counts each origin the same."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data.contract import US_PER_DAY, DataError
from data.own_functions import own_function
from features.training_set import TrainingSet
from training.backtesting.backtest import Backtest, JudgedPeriod, backtest, sources_digest
from training.backtesting.backtest_result import bootstrap_periods, summarise
from training.backtesting.contenders import BASE_RATE, CHAMPION, Contender, Predict, ablations, champion, standard
from training.backtesting.origins import LogTimeline, Origin, TableTimeline, spread
from training.measuring.metrics import MEASURES, measures
from training.recipe.train import fit_model
from training.report.backtest_report import add_to_report, sections, write_backtest
from training.report.backtest_tables import backtest_tables
from training.report.page import marked
from training.report.report import BACKTEST
from training.samples.log_odds import Array
from training.samples.sample import Sample, read_sample
from workspace import Workspace


@pytest.fixture(scope="module")
def timeline(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> LogTimeline:
    log = trained.event_log()
    now = read_sample(TrainingSet.open(trained.training_set_path))
    return LogTimeline(log, trained.recipe(log), now, tmp_path_factory.mktemp("scratch"))


@pytest.fixture(scope="module")
def origin(timeline: LogTimeline) -> Origin:
    return timeline.origins(2)[0]


def converted_unknown(sample: Sample, timeline: LogTimeline, before: int) -> int:
    """Converted moments without a deal in their window that was known before a time."""
    count = 0
    for lead, as_of in zip(sample.lead[sample.y == 1], sample.as_of[sample.y == 1], strict=True):
        histories = timeline.log.find(str(lead))
        won = np.array([name == "deal_won" for name in histories.types])[histories.event_type]
        inside = (histories.occurred_at >= as_of) & (histories.occurred_at < as_of + 30 * US_PER_DAY)
        count += not (won & inside & (histories.known_at < before)).any()
    return count


def test_the_past_holds_only_outcomes_that_were_known(timeline: LogTimeline, origin: Origin) -> None:
    past = timeline.known_at(origin)
    assert (past.y == 1).sum() > 20
    assert past.as_of.max() <= origin.at
    assert converted_unknown(past, timeline, origin.at) == 0
    assert not list(timeline.scratch.iterdir())


def test_outcomes_of_now_in_the_past_would_be_caught(timeline: LogTimeline, origin: Origin) -> None:
    assert converted_unknown(timeline.now.of(timeline.now.as_of < origin.at), timeline, origin.at) > 0


def test_moments_that_were_still_open_are_marked_so(timeline: LogTimeline, origin: Origin) -> None:
    past = timeline.known_at(origin)
    open_ = ~past.mature
    assert open_.any()
    assert np.isnan(past.y[open_ & (past.y != 1)]).all()
    assert (past.as_of[past.mature] + 30 * US_PER_DAY <= origin.at).all()


def test_periods_follow_each_other_and_hold_every_newer_mature_moment(timeline: LogTimeline) -> None:
    origins = timeline.origins(4)
    periods = [timeline.after(cutoff) for cutoff in origins]
    assert [cutoff.at for cutoff in origins[1:]] == [cutoff.until for cutoff in origins[:-1]]
    mature = timeline.now.of(timeline.now.mature)
    assert sum(map(len, periods)) == (mature.as_of >= origins[0].at).sum() > 100
    share = np.array([period.weight.sum() for period in periods]) / mature.weight.sum()
    assert np.allclose(share, 0.125, atol=0.06)


def noise(seed: int, rows: int = 400, leads: int = 150, odds: float = 0.3) -> Sample:
    rng = np.random.default_rng(seed)
    x = rng.random(rows)
    y = (rng.random(rows) < odds * 2 * x).astype(np.float64)
    lead = rng.integers(0, leads, rows).astype(str)
    return Sample.of_labels(pa.table({"x": x}), y, np.ones(rows), lead, np.arange(rows))


def told(name: str, calls: list[str]) -> Contender:
    def fit(past: Sample) -> Predict:
        calls.append(f"{name} {len(past)}")
        return lambda rows: np.full(len(rows), past.y.mean())

    return Contender(name, "test", fit)


def test_a_second_run_fits_only_what_is_new(tmp_path: Path) -> None:
    timeline, calls = TableTimeline(noise(0), "data"), list[str]()
    two = [told("a", calls), told("b", calls)]
    first = backtest(timeline, two, "plan", tmp_path, fewest_positives=5)
    assert calls == [f"{name} {rows}" for rows in (199, 239, 279, 319, 359) for name in ("a", "b")]
    calls.clear()
    again = backtest(timeline, [*two, told("c", calls)], "plan", tmp_path, fewest_positives=5)
    assert [call.split()[0] for call in calls] == ["c"] * 5
    for before, after in zip(first.periods, again.periods, strict=True):
        assert np.array_equal(before.predictions["b"], after.predictions["b"])
    two.clear()
    assert [contender.name for contender in first.contenders] == ["a", "b"]


@pytest.mark.parametrize("change", ["content", "name", "one more"])
def test_other_code_has_another_digest(tmp_path: Path, change: str) -> None:
    (tmp_path / "room").mkdir()
    source = tmp_path / "room" / "model.py"
    source.write_text("folds = 5\n")
    before = sources_digest(tmp_path)
    (tmp_path / "notes.txt").write_text("no code")
    assert sources_digest(tmp_path) == before
    if change == "content":
        source.write_text("folds = 6\n")
    elif change == "name":
        source.rename(source.with_name("other.py"))
    else:
        (tmp_path / "more.py").touch()
    assert sources_digest(tmp_path) != before


def test_predictions_are_plain_numbers_of_double_precision_whatever_gave_them(tmp_path: Path) -> None:
    single = Contender("single", "", lambda past: lambda rows: np.full(len(rows), 0.5, np.float32))
    for _ in ("computed", "kept"):
        made = backtest(TableTimeline(noise(0), "data"), [single], "plan", tmp_path, 1, 0.5, 5)
        assert made.periods[0].predictions["single"].dtype == np.float64


def test_who_predicts_does_not_see_what_became_of_the_rows(tmp_path: Path) -> None:
    seen = list[Sample]()

    def fit(past: Sample) -> Predict:
        def predict(rows: Sample) -> Array:
            seen.append(rows)
            return np.full(len(rows), past.y.mean())

        return predict

    made = backtest(TableTimeline(noise(0), "data"), [Contender("peeks", "", fit)], "plan", tmp_path, 5, 0.5, 5)
    assert len(seen) == len(made.periods) == 5
    assert all(np.isnan(rows.y).all() and np.isnan(rows.event_days).all() for rows in seen)
    assert not any(np.isnan(period.rows.y).any() for period in made.periods)


class LateLabels(TableTimeline):
    """Of the newest fifty rows before an origin nothing is known yet."""

    def known_at(self, origin: Origin) -> Sample:
        past = super().known_at(origin)
        known = past.as_of < origin.at - 50
        return replace(past, mature=known, y=np.where(known, past.y, np.nan))


def test_a_period_tells_of_the_known_outcomes_alone_that_were_learnt_from(tmp_path: Path) -> None:
    rows = noise(0)
    made = backtest(LateLabels(rows, "data"), [told("a", [])], "plan", tmp_path, 1, 0.5, 5)
    (period,) = made.periods
    known = rows.as_of < period.origin.at - 50
    assert (period.learnt, period.learnt_positives) == (known.sum(), rows.y[known].sum())


@pytest.mark.parametrize("change", ["data", "plan"])
def test_other_data_or_another_plan_are_fitted_anew(tmp_path: Path, change: str) -> None:
    calls = list[str]()
    backtest(TableTimeline(noise(0), "data"), [told("a", calls)], "plan", tmp_path, fewest_positives=5)
    data, plan = ("other", "plan") if change == "data" else ("data", "other")
    backtest(TableTimeline(noise(0), data), [told("a", calls)], plan, tmp_path, fewest_positives=5)
    assert len(calls) == 10


def test_a_damaged_result_is_computed_again(tmp_path: Path) -> None:
    calls = list[str]()
    for _ in range(2):
        made = backtest(TableTimeline(noise(0), "data"), [told("a", calls)], "plan", tmp_path, 1, fewest_positives=5)
        (file,) = tmp_path.glob("*.npy")
        file.write_bytes(file.read_bytes()[:-9])
    assert len(calls) == 2
    assert len(made.periods[0].predictions["a"]) == len(made.periods[0].rows)


class Planted:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def test_a_planted_pickle_is_not_run_and_the_result_is_computed_again(tmp_path: Path) -> None:
    folder, trace, calls = tmp_path / "kept", tmp_path / "trace", list[str]()
    for _ in range(2):
        backtest(TableTimeline(noise(0), "data"), [told("a", calls)], "plan", folder, 1, fewest_positives=5)
        (file,) = folder.glob("*.npy")
        np.save(file, np.array([Planted(trace)], dtype=object))
    assert len(calls) == 2
    assert not trace.exists()
    np.load(file, allow_pickle=True)
    assert trace.exists(), "the planted pickle does nothing, and nothing is proven"


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    calls = list[str]()

    def interrupted(past: Sample) -> Predict:
        raise KeyboardInterrupt

    timeline = TableTimeline(noise(0), "data")
    with pytest.raises(KeyboardInterrupt):
        backtest(timeline, [told("a", calls), Contender("b", "", interrupted)], "plan", tmp_path, fewest_positives=5)
    assert len(calls) == 1
    backtest(timeline, [told("a", calls), told("b", calls)], "plan", tmp_path, fewest_positives=5)
    assert sum(call.startswith("a ") for call in calls) == 5


def test_an_origin_with_too_little_is_skipped_with_its_reason(tmp_path: Path) -> None:
    rows = noise(1)
    late = replace(rows, y=np.where(rows.as_of < 250, 0.0, rows.y))
    made = backtest(TableTimeline(late, "data"), [told("a", [])], "plan", tmp_path, fewest_positives=10)
    assert len(made.periods) + len(made.skipped) == 5
    assert made.skipped[0] == "50 % of rows: 0 of 199 moments to learn from converted, at least 10 are needed"
    with pytest.raises(DataError, match="no origin can be used"):
        backtest(TableTimeline(late, "data"), [told("a", [])], "plan", tmp_path, fewest_positives=400)


def test_moments_of_the_same_time_are_never_parted() -> None:
    rows = replace(noise(2), as_of=np.repeat(np.arange(4), 100))
    origins = spread(rows, 10, 0.5, dated=False)
    assert [(cutoff.at, cutoff.until) for cutoff in origins] == [(1, 2), (2, 3), (3, 4)]


@pytest.fixture(scope="module")
def periods() -> list[JudgedPeriod]:
    return [
        JudgedPeriod(
            Origin(k, k + 1, str(k)), 100, 50, rows, {CHAMPION: np.clip(0.6 * x, 0.01, 0.99), BASE_RATE: 0 * x + 0.3}
        )
        for k, rows in enumerate(noise(seed, 300 + 100 * seed, 100) for seed in range(3))
        for x in [rows.features.column("x").to_numpy()]
    ]


def test_each_origin_counts_the_same(periods: list[JudgedPeriod]) -> None:
    made = summarise(bundle(periods), resamples=50)
    for place, name in zip(made.contenders, (CHAMPION, BASE_RATE), strict=True):
        alone = [measures(period.rows.y, period.predictions[name], period.rows.weight) for period in periods]
        for metric in ("log_loss", "brier", "auc", "top_decile_lift"):
            assert place.metrics[metric].value == pytest.approx(np.mean([one[metric] for one in alone]))
        assert place.losses[1].value == pytest.approx(alone[1]["log_loss"])
    assert made.contenders[0].difference.value == made.contenders[0].difference.low == 0.0
    base = made.contenders[1].difference
    assert 0 < (base.low or 0.0) < (base.value or 0.0)


def bundle(periods: list[JudgedPeriod]) -> Backtest:
    return Backtest("d" * 64, (told(CHAMPION, []), told(BASE_RATE, [])), tuple(periods), ())


def test_a_lead_is_drawn_alike_at_all_origins(periods: list[JudgedPeriod]) -> None:
    """The same period twice: its mean has no smaller spread than one of them, as it would were leads drawn apart."""
    twice = bootstrap_periods([periods[0], periods[0]], [CHAMPION], 200, seed=1)[0, ..., 0]
    assert np.array_equal(twice[0], twice[1])
    assert twice.mean(axis=0).std() == pytest.approx(twice[0].std())


def test_the_interval_covers_what_repetition_shows() -> None:
    """Log-loss of fresh draws of the same world lies in the 95 % interval of the mean as often as it should."""
    means, inside = [], 0
    for seed in range(60):
        draws = [
            JudgedPeriod(
                Origin(k, k + 1, ""),
                0,
                0,
                rows,
                {CHAMPION: np.clip(0.6 * rows.features.column("x").to_numpy(), 0.01, 0.99)},
            )
            for k, rows in enumerate(noise(1000 * seed + j, 200, 10**9) for j in range(3))
        ]
        sampled = bootstrap_periods(draws, [CHAMPION], 100, seed=0)[0, ..., MEASURES.index("log_loss")].mean(axis=0)
        low, high = np.quantile(sampled, [0.025, 0.975])
        means.append((low, high, sampled.mean()))
    truth = np.mean([mean[2] for mean in means])
    inside = sum(low <= truth <= high for low, high, _ in means)
    assert inside >= 50


def test_tables_hold_every_contender_origin_band_and_segment(periods: list[JudgedPeriod]) -> None:
    made = summarise(bundle(periods), segments=["x"], resamples=20)
    tables = backtest_tables(made)
    assert [row[0] for row in tables[0].rows] == [CHAMPION, BASE_RATE]
    assert tables[1].head[1:4] == ["0", "1", "2"]
    for table in tables:
        assert all(len(row) == len(table.head) for row in table.rows), table.title
    (segment,) = (table for table in tables if "champion by x" in table.title)
    assert sum(int(row[1].replace(",", "")) for row in segment.rows) == sum(len(period.rows) for period in periods)


def test_page_section_and_card_are_written_and_found_again(periods: list[JudgedPeriod], tmp_path: Path) -> None:
    made = summarise(bundle(periods), segments=["x"], resamples=20)
    report = tmp_path / "report"
    report.mkdir()
    (report / "report.html").write_text("a" + marked(BACKTEST, "none yet") + "b")
    page = write_backtest(tmp_path / "backtest", "conversion", made)
    add_to_report(report, page.parent)
    section, card = sections(page.parent)
    assert section in page.read_text()
    assert (report / "report.html").read_text() == "a" + marked(BACKTEST, section) + "b"
    assert section.count("data:image/png;base64,") == 2
    assert not re.search(r"https?://|url\(|<script|<link", page.read_text())
    assert "3 past dates" in card
    numbers = json.loads((page.parent / "backtest.json").read_text())
    assert numbers["contenders"][1]["difference"]["value"] == made.contenders[1].difference.value
    assert sections(tmp_path / "nowhere") == ("", "")


def test_what_the_settings_leave_open_is_chosen_on_the_past(
    trained: Workspace, timeline: LogTimeline, origin: Origin
) -> None:
    plan = replace(trained.settings.training_plan, model="auto", twin="auto", rates="yes", newest_step="auto")
    past, rows = timeline.known_at(origin), timeline.after(origin)
    expected = fit_model(past, plan).predict_proba(rows.features)[:, 1]
    assert np.array_equal(champion(plan).fit(past)(rows), expected)


def test_a_metric_of_the_users_own_stands_beside_ours(periods: list[JudgedPeriod], tmp_path: Path) -> None:
    """The mean over the origins; with an interval for the champion, which the same leads draw at all of them."""
    (tmp_path / "mine.py").write_text("def off(y, p, weight):\n    return (weight * abs(y - p)).sum() / weight.sum()\n")
    made = summarise(bundle(periods), resamples=20, own=[own_function("mine.py:off", tmp_path)])
    champions, base = made.contenders
    expected = [
        np.average(np.abs(period.rows.y - period.predictions[CHAMPION]), weights=period.rows.weight)
        for period in periods
    ]
    off = champions.metrics["off"]
    assert off.value == pytest.approx(np.mean(expected))
    assert (off.low or 1) < (off.value or 0) < (off.high or 0)
    assert base.metrics["off"].value is not None
    assert base.metrics["off"].low is None
    (table,) = [table for table in backtest_tables(made) if table.title == "By metrics of your own"]
    assert (table.head, len(table.rows)) == (["prediction", "off"], 2)
    assert {"prediction": BASE_RATE, "measure": "off", "origin": None} in [
        {name: row[name] for name in ("prediction", "measure", "origin")} for row in made.rows()
    ]


def test_the_recipe_beats_the_base_rate_on_the_funnel(
    trained: Workspace, timeline: LogTimeline, tmp_path: Path
) -> None:
    plan = trained.settings.training_plan
    chosen = [contender for contender in standard(plan, timeline.columns) if contender.name in (CHAMPION, BASE_RATE)]
    every = ablations(plan, timeline.columns)
    undone = [contender for contender in every if contender.name in ("open is lost", "without behaviour")]
    assert len(every) == 9
    made = backtest(timeline, [*chosen, *undone], plan.digest, tmp_path, 1, 0.6, fewest_positives=10)
    result = summarise(made, resamples=100)
    apart = {place.name: place.difference for place in result.contenders}
    assert (apart[BASE_RATE].low or 0.0) > 0
    assert (apart["without behaviour"].value or 0.0) > 0
    assert "country" in result.segments
    assert "age of the lead" in result.segments
