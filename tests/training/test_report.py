"""The report can be mailed: one file that loads nothing, and hostile words in it stay words."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy.special import expit

from data.contract import US_PER_DAY
from features.labels import Target
from features.numbers_in_words import chance
from tests.artifacts import TRAINED_ON
from training.calibration.calibrator import Calibrator
from training.measuring import tables
from training.measuring.evaluation import evaluate, evaluate_groups
from training.measuring.tables import Table
from training.model.permutation import Shuffled
from training.monitoring.data_profile import DataProfile, FeatureProfile, MonthProfile, SourceProfile
from training.recipe.learning_curve import LearningCurve, SharePoint
from training.report import texts
from training.report.account import Background, TrainingAccount
from training.report.model_card import model_card
from training.report.page import markdown_table, paragraph, replaced
from training.report.report import BACKTEST, html
from training.report.sentences import plain_words, segments_told
from training.samples.covariate_shift import CovariateShift
from training.thresholds.promise_check import check_cell
from training.thresholds.threshold_selection import by_capacity, by_precision
from training.thresholds.volume import CrossSection, ScoredLabels

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
PNG = b"\x89PNG not really"


class Reader(HTMLParser):
    """Notes tags, their attributes and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def account() -> TrainingAccount:
    rng = np.random.default_rng(0)
    p = expit(rng.normal(-2, 1.2, 2_000))
    y, lead, weight = (rng.random(2_000) < p).astype(np.float64), np.arange(2_000), np.ones(2_000)
    predictions = {"champion": p, "base rate": np.full(2_000, y.mean())}
    groups = np.where(lead % 2, "0-7 days", "08-30 days")
    labels, flow = ScoredLabels(p, y), CrossSection(p, 50.0)
    return TrainingAccount(
        name="leadscore-conversion",
        digest="d" * 64,
        target=Target("conversion", ("deal_won",)),
        trained_on=replace(TRAINED_ON, moments=5_000),
        judged_from="2024-05-01",
        judged_to="2024-06-01",
        evaluation=evaluate(y, weight, lead, predictions, resamples=20),
        by_age=evaluate_groups(groups, y, weight, lead, predictions),
        thresholds=(by_precision("MQL", labels, flow, 0.2), by_capacity("SQL", labels, flow, 5)),
        calibration=Calibrator("beta", 1.0, 1.2, 0.0),
    )


def test_the_page_loads_nothing_from_anywhere(account: TrainingAccount) -> None:
    page = html(account, {"reliability": PNG})
    reader = Reader(page)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(reader.tags)
    addresses = [
        value for name, value in reader.attributes if name in ("src", "href", "srcset", "action", "background")
    ]
    assert len(addresses) == 1
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert not re.search(r"https?://|url\(|@import", page)


def test_it_says_what_a_reader_needs(account: TrainingAccount) -> None:
    words = Reader(html(account, {"reliability": PNG})).words
    for phrase in ("deal_won within 30 days", "1 May 2024", "MQL begins", "SQL begins", "base rate", "8-30 days"):
        assert phrase in words


def test_plain_words_come_first(account: TrainingAccount) -> None:
    page = html(account, {})
    assert page.index("In plain words") < page.index("The evidence")
    words = plain_words(account)
    assert re.match(r"\d+ of 100 \(\d+ to \d+ of 100\) leads in the tenth with the highest scores convert", words[0])
    assert f"of leads taken as they come, {chance(account.evaluation.base_rate)} do" in words[0]
    assert words[0] in model_card(account)


def test_a_backtest_takes_its_place_whenever_it_is_made(account: TrainingAccount) -> None:
    before, made = html(account, {}), html(account, {}, "<p>section</p>")
    assert "No backtest was made yet" in before
    assert replaced(before, BACKTEST, "<p>section</p>") == made
    assert replaced(made, BACKTEST, "<p>newer \\1</p>") == html(account, {}, "<p>newer \\1</p>")
    card = model_card(account, "old")
    assert replaced(card, BACKTEST, "new") == model_card(account, "new")
    assert replaced("no mark", BACKTEST, "new") == "no mark"


def test_code_and_percent_signs_are_set_well() -> None:
    assert paragraph("run `a <b>` at 5 %") == "<p>run <code>a &lt;b&gt;</code> at 5&nbsp;%</p>"


def test_a_cell_of_a_card_stays_a_cell() -> None:
    table = markdown_table(Table("t", ["a|b", "c"], [["<!-- end of backtest -->\n|", "d"]]))
    assert table.splitlines()[3:] == ["| a\\|b | c |", "| --- | --- |", "| &lt;!-- end of backtest --> \\| | d |"]


