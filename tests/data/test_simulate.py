"""A simulated funnel on disk: reproducible, in the promised columns, with each trouble where its switch says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.contract import US_PER_DAY, UsageError
from data.simulated.files import GARBAGE
from data.simulated.funnel import EVENT_TYPES, HORIZONS, LATE, START, funnel_tables
from data.simulated.options import MESS, TOUCHED_UP
from data.simulated.simulate import FunnelOptions, Simulated, simulate

OPTIONS = FunnelOptions(leads=600, seed=3)
EVENT_COLUMNS = "event_id,lead_id,event_type,occurred_at,channel,value,received_at,source"
LEAD_COLUMNS = (
    "lead_id,valid_from,account_id,full_name,email,phone,has_phone,industry,company_size,employees,seniority,country,"
    "lead_source"
)
FILES = ("events.csv", "leads.csv", "truth.parquet", "funnel.json")

Made = Callable[[FunnelOptions], Simulated]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Simulates each scenario once."""
    known: dict[FunnelOptions, Simulated] = {}

    def make(options: FunnelOptions) -> Simulated:
        if options not in known:
            known[options] = simulate(tmp_path_factory.mktemp("funnel"), options)
        return known[options]

    return make


def digests(made: Simulated) -> dict[str, str]:
    return {name: hashlib.sha256((made.events.parent / name).read_bytes()).hexdigest() for name in FILES}


def good_events(made: Simulated) -> pd.DataFrame:
    """The rows that are not garbage, with times as µs UTC."""
    lines = made.events.read_text().splitlines()
    header, rows = lines[0].split(","), [line.split(",") for line in lines[1:] if not line.startswith("x")]
    events = pd.DataFrame(rows, columns=header)
    for column in ("occurred_at", "received_at"):
        events[column] = pd.to_datetime(events[column].replace("", None), format="%Y-%m-%dT%H:%M:%S.%fZ", utc=True)
    return events


def garbage(made: Simulated) -> list[str]:
    return [line for line in made.events.read_text().splitlines() if line.startswith("x")]


def test_same_options_same_bytes_and_another_seed_other_bytes(tmp_path: Path, made: Made) -> None:
    first = digests(made(OPTIONS))
    assert digests(simulate(tmp_path / "again", OPTIONS)) == first
    other = digests(made(replace(OPTIONS, seed=4)))
    assert all(other[name] != first[name] for name in FILES)


def test_writing_again_replaces_and_leaves_nothing_else(tmp_path: Path, made: Made) -> None:
    simulate(tmp_path, FunnelOptions(leads=20, days=30))
    simulate(tmp_path, OPTIONS)
    assert digests(replace(made(OPTIONS), events=tmp_path / "events.csv")) == digests(made(OPTIONS))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_files_have_the_promised_columns(made: Made) -> None:
    result = made(OPTIONS)
    assert result.events.read_text().splitlines()[0] == EVENT_COLUMNS
    assert result.leads.read_text().splitlines()[0] == LEAD_COLUMNS
    truth = pd.read_parquet(result.truth)
    assert {name: str(kind) for name, kind in truth.dtypes.items()} == {
        "lead_id": "str", "as_of": "datetime64[us, UTC]", "horizon_days": "int32", "probability": "float64",
    }  # fmt: skip
    assert set(good_events(result)["event_type"]) == set(EVENT_TYPES)


def test_the_report_counts_what_is_in_the_file(made: Made) -> None:
    result = made(OPTIONS)
    events = good_events(result)
    assert result.rows == len(result.events.read_text().splitlines()) - 1
    assert result.rows == result.human + result.bots + result.duplicates + result.broken
    assert len(events) == result.rows - result.broken
    assert sum(result.by_type.values()) == result.human
    assert result.won == (events.drop_duplicates("event_id")["event_type"] == "deal_won").sum() > 30
    written = json.loads(result.funnel.read_text())
    assert FunnelOptions(**written["options"]) == OPTIONS
    assert written["counts"]["rows"] == result.rows


def test_truth_stands_at_mondays_on_which_the_lead_exists_and_is_open(made: Made) -> None:
    result = made(OPTIONS)
    events, leads = good_events(result), pd.read_csv(result.leads)
    created = pd.to_datetime(leads.groupby("lead_id")["valid_from"].min(), utc=True)
    ended = events[events["event_type"].isin(["deal_won", "deal_lost"])].groupby("lead_id")["occurred_at"].min()
    mondays = pd.Series(pd.date_range("2024-01-08", periods=77, freq="7D", tz="UTC"), name="as_of")
    grid = pd.merge(created.rename("created").reset_index(), mondays, how="cross").merge(
        ended.rename("ended").reset_index(), how="left", on="lead_id"
    )
    due = grid[(grid["created"] < grid["as_of"]) & ~(grid["ended"] < grid["as_of"])]
    truth = pd.read_parquet(result.truth)
    for horizon in (7, 30, 60, 90):
        part = truth[truth["horizon_days"] == horizon]
        assert set(zip(part["lead_id"], part["as_of"], strict=True)) == set(
            zip(due["lead_id"], due["as_of"], strict=True)
        )
        assert not part.duplicated(["lead_id", "as_of"]).any()
    assert len(truth) == 4 * len(due) > 10_000


