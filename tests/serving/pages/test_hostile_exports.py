"""Forty hostile texts in every field of leads: no cell of an export is a formula, and none breaks out of its cell."""

from __future__ import annotations

import csv
import io
import itertools
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from data.contract import DataError
from data.hidden_signs import visible
from serving.pages.exports import separated
from serving.store.events.event_validation import EventIn
from serving.store.store import Store
from tests.serving.pages.conftest import Visits
from tests.serving.pages.hostile import PAYLOADS, REFUSED
from tests.serving.pages.sheets import cells_of, opened
from tests.serving.test_batch import is_live

NOW = time.time_ns() // 1000


@pytest.mark.proof("hostile")
@pytest.mark.parametrize("form", ["", "de"])
def test_no_cell_of_a_csv_is_live_and_none_breaks_out(visits: Visits, hostile: Sequence[str], form: str) -> None:
    content = visits("viewer").get(f"/leads.csv?form={form}&order=lead_id").content.decode("utf-8-sig")
    mark = separated.FORMS[form].delimiter
    rows = list(csv.reader(io.StringIO(content, newline=""), delimiter=mark, strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert [row[0].replace("'", "") for row in rows[1:]] == [visible(text).replace("'", "") for text in sorted(hostile)]
    for delimiter in ",;\t":
        cells = itertools.chain.from_iterable(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter))
        assert not [cell for cell in cells if is_live(cell)]


@pytest.mark.proof("hostile")
def test_a_csv_that_lets_formulas_through_is_caught(
    visits: Visits, hostile: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(separated, "inert", lambda value: value)
    content = visits("viewer").get("/leads.csv").text
    assert len([cell for row in csv.reader(io.StringIO(content)) for cell in row if is_live(cell)]) > 8


@pytest.mark.proof("hostile")
def test_an_excel_sheet_holds_texts(visits: Visits, hostile: Sequence[str], tmp_path: Path, full: bool) -> None:
    path = tmp_path / "leads.xlsx"
    path.write_bytes(visits("viewer").get("/leads.xlsx?order=lead_id").content)
    sheets = [cells_of(path.read_bytes())] + ([opened(path)] if full else [])
    for rows in sheets:
        assert not [cell for row in rows for cell in row if cell.kind == "formula"]
        lead_ids = [row[0].value for row in rows[1:]]
        assert lead_ids == [
            f"'{payload}" if payload.startswith("<r>") else visible(payload) for payload in sorted(hostile)
        ]


def test_the_door_turns_away_what_no_field_may_hold(own_store: Store) -> None:
    for text in REFUSED:
        with pytest.raises(DataError):
            own_store.leads.put(text, NOW, None, {}, NOW)
        [result] = own_store.events.add([EventIn(text, "page_view", NOW, None, None, NOW, "s", "e")], NOW)
        assert result.status == "rejected", repr(text)


def test_the_texts_are_many_and_differ() -> None:
    assert len(set(PAYLOADS)) >= 40
