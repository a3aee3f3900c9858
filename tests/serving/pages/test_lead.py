"""The page of one lead: what it says, what people do on it, what an address may be, and whom it never shows."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest

from data.contract import US_PER_DAY
from data.ids import required_id
from serving.http import data_subject_requests as rights
from serving.scoring.served_model import ServedModel
from serving.store.events.event_validation import EventIn
from serving.store.leads.listing import Filters
from serving.store.leads.worklist import WorklistRow
from serving.store.privacy.workspace_files import Removal, Unfinished, WorkspaceFiles
from serving.store.scores.reason import Explanation, Fact, FeatureShift, TopicReason
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from tests.serving.pages.browser import Visitor, forms
from tests.serving.pages.conftest import Visits
from tests.serving.pages.test_leads import HOSTILE
from tests.serving.pages.town import settle_in
from tests.serving.workshop import Workshop

NOW = time.time_ns() // 1000
WEEK = 7 * US_PER_DAY


def put(store: Store, lead: str, probability: float = 0.231, text: str = "web", **attributes: str) -> None:
    """A lead with two events that has been scored a week ago and now."""
    store.leads.put(lead, NOW - 2 * WEEK, None, attributes, NOW)
    sent = [
        EventIn(lead, "pricing_view", NOW - WEEK // 2, text, 49.5, NOW - WEEK // 2, text),
        EventIn(lead, "email_sent", NOW - WEEK // 3, text, None, NOW - WEEK // 3, text),
    ]
    store.events.add(sent, NOW)
    for moment, chance in ((NOW - WEEK, probability / 2), (NOW - 9, probability)):
        store.scores.record([StoredScore(lead, "conversion", moment, chance, 0.1, 0.3, "1", "d")], [], moment)
    at = NOW - WEEK // 2
    reasons = (
        TopicReason("count_pricing_view_30d", 0.9, 1.0, at, at, "web", (Fact("did", "pricing_view", None, 1, 30, at),)),
        TopicReason("profile_industry", -0.4, text, None, None, "fit", (Fact("unfit", "industry", text),)),
    )
    shifts = (FeatureShift("count_pricing_view_30d", 0.0, 1.0, 0.9), FeatureShift("nobody_knows_this", 0.0, 1.0, 0.9))
    store.explanations.note("conversion", [Explanation(lead, NOW - 9, "d", reasons, NOW - WEEK, shifts)])
    store.worklist.note("conversion", NOW, [WorklistRow(lead, 0.9, -0.5, None, None, NOW - 5, 2, 1, "email")])


def words(visitor: Visitor, address: str) -> str:
    """What a page says, without its tags."""
    answer = visitor.get(address)
    assert answer.status_code == 200, address
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def test_a_lead_is_told_in_words_in_both_languages(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1", industry="software")
    page = words(visits("viewer"), "/leads/L1")
    for said in (
        "23 of 100 like this one buy within 30 days",
        "Of leads that scored alike, 10 to 30 of 100 bought",
        "up from 12 of 100",
        "Looked at prices on",
        "Fits less by its profile: industry web",
        "website visits page views, views of the pricing page",
        "views of the pricing page in the last 30 days: 1",
        "views of the pricing page in the last 30 days: 1, was 0",
        "e-mails sent to the lead: 1 views of the pricing page: 1",
        "2 contacts in 30 days",
        "Pricing page viewed · web · 49.50 from web",
        "We sent an e-mail",
        "Scored by version 1 of the model",
        "industry software",
        "Because it is at least a quarter more likely to buy than a week ago",
    ):
        assert said in page, said
    seite = words(visits("viewer", "de"), "/leads/L1")
    for said in (
        "23 von 100 ähnlichen Leads",
        "10 bis 30 von 100",
        "Preisseite angesehen · web · 49,50 aus web",
        "zuvor 0",
        "Aufrufe der Preisseite",
        "Spricht dagegen",
        "Nächster Schritt Weiter begleiten",
    ):
        assert said in seite, said


def test_a_reason_leads_to_its_event(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    visitor = visits("viewer")
    [link] = re.findall(r'href="(/leads/L1\?until=\d+#timeline)"', visitor.get("/leads/L1").text)
    timeline = words(visitor, link.partition("#")[0]).partition("What happened")[2]
    assert "Pricing page viewed" in timeline
    assert "We sent an e-mail" not in timeline.partition("Profile")[0], "that came later"


def test_a_long_timeline_is_read_page_by_page(visits: Visits, own_store: Store) -> None:
    own_store.leads.put("L1", NOW - WEEK, None, {}, NOW)
    own_store.events.add([EventIn("L1", "page_view", NOW - n * 60_000_000 - 1, value=n) for n in range(120)], NOW)
    visitor, address, values = visits("viewer"), "/leads/L1", []
    while address:
        page = visitor.get(address).text
        values += [int(text) for text in re.findall(r"<b>Page viewed</b> · (\d+)", page)]
        nexts = re.findall(r'href="([^"]*)" rel="next"', page)
        address = unescape(nexts[0]).partition("#")[0] if nexts else ""
    assert values == list(range(120))
    assert "Not scored yet" in page


def test_what_the_score_does_not_know_yet_is_marked(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    assert "not in the score yet" not in words(visits("viewer"), "/leads/L1")
    own_store.events.add([EventIn("L1", "meeting", NOW - 1)] * 2, NOW)
    own_store.events.add([EventIn("L1", "webinar_attended", NOW - 3 * US_PER_DAY)], NOW)
    page = words(visits("viewer"), "/leads/L1")
    assert "Meeting not in the score yet" in page
    assert "Attended a webinar not in the score yet known since" in page


def test_an_explanation_of_another_score_is_not_shown(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    own_store.scores.record([StoredScore("L1", "conversion", NOW, 0.2, 0.1, 0.3, "2", "e")], [], NOW)
    assert "Speaks against it" not in words(visits("viewer"), "/leads/L1")


def test_every_lead_of_a_town_has_a_page_in_words(
    visits: Visits, own_store: Store, workshop: Workshop, live: ServedModel
) -> None:
    settle_in(own_store, workshop.log, live, NOW)
    visitor, dated = visits("viewer"), 0
    for lead in own_store.listing.page(Filters(), limit=25).leads:
        page = visitor.get(f"/leads/{lead.lead_id}").text
        said = page.partition('id="timeline"')[0]
        assert not re.search(r"_(7d|14d|30d|90d|ever|any)\b", said), "a feature without words"
        assert len(page.encode()) < 100_000
        dated += said.count("?until=")
    assert dated > 20


def test_a_stage_is_set_by_hand_shown_and_lifted(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    editor = visits("editor")
    done = editor.form("/leads/L1", "/decisions", stage="SQL", reason="talked", days="7")
    assert (done.status_code, done.headers["location"]) == (303, "/leads/L1#decision")
    for visitor in (editor, visits("viewer")):
        page = words(visitor, "/leads/L1")
        assert "Set to SQL on" in page
        assert "by account editor: after talking with the lead. Holds until the first scoring from" in page
        assert "The model says: unqualified." in page
        assert "Hand to sales" in page
    assert "SQL set by hand" in words(editor, "/leads?stage=SQL")
    [listed] = own_store.listing.page(Filters()).leads
    assert (listed.stage, listed.model_stage) == ("SQL", "unqualified")
    assert editor.form("/leads/L1", "/decisions/lift").status_code == 303
    page = words(editor, "/leads/L1")
    assert "the model's stage holds" in page
    assert "account editor: stage given back to the model" in page
    assert "account editor: stage set to SQL, after talking with the lead" in page


@pytest.mark.parametrize(
    "fields",
    [
        {"stage": "customer", "reason": "talked", "days": ""},
        {"stage": "SQL", "reason": "Max said so", "days": ""},
        {"stage": "SQL", "reason": "", "days": ""},
        {"stage": "SQL", "reason": "talked", "days": "8"},
        {"stage": "SQL", "reason": "talked", "days": "-1"},
        {"stage": "SQL", "reason": "talked", "days": "", "lead": "nobody"},
        {"stage": "SQL", "reason": "talked", "days": "", "lead": "%00"},
        {"stage": "SQL", "reason": "talked", "days": "", "lead": ""},
    ],
)
def test_a_decision_that_cannot_be_changes_nothing(visits: Visits, own_store: Store, fields: dict[str, str]) -> None:
    put(own_store, "L1")
    refused = visits("editor").form("/leads/L1", "/decisions", **fields)
    assert refused.status_code in (404, 422)
    assert "<h1>" in refused.text
    assert own_store.decisions.of("L1", "conversion") is None


def test_forms_of_the_page_need_the_token_of_their_session(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    admin, other = visits("admin"), visits("admin")
    theirs = forms(other.get("/leads/L1").text)
    fields = {
        "/decisions": {"stage": "SQL", "reason": "talked", "days": ""},
        "/decisions/lift": {},
        "/objections": {"objects": "yes"},
        "/erasure": {"sure": "yes"},
    }
    for action, values in fields.items():
        for form in ({}, {"form": ""}, {"form": theirs["/decisions"]["form"]}):
            assert admin.post(action, data={"lead": "L1"} | values | form).status_code == 403, action
        right = {"form": forms(admin.get("/leads/L1").text)["/decisions"]["form"], "lead": "L1"} | values
        assert admin.post(action, data=right, headers={"origin": "https://evil.example"}).status_code == 403
    assert own_store.leads.shown("L1") is not None
    assert own_store.audit.of("L1") == []


def test_who_may_not_do_it_is_not_offered_it(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    offered = {role: set(forms(visits(role).get("/leads/L1").text)) - {"/sign-out"} for role in ("viewer", "editor")}
    assert offered == {"viewer": set(), "editor": {"/decisions", "/work"}}
    assert "/objections?lead=L1" in visits("editor").get("/leads/L1").text
    assert "/erasure" not in visits("editor").get("/leads/L1").text
    assert "/erasure?lead=L1" in visits("admin").get("/leads/L1").text


def test_an_objection_hides_a_lead_until_it_is_taken_back(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    editor = visits("editor")
    assert "It vanishes from all lists" in words(editor, "/objections?lead=L1")
    assert own_store.leads.shown("L1") is not None, "it asks before it acts"
    assert "is noted" not in words(editor, "/objections?noted=L1"), "whatever the address says"
    done = editor.form("/objections?lead=L1", "/objections", objects="yes", lead="L1")
    assert done.headers["location"] == "/objections?noted=L1"
    assert "is noted" in words(editor, "/objections?noted=L1")
    assert "Undo" in words(editor, "/objections?noted=L1")
    for address in ("/leads/L1", "/leads/L1?until=5"):
        assert editor.get(address).status_code == 404
    assert "L1" not in editor.get("/leads").text
    assert editor.form("/objections", "/objections", objects="no", lead_id="nobody").status_code == 404
    assert editor.form("/objections", "/objections", objects="maybe", lead_id="L1").status_code == 422
    back = editor.form("/objections", "/objections", objects="no", lead_id=" L1 ")
    assert (back.status_code, back.headers["location"]) == (303, "/leads/L1")
    assert "objection taken back" in words(editor, "/leads/L1")


def test_unknown_erased_and_objecting_leads_cannot_be_told_apart(visits: Visits, own_store: Store) -> None:
    for lead in ("L-objects", "L-erased"):
        put(own_store, lead)
    own_store.leads.object("L-objects", True, NOW)
    own_store.erasure.forget("L-erased", "test", NOW)
    for role in ("viewer", "admin"):
        visitor = visits(role)
        answers = [visitor.get(f"/leads/{lead}") for lead in ("L-objects", "L-erased", "L-never", "%00", "x" * 201, "")]
        assert {answer.status_code for answer in answers[:3]} == {404}
        texts = {re.sub(r"L-(objects|erased|never)", "", answer.text) for answer in answers[:3]}
        assert len({re.sub(r'value="[^"]*"', "", text) for text in texts}) == 1
        assert {answer.status_code for answer in answers[3:]} == {404}


def test_erasing_asks_first_and_gives_a_receipt_that_proves_itself(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    admin = visits("admin")
    assert "L1" in words(admin, "/erasure?lead=L1")
    unsure = admin.form("/erasure?lead=L1", "/erasure", sure="")
    assert unsure.status_code == 422
    assert "tick the box" in unsure.text
    assert admin.get("/leads/L1").status_code == 200
    done = admin.form("/erasure?lead=L1", "/erasure", sure="yes")
    receipt = done.headers["location"]
    assert done.status_code == 303
    page = words(admin, receipt)
    assert re.search(r"events 2\b", page)
    assert "L1" not in page
    assert admin.get("/leads/L1").status_code == 404
    packed = receipt.partition("of=")[2]
    for forged in (packed[:-8] + "AAAAAAA=", packed[2:], "", "W10=", "e30=", "eyJsaW1pdHMiOltdfQ==", "ü", "[" * 900):
        assert admin.get("/receipt", params={"of": forged}).status_code == 404, forged


def test_erasing_by_id_also_whom_nobody_may_see(visits: Visits, own_store: Store) -> None:
    put(own_store, "L1")
    own_store.leads.object("L1", True, NOW)
    admin = visits("admin")
    assert admin.form("/erasure", "/erasure", sure="yes", lead_id="L1").status_code == 303
    assert own_store.leads.get("L1") is None


def test_an_erasure_that_is_not_finished_says_so_and_has_no_receipt(
    visits: Visits, own_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(files: WorkspaceFiles, lead_ids: Sequence[str]) -> Removal:
        raise Unfinished("an ingest is running")

    put(own_store, "L1")
    monkeypatch.setattr(rights, "files_of", lambda services: WorkspaceFiles(tmp_path, tmp_path / "log"))
    monkeypatch.setattr(WorkspaceFiles, "clean", busy)
    admin = visits("admin")
    unfinished = admin.form("/erasure?lead=L1", "/erasure", sure="yes")
    assert unfinished.status_code == 503
    assert "Not everything is erased yet" in unfinished.text
    monkeypatch.undo()
    assert admin.form("/erasure?lead=L1", "/erasure", sure="yes").status_code == 303


@pytest.mark.parametrize(
    "lead",
    [
        "a/b",
        "/a//b/",
        "ü ö",
        "100%",
        "a?b=c&d#e",
        "%2F",
        "a%252Fb",
        "..%",
        "x" * 200,
        "\u202eevil",
        "L;1,2'\"<>",
        "link",
    ],
)
def test_an_id_of_any_characters_has_an_address(visits: Visits, own_store: Store, lead: str) -> None:
    put(own_store, lead)
    editor = visits("editor", "de")
    listed = editor.get("/leads").text.partition("<tbody")[2]
    [address] = map(unescape, re.findall(r'href="(/leads/[^"?]+|/lead\?lead_id=[^"]+)"', listed))
    assert address == (f"/lead?lead_id={quote(lead, safe='')}" if "/" in lead else f"/leads/{quote(lead, safe='')}")
    page = editor.get(address)
    assert page.status_code == 200
    assert "Preisseite angesehen" in page.text
    [other] = re.findall(r'href="(/language\?to=en[^"]*)"', page.text)
    assert editor.get(unescape(other)).headers["location"] == address
    assert (
        editor.form(address, "/decisions", stage="SQL", reason="data", days="").headers["location"]
        == f"{address}#decision"
    )
    made = own_store.decisions.of(lead, "conversion")
    assert made is not None
    assert made.stage == "SQL"
    asked = visits().get(address)
    assert asked.headers["location"] == f"/sign-in?next={quote(address, safe='')}"


@pytest.mark.parametrize("query", ["until=x", "until=-1", "until=" + "9" * 19, "after=x", "until=1&after=x", "until=²"])
def test_an_address_that_cannot_be_is_said_so(visits: Visits, own_store: Store, query: str) -> None:
    put(own_store, "L1")
    page = visits("viewer", "de").get(f"/leads/L1?{query}")
    assert page.status_code == 422
    assert "nicht erlaubt" in page.text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_are_shown_and_do_nothing(visits: Visits, own_store: Store, hostile: str) -> None:
    put(own_store, required_id(hostile), text=hostile, industry=hostile)
    own_store.events.add([EventIn(hostile, hostile, NOW - 99, hostile, None, NOW - 99, hostile)], NOW)
    address = f"/leads/{quote(hostile, safe='')}"
    for path in (address, f"/erasure?lead={quote(hostile, safe='')}"):
        answer = visits("admin").get(path)
        assert answer.status_code == 200
        assert answer.text.count("<script") == 0
        assert "<img src=x" not in answer.text
        assert "<svg/" not in answer.text
        assert not {
            character
            for character in answer.text
            if character in "\u202e\u2066\u2069\u200b\u200f\u0085\u009f\ufeff\ufffb"
        }
        assert ("7*7" in hostile) == ("7*7" in answer.text), "nothing is computed"
    assert visits("admin").form(address, "/decisions", stage="MQL", reason="other", days="30").status_code == 303
    assert own_store.decisions.of(required_id(hostile), "conversion") is not None
