"""The list as a file: the same leads as on the page, in both forms of CSV and in Excel, and nothing left behind."""

from __future__ import annotations

import csv
import fcntl
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data import temporary
from serving.http.services import Services
from serving.pages.exports import columns, exports, workbook
from serving.scoring.served_model import ServedModel
from serving.store.database.failures import StoreAway
from serving.store.leads.decisions import Decision
from serving.store.leads.worklist import WorklistRow
from serving.store.scores.reason import Fact, written_facts
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from tests.serving.pages.browser import Visitor
from tests.serving.pages.conftest import Visits
from tests.serving.pages.sheets import cells_of, opened
from tests.serving.pages.town import settle_in
from tests.serving.server_process import running
from tests.serving.workshop import Workshop

NOW = 1_700_000_000_000_000
NEAR = "2023-11-14 22:13:20"
ADDRESSES = ("/leads.csv", "/leads.csv?form=de", "/leads.xlsx")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


NEVER = written_facts([Fact("never", "web")])


def put(store: Store, live: ServedModel, lead: str, probability: float = 0.25, **attributes: str) -> None:
    """A lead that has been scored by the model that serves."""
    store.leads.put(lead, NOW - 9, None, attributes, NOW)
    score = StoredScore(lead, "conversion", NOW, probability, 0.125, 0.5, live.model.version, live.model.digest)
    store.scores.record([score], [], NOW)
    outlook = WorklistRow(lead, 0.9, -0.5, "recency_any", NEVER, NOW - 5, 7, 6, "email")
    store.worklist.note("conversion", NOW, [outlook])