def test_hostile_words_stay_words(account: TrainingAccount) -> None:
    thresholds = tuple(replace(threshold, stage=HOSTILE) for threshold in account.thresholds)
    hostile = replace(
        account,
        name=HOSTILE,
        target=replace(account.target, events=(HOSTILE,)),
        by_age={HOSTILE: account.evaluation},
        thresholds=thresholds,
    )
    reader = Reader(html(hostile, {"reliability": PNG}))
    plain = Reader(html(account, {"reliability": PNG}))
    assert set(reader.tags) == set(plain.tags)
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert reader.words.count(HOSTILE) >= 4


def test_the_model_card_warns_and_tells_what_the_calibrator_makes(account: TrainingAccount) -> None:
    card = model_card(account)
    assert "Not for decisions" in card
    assert "of a hundred leads alike 2.0 in place of 2, 10.2 in place of 10, 31.5 in place of 30," in card
    tables = [block.splitlines() for block in re.findall(r"(?:^\|.*\n?)+", card, re.MULTILINE)]
    assert len(tables) >= 2
    for table in tables:
        assert len({line.count("|") for line in table}) == 1, table


@pytest.fixture(scope="module")
def full(account: TrainingAccount) -> TrainingAccount:
    """With all that can be told."""
    points = (SharePoint(0.5, 500, 60, 0.31), SharePoint(1.0, 1_000, 120, 0.3, 0.0123, 0.004))
    features = (
        FeatureProfile(
            "recency_any", 0.125, 0.5, 1_234, None, CovariateShift("recency_any", 900, 400, 0.321, 0.0, True)
        ),
        FeatureProfile("channel", 0.0, 0.0, 3, "web", None),
    )
    months = (MonthProfile("2024-05", 2_000, 1_000, 800, 60),)
    profile = DataProfile(months, (SourceProfile("crm", US_PER_DAY, 2 * US_PER_DAY, 1_500, 2),), features)
    shuffled = (Shuffled("recency_any", (0.002, 0.003)), Shuffled("channel", (-0.001, 0.001)))
    segments = {
        "age of the lead": {"0-7 days": check_cell(1_000, 100.0, 101, 2)},
        "country": {
            "DE": check_cell(1_000, 100.0, 101, 2),
            "FR": check_cell(1_000, 100.0, 200, 2),
        },
    }
    background = Background(LearningCurve(points, 0.4), shuffled, profile)
    words = {"recency_any": "days since the latest activities"}
    return replace(account, background=background, segments=segments, words=words)


def test_it_says_what_more_data_would_bring_and_what_the_data_are(full: TrainingAccount) -> None:
    words = Reader(html(full, {"curve": PNG, "shuffled": PNG, "months": PNG})).words
    for told in (
        "Yes, somewhat: the last doubling, to 1,000 leads, saved +0.0123 log-loss",
        "(95 % interval +0.0045 to +0.0201), 12%",
        "so many looks): 1 of 2, days since the latest activities",
        "days since the latest activities",
        "In these, surely more or fewer converted than was said, even with the interval widened for so many looks: "
        "country FR",
        "Log-loss by the number of leads learnt from",
    ):
        assert told in words.replace("\N{NO-BREAK SPACE}", " ")
    card = model_card(full)
    assert "so many looks): 1 of 2, days since the latest activities" in card
    assert "| crm | 2 Jan 1970 | 3 Jan 1970 | 1,500 | 2 |" in card


def test_a_gap_is_told_only_where_it_outlasts_the_number_of_looks(full: TrainingAccount) -> None:
    """Planted: of forty groups one is off by as much as one in forty is by luck."""
    by_luck = {f"group {at}": check_cell(1_000, 100.0, 122 if at == 7 else 100, 40) for at in range(40)}
    assert by_luck["group 7"].ratio[1] > 1, "its own interval leaves 1 out"
    told = segments_told(replace(full, segments={"group": by_luck}))
    assert "In none of them did surely more or fewer convert" in told
    assert "40 in all" in told


def test_in_german_no_english_sentence_is_left(full: TrainingAccount) -> None:
    german = replace(full, language="de", words={"recency_any": "Tage seit den letzten Aktivitäten"})
    pictures = dict.fromkeys(("reliability", "gains", "scores", "importances", "curve", "shuffled", "months"), PNG)
    page = html(german, pictures)
    assert "<html lang='de'>" in page
    for text in (Reader(page).words.replace("\N{NO-BREAK SPACE}", " "), model_card(german)):
        assert "Im Zehntel mit den höchsten Scores" in text
        assert "01.05.2024" in text
        assert "+0,0123" in text
        for key, said in {**texts.t.sentences, **tables.t.sentences}.items():
            start = said["en"].partition("{")[0].strip()
            assert len(start) < 12 or said["de"].startswith(start) or start not in text, key
    assert not re.search(r"\b(the|leads that|converted|of all|within|days)\b", model_card(german))