def test_nothing_is_received_after_the_observation(made: Made) -> None:
    events = good_events(made(OPTIONS))
    end = pd.Timestamp(START + OPTIONS.days * US_PER_DAY, unit="us", tz="UTC")
    assert (events["received_at"].fillna(events["occurred_at"]) < end).all()
    assert (pd.to_datetime(pd.read_csv(made(OPTIONS).leads)["valid_from"], utc=True) < end).all()


def test_only_employees_change_between_versions(made: Made) -> None:
    leads = pd.read_csv(made(OPTIONS).leads)
    versions = leads.groupby("lead_id")
    constant = [column for column in leads if column not in ("lead_id", "valid_from", "employees")]
    assert (versions.size() > 1).sum() > 30
    assert (versions[constant].nunique(dropna=False) == 1).all().all()
    assert leads["employees"].isna().any()


@pytest.mark.parametrize("trouble", ["bots", "duplicates", "broken"])
def test_a_trouble_switched_off_leaves_truth_and_leads_as_they_are(made: Made, trouble: str) -> None:
    with_it, without = made(OPTIONS), made(replace(OPTIONS, **{trouble: False}))
    assert getattr(with_it, trouble) > 0
    assert getattr(without, trouble) == 0
    for name in ("truth.parquet", "leads.csv"):
        assert digests(with_it)[name] == digests(without)[name]
    assert digests(with_it)["events.csv"] != digests(without)["events.csv"]
    assert with_it.by_type == without.by_type


@pytest.mark.parametrize("trouble", TOUCHED_UP)
def test_exports_leave_the_clean_files_as_they_are(made: Made, trouble: str) -> None:
    """But for the options in funnel.json: the mess lies in a folder of its own."""
    clean, messy = made(OPTIONS), made(replace(OPTIONS, **{trouble: True}))
    assert clean.exports is None
    assert messy.exports is not None
    assert {name for name in FILES if digests(clean)[name] != digests(messy)[name]} == {"funnel.json"}
    assert not set(json.loads(clean.funnel.read_text())["options"]) & {*MESS, "export_days"}
    again = simulate(messy.events.parent, replace(OPTIONS, **{trouble: True}))
    assert again == messy, "older exports are replaced"


def test_second_chances_change_no_truth_and_no_life(made: Made) -> None:
    without, reopened = made(OPTIONS), made(replace(OPTIONS, reopened=True))
    assert digests(reopened)["truth.parquet"] == digests(without)["truth.parquet"]
    events = good_events(reopened)
    assert {"deal_reopened", "deal_cancelled"} <= set(events["event_type"])
    first = good_events(without).drop_duplicates("event_id")
    both = events.merge(first, on=["lead_id", "event_type", "occurred_at"]).drop_duplicates("event_id_y")
    assert len(both) == len(first)
    lost = first[first["event_type"] == "deal_lost"].set_index("lead_id")["occurred_at"]
    back = events[events["event_type"] == "deal_reopened"].set_index("lead_id")["occurred_at"]
    assert (back - lost[back.index] > pd.Timedelta(days=max(HORIZONS))).all()


@pytest.mark.parametrize("scenario", ["late", "drift", "wholesale"])
def test_what_belongs_to_the_model_changes_the_truth(made: Made, scenario: str) -> None:
    without = made(replace(OPTIONS, **{scenario: False}))
    assert digests(made(OPTIONS))["truth.parquet"] != digests(without)["truth.parquet"]


def seconds_since_mail(events: pd.DataFrame) -> pd.DataFrame:
    """Opens and clicks with the seconds since the mail before."""
    events = events.drop_duplicates("event_id").sort_values("occurred_at", kind="stable")
    mail = events["occurred_at"].where(events["event_type"] == "email_sent").groupby(events["lead_id"]).ffill()
    answers = events["event_type"].isin(["email_open", "email_click"])
    return events.assign(seconds=(events["occurred_at"] - mail).dt.total_seconds(), mail=mail)[answers]


def test_bots_answer_within_seconds_and_humans_do_not(made: Made) -> None:
    with_bots, without = made(OPTIONS), made(replace(OPTIONS, bots=False))
    answers = seconds_since_mail(good_events(with_bots))
    bots = answers[answers["seconds"] < 60]
    assert len(bots) == with_bots.bots > 1_000
    assert bots["seconds"].between(1, 8).all()
    bursts = bots.groupby(["lead_id", "mail"])["event_type"].value_counts().unstack()
    assert (bursts["email_open"] == 1).all()
    assert bursts["email_click"].between(3, 5).all()
    assert seconds_since_mail(good_events(without))["seconds"].min() >= 60