def table(text: str, delimiter: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def test_a_lead_in_the_plain_form(visits: Visits, own_store: Store, live: ServedModel) -> None:
    put(own_store, live, "L1", country="DE", owner="Müller; north")
    answer = visits("viewer").get("/leads.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="leads-20')
    assert answer.headers["cache-control"] == "no-store"
    [row] = table(answer.content.decode("utf-8"), ",")
    days = live.target.horizon_days
    assert row == {
        "Lead": "L1", "Stage": "unqualified", "Set by hand": "", f"Buy within {days} days": "0.25000000",
        "At least (95 %)": "0.12500000", "At most (95 %)": "0.50000000", "A week before": "", "Rising": "",
        "Speaks most for it": "Has never been on our website", "Fit (-5 to 5)": "2",
        "Engagement (-5 to 5)": "-1", "Last activity (UTC)": "2023-11-14 22:13:19", "Contacts in 30 days": "7",
        "Last ones unanswered": "6", "Pressed too hard": "yes", "Came through": "email", "Country": "DE",
        "Owner": "Müller; north", "Stage begins": "", "Scored as of (UTC)": NEAR, "Model": live.model.version,
    }  # fmt: skip


def test_a_lead_in_the_german_form_with_german_words(visits: Visits, own_store: Store, live: ServedModel) -> None:
    put(own_store, live, "L1", owner="Müller; north")
    content = visits("viewer", "de").get("/leads.csv?form=de").content
    assert content.startswith(b"\xef\xbb\xbfLead;Stufe;")
    [row] = table(content.decode("utf-8-sig"), ";")
    assert row["Mindestens (95 %)"] == "0,12500000"
    assert row["Bewertet zum (UTC)"] == "14.11.2023 22:13:20"
    assert (row["Stufe"], row["Zuständig"]) == ("unqualifiziert", "Müller; north")
    assert b"Stage" in visits("viewer", "de").get("/leads.csv?form=de&language=en").content


def test_a_lead_in_excel(visits: Visits, own_store: Store, live: ServedModel) -> None:
    put(own_store, live, "0012", country="DE")
    answer = visits("viewer", "de").get("/leads.xlsx")
    assert answer.headers["content-type"].endswith("spreadsheetml.sheet")
    head, row = cells_of(answer.content)
    assert [cell.value for cell in head[:4]] == [
        "Lead",
        "Stufe",
        "Von Hand gesetzt",
        f"Kaufen in {live.target.horizon_days} Tagen",
    ]
    cells = [(cell.kind, cell.value) for cell in row]
    assert cells[:5] == [
        ("text", "0012"),
        ("text", "unqualifiziert"),
        ("percentage", "0.25"),
        ("percentage", "0.125"),
        ("percentage", "0.5"),
    ]
    assert [kind for kind, _ in cells].count("date") == 2
    assert ("number", "-1") in cells


def test_a_stage_names_its_threshold_only_where_it_was_given_by_it(
    visits: Visits, own_store: Store, live: ServedModel, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serving.messages.schemas import ThresholdUsed

    put(own_store, live, "L1")
    own_store.decisions.make("L1", "conversion", Decision("SQL", "talked", "account editor", NOW, None))
    used = ThresholdUsed("SQL", 0.31, "precision", 0.5, 0.95)
    other = ThresholdUsed("unqualified", 0.01, "capacity", 40.0, None)
    monkeypatch.setattr(services.champion.current(), "thresholds", [used, other])
    [row] = table(visits("viewer").get("/leads.csv").text, ",")
    assert (row["Stage"], row["Set by hand"], row["Stage begins"]) == ("SQL", "yes", "")
    put(own_store, live, "L2")
    rows = {row["Lead"]: row["Stage begins"] for row in table(visits("viewer").get("/leads.csv").text, ",")}
    assert rows == {"L1": "", "L2": "unqualified from 1.0%: at most 40 a week"}


def test_exports_hold_the_leads_of_the_page_in_its_order(
    visits: Visits, services: Services, workshop: Workshop, live: ServedModel
) -> None:
    settle_in(services.store, workshop.log, live, services.clock())
    visitor, least = visits("viewer"), 0
    for query in ("", "?order=lead_id", "?country=DE&order=activity", "?stage=MQL", "?untouched=1", "?search=L"):
        expected = _of_pages(visitor, f"/leads{query}")
        listed = [row["Lead"] for row in table(visitor.get(f"/leads.csv{query}").text, ",")]
        sheet = [row[0].value for row in cells_of(visitor.get(f"/leads.xlsx{query}").content)[1:]]
        assert listed == sheet == expected, query
        least += len(expected)
    assert least > 100


def _of_pages(visitor: Visitor, address: str) -> list[str]:
    lead_ids: list[str] = []
    while address:
        page = visitor.get(address).text
        lead_ids += [word.partition("<")[0] for word in page.split("<bdi>")[1:]]
        nexts = [
            part.partition('"')[0] for part in page.split('class="button" href="')[1:] if 'rel="next"' in part[:200]
        ]
        address = nexts[0].replace("&amp;", "&") if nexts else ""
    return lead_ids


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_lead_that_objects_or_was_erased_is_in_no_export(
    visits: Visits, own_store: Store, live: ServedModel, address: str
) -> None:
    for lead in ("L-objects", "L-erased", "L-stays"):
        put(own_store, live, lead)
    own_store.leads.object("L-objects", True, NOW)
    own_store.erasure.forget("L-erased", "test", NOW)
    content = visits("viewer").get(address).content
    text = str(cells_of(content)) if address.endswith("xlsx") else content.decode()
    assert "L-stays" in text
    assert "L-objects" not in text
    assert "L-erased" not in text


@pytest.mark.parametrize("query", ["form=fr", "form=de&form=de", "language=fr", "nothing=1", "order=x", "stage=%00"])
def test_an_address_that_cannot_be_is_said_so(visits: Visits, query: str) -> None:
    assert visits("viewer").get(f"/leads.csv?{query}").status_code == 422


def test_an_export_of_nothing_is_a_heading(visits: Visits, own_store: Store) -> None:
    assert visits("viewer").get("/leads.csv").text.count("\r\n") == 1
    assert len(cells_of(visits("viewer").get("/leads.xlsx").content)) == 1


def test_exports_are_in_the_audit_without_what_was_searched(visits: Visits, own_store: Store) -> None:
    visits("viewer").get("/leads.csv?search=L-secret")
    assert [(entry.who, entry.action) for entry in own_store.audit.entries()][-1] == (
        "account viewer",
        "export /leads.csv",
    )


def test_turns_are_given_back_and_who_finds_none_is_told_when_to_come(visits: Visits, services: Services) -> None:
    visitor = visits("viewer")
    for _ in range(3):
        for address in (*ADDRESSES, "/leads.csv?form=fr"):
            visitor.get(address)
    while services.exporting.acquire(blocking=False):
        pass
    for address in ADDRESSES:
        refused = visitor.get(address)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
        assert "try again in a minute" in refused.text
    services.exporting.release()
    assert visitor.get("/leads.csv").status_code == 200


def test_more_than_a_sheet_can_have_is_said(
    visits: Visits, own_store: Store, live: ServedModel, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    for n in range(4):
        put(own_store, live, f"L{n}")
    monkeypatch.setattr(exports, "MOST", 4)
    assert visits("viewer").get("/leads.xlsx").status_code == 200
    monkeypatch.setattr(exports, "MOST", 3)
    refused = visits("viewer").get("/leads.xlsx")
    assert refused.status_code == 413
    assert "take it as CSV" in refused.text
    monkeypatch.setattr(exports, "MOST", 4)
    monkeypatch.setattr(workbook, "MOST", 3)
    assert visits("viewer").get("/leads.xlsx").status_code == 413, "leads that came in meanwhile are not cut off"
    assert list(folder.iterdir()) == []


def test_no_temporary_file_is_left(
    visits: Visits, own_store: Store, live: ServedModel, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    put(own_store, live, "L1")
    assert visits("viewer").get("/leads.xlsx").status_code == 200

    def breaks(*_: Any) -> Iterator[Any]:
        yield [["L1"]]
        raise StoreAway("the store is away")

    monkeypatch.setattr(exports, "rows", breaks)
    assert visits("viewer").get("/leads.xlsx").status_code == 503
    assert list(folder.iterdir()) == []


def left_behind(folder: Path, name: str) -> Path:
    """What an export leaves when its process is killed."""
    export = folder / f"leadscore-export-{name}"
    export.mkdir()
    (export / "lock").touch()
    (export / "sheet1.xml").write_text("L1")
    return export


def test_what_killed_exports_left_is_swept_away_but_not_what_another_is_at(folder: Path) -> None:
    gone, under_way = left_behind(folder, "gone"), left_behind(folder, "under-way")
    with (under_way / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        temporary.sweep()
    assert (gone.exists(), under_way.exists()) == (False, True)


def test_a_server_sweeps_when_it_starts(workshop: Workshop, folder: Path, tmp_path: Path) -> None:
    gone = left_behind(folder, "gone")
    with running(workshop, tmp_path) as start:
        start(environment={"TMPDIR": str(folder)})
    assert not gone.exists()


def test_an_export_under_way_is_locked(
    visits: Visits, own_store: Store, live: ServedModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server that starts meanwhile takes nothing from it."""
    put(own_store, live, "L1")

    def meanwhile(*given: Any) -> Iterator[Any]:
        temporary.sweep()
        yield from columns.rows(*given)

    monkeypatch.setattr(exports, "rows", meanwhile)
    assert len(cells_of(visits("viewer").get("/leads.xlsx").content)) == 2


def test_a_full_disk_is_said(
    visits: Visits, own_store: Store, live: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(own_store, live, "L1")
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    assert visits("viewer").get("/leads.xlsx").status_code == 507


OPENED = {
    "plain": ("/leads.csv", "en", ["--infilter=CSV:44,34,76,1,,1033,false,true"]),
    "german": ("/leads.csv?form=de", "de", ["--infilter=CSV:59,34,76,1,,1031,false,true"]),
    "excel": ("/leads.xlsx", "de", []),
}
"""Options of LibreOffice: delimiter, quote, UTF-8, first line, language, special numbers such as times are read."""


@pytest.mark.parametrize("kind", OPENED)
def test_libreoffice_opens_it_with_the_right_types(
    visits: Visits, own_store: Store, live: ServedModel, tmp_path: Path, kind: str
) -> None:
    address, language, options = OPENED[kind]
    put(own_store, live, "L-plain", 0.25, country="DE", owner='Müller & Söhne; "Nord"')
    put(own_store, live, "=1+1", 0.125, country="@SUM(1)", owner="+49")
    path = tmp_path / f"leads.{'xlsx' if kind == 'excel' else 'csv'}"
    path.write_bytes(visits("viewer", language).get(address).content)
    head, plain, live_one = opened(path, *options)
    assert not [cell for cell in (*head, *plain, *live_one) if cell.kind == "formula"]
    column = {cell.value: place for place, cell in enumerate(head)}
    week = "Von Hand gesetzt" if language == "de" else "Set by hand"
    chance, activity = column[week] + 1, next(n for name, n in column.items() if "UTC" in name)
    assert plain[0].value == "L-plain"
    assert plain[chance].kind == ("percentage" if kind == "excel" else "number")
    assert float(plain[chance].value) == 0.25
    assert (plain[activity].kind, plain[activity].value[:19]) == ("date", "2023-11-14T22:13:19")
    owner = column["Zuständig" if language == "de" else "Owner"]
    assert plain[owner].value == 'Müller & Söhne; "Nord"'
    assert {live_one[0].kind, live_one[owner].kind} == {"text"}
    assert live_one[0].value == ("=1+1" if kind == "excel" else "'=1+1")
