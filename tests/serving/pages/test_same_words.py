"""One probability reads the same in a file, on a terminal, on every page and on paper, in each language."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from data.erasure.ledger import Ledger
from data.log.eventlog import EventLog
from features.numbers_in_words import LANGUAGES, Language, chance, span
from features.outlook import conversion
from serving.pages.rendering.page_context import wording_of
from serving.pages.rendering.templates import FOLDER
from serving.scoring.batch import score_log, write_scores
from serving.scoring.scored_lead import ScoredLead
from serving.scoring.served_model import ServedModel
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from tests.serving.pages.conftest import Visits
from tests.serving.pages.test_exports import NOW, put
from tests.serving.workshop import Workshop

EDGES = (0.00001, 0.0046, 0.00949, 0.0095, 0.0199, 0.2, 0.995, 0.99999)
"""Where the words change, and where the ways to say it once disagreed."""


def a_few(leads: list[ScoredLead]) -> list[ScoredLead]:
    """Leads from the likeliest to the least likely."""
    return leads[:: max(1, len(leads) // 5)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_from_the_file_to_the_paper(
    visits: Visits, own_store: Store, live: ServedModel, workshop: Workshop, tmp_path: Path, language: Language
) -> None:
    scored = score_log(EventLog.open(workshop.log), live.scorer, "1", language=language)
    write_scores(scored, tmp_path / "scores.csv", Ledger(tmp_path / "erased.db"))
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        in_words = {row["lead_id"]: row["in_words"] for row in csv.DictReader(file)}
    visitor, leads = visits("viewer", language), a_few(scored.leads)
    for scored_lead in leads:
        lead, likely = scored_lead.lead_id, (scored_lead.probability, scored_lead.low, scored_lead.high)
        put(own_store, live, lead)
        score = StoredScore(lead, "conversion", NOW + 1, *likely, live.model.version, live.model.digest)
        own_store.scores.record([score], [], NOW + 1)
        words, interval = chance(likely[0], language), span(*likely[1:], language)
        assert f"{words} " in in_words[lead]
        assert f"{interval} " in in_words[lead].replace(")", " ")
        assert f"  {in_words[lead]}; " in scored_lead.lines(language)
        page = visitor.get(f"/leads/{lead}").text
        assert words in page
        assert interval in page
        for path in ("/leads", "/print"):
            assert words in visitor.get(f"{path}?search={lead}").text
    exported = csv.reader(io.StringIO(visitor.get("/leads.csv").text, newline=""))
    column = 3
    assert {row[0]: chance(float(row[column]), language) for row in list(exported)[1:]} == {
        lead.lead_id: chance(lead.probability, language) for lead in leads
    }


@pytest.mark.parametrize(
    ("language", "instead"), [("en", "expect 47 to 64 of 100 instead"), ("de", "eher 47 bis 64 von 100")]
)
def test_every_list_says_where_what_happened_leaves_no_room_for_a_score(
    visits: Visits, own_store: Store, live: ServedModel, language: Language, instead: str
) -> None:
    for lead, low, high in (("L1", 0.471, 0.632), ("L2", 0.61, 0.79)):
        put(own_store, live, lead)
        own_store.leads.put(lead, NOW, f"firm of {lead}", {}, NOW)
        score = StoredScore(lead, "conversion", NOW + 1, 0.75, low, high, live.model.version, live.model.digest)
        own_store.scores.record([score], [], NOW + 1)
    visitor = visits("viewer", language)
    for path in ("/today?section=rest", "/leads", "/print", "/companies"):
        page = visitor.get(path).text
        assert "L2" in page, path
        assert page.count(instead) == 1, path
    for lead, count in (("L1", 1), ("L2", 0)):
        for path in (f"/company?account_id=firm+of+{lead}", f"/then?lead={lead}&as_of={NOW + 1}"):
            assert visitor.get(path).text.count(instead) == count, path


def test_no_template_tells_a_chance_of_a_lead_without_what_casts_doubt_on_it() -> None:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.html")}
    telling = {name for name, text in texts.items() if re.search(r"chance\((lead|entry|score)\.probability\)", text)}
    doubting = {name for name, text in texts.items() if re.search(r"parts\.departed\(|departure\(entry\.", text)}
    assert telling == doubting == {"companies", "lead", "lead_cells", "print", "then", "today"}


@given(st.one_of(st.floats(0, 1), st.sampled_from(EDGES)), st.sampled_from(LANGUAGES))
def test_file_and_page_agree_on_any_probability(p: float, language: Language) -> None:
    page = Environment(autoescape=True).from_string("{{ chance(p) }} ({{ span(p / 2, p) }})")
    shown = page.render(p=p, **wording_of(language))
    words, _, interval = shown.rstrip(")").partition(" (")
    sentence = conversion(p, p / 2, p, 90, language)
    assert sentence.startswith(f"{words} ")
    assert interval in sentence.rpartition(" (")[2]