def test_duplicates_repeat_an_id_a_few_of_them_received_later(made: Made) -> None:
    result = made(OPTIONS)
    events = good_events(result)
    again = events[events.duplicated("event_id")]
    assert len(again) == result.duplicates > 100
    both = again.merge(events.drop_duplicates("event_id"), on="event_id", suffixes=("", "_first"))
    for column in ("lead_id", "event_type", "occurred_at", "channel", "value", "source"):
        assert (both[column] == both[f"{column}_first"]).all()
    known, first = (both[f"received_at{which}"].fillna(both["occurred_at"]) for which in ("", "_first"))
    assert 10 < (known > first).sum() < len(both) / 2
    assert (known >= first).all()
    assert not good_events(made(replace(OPTIONS, duplicates=False))).duplicated("event_id").any()


def test_offline_events_are_received_up_to_five_days_late_at_midnight(made: Made) -> None:
    events = good_events(made(replace(OPTIONS, duplicates=False)))
    late = events[events["received_at"].notna()]
    assert set(late["event_type"]) == set(LATE)
    assert (late["received_at"] > late["occurred_at"]).all()
    assert (late["received_at"] == late["received_at"].dt.normalize()).all()
    days = (late["received_at"] - late["occurred_at"].dt.normalize()).dt.days
    assert set(days) == {1, 2, 3, 4, 5}
    assert late["received_at"].dt.day_of_week.eq(0).sum() > 50, "ties with Monday moments are part of the trouble"
    punctual = good_events(made(replace(OPTIONS, duplicates=False, late=False)))
    assert punctual["received_at"].isna().all()


def test_broken_rows_are_added_and_replace_nothing(made: Made) -> None:
    result, clean = made(OPTIONS), made(replace(OPTIONS, broken=False))
    lines = garbage(result)
    assert len(lines) == result.broken >= len(GARBAGE)
    for line in GARBAGE.values():
        assert any(line(*[*row.split(","), ""][:2]) == row for row in lines)
    sound = [line for line in result.events.read_text().splitlines() if not line.startswith("x")]
    assert sound == clean.events.read_text().splitlines()


def test_wholesale_leads_have_thousands_of_events_and_nobody_else_has(made: Made) -> None:
    with_them, without = made(OPTIONS), made(replace(OPTIONS, wholesale=False))
    counts = good_events(with_them)["lead_id"].value_counts()
    leads = pd.read_csv(with_them.leads).drop_duplicates("lead_id").set_index("lead_id")
    assert counts.max() > 5_000
    assert set(counts[counts > 2_000].index) <= set(leads.index[leads["company_size"] == "wholesale"])
    assert good_events(without)["lead_id"].value_counts().max() < 2_000
    assert "wholesale" not in set(pd.read_csv(without.leads)["company_size"])


def test_drift_bends_the_calendar_and_without_it_only_the_week_is_left() -> None:
    drifting, steady = funnel_tables(OPTIONS), funnel_tables(replace(OPTIONS, drift=False))
    assert np.ptp(drifting.base_rate) > 0.3
    assert np.all(steady.base_rate == 1.0)
    assert np.allclose(steady.calendar[:, 7:], steady.calendar[:, :-7])
    assert not np.allclose(drifting.calendar[:, 7:], drifting.calendar[:, :-7])


def test_lead_magnets_differ_in_quality(made: Made) -> None:
    result = made(replace(OPTIONS, leads=6_000, wholesale=False, bots=False))
    leads = pd.read_csv(result.leads).drop_duplicates("lead_id").set_index("lead_id")
    events = good_events(result)
    won = leads.index.isin(events.loc[events["event_type"] == "deal_won", "lead_id"])
    rate = pd.Series(won, leads.index).groupby(leads["lead_source"]).mean()
    assert 0.06 < won.mean() < 0.12
    assert rate["inbound_call"] > 2 * rate["ebook"]
    assert rate["white_paper"] > 1.3 * rate["ebook"]
    assert 40 < events["lead_id"].value_counts().mean() < 90


def test_progress_rises_to_one(tmp_path: Path) -> None:
    fractions: list[float] = []
    simulate(tmp_path, FunnelOptions(leads=50, days=30), fractions.append)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_the_smallest_funnel_is_written(tmp_path: Path) -> None:
    result = simulate(tmp_path, FunnelOptions(leads=1, days=14))
    assert len(pd.read_csv(result.leads)["lead_id"].unique()) == 1


def test_a_funnel_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leads is 0; give a whole number from 1 to"):
        FunnelOptions(leads=0)
    with pytest.raises(UsageError, match="days is 13"):
        FunnelOptions(days=13)
    with pytest.raises(UsageError, match="seed is -1"):
        FunnelOptions(seed=-1)
    (tmp_path / "file").write_text("taken")
    with pytest.raises(UsageError, match="file is a file; name a folder"):
        simulate(tmp_path / "file", FunnelOptions(leads=5, days=14))
    assert (tmp_path / "file").read_text() == "taken"
