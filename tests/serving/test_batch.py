"""The list for sales is complete, in order, written as a whole, and no cell of it comes to life in a spreadsheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.options import parse_time
from data.contract import DataError, UsageError
from data.erasure.ledger import Ledger
from features.moments import open_moments
from features.numbers_in_words import percent
from features.outlook import conversion
from serving.scoring import batch
from serving.scoring.batch import ScoredLog, score_log, write_scores
from serving.scoring.scorer import Scorer
from serving.trees.predictor import Predictor
from tests.serving.scored_leads import scored_lead
from workspace import Workspace

COLUMNS = [
    *("lead_id", "probability", "low", "high", "stage", "in_words"),
    *("for_1", "for_2", "for_3", "against_1", "against_2", "against_3"),
    *("fit", "engagement", "fit_share", "target", "model_version", "as_of", "caution"),
]
LIVE = "=+-@\t\r＝＋－＠"
HOSTILE = st.builds(lambda a, b, c: a + b + c, st.text(max_size=5), st.sampled_from(LIVE), st.text(max_size=8))


@pytest.fixture(scope="module")
def scored(trained: Workspace) -> ScoredLog:
    return score_log(trained.event_log(), Scorer(Predictor.of(trained.champion())), "1")


def test_every_open_lead_is_there_once_the_best_first(trained: Workspace, scored: ScoredLog) -> None:
    log, scorer = trained.event_log(), Scorer(Predictor.of(trained.champion()))
    expected = sum(len(open_moments(log.bucket(i), scorer.target, scored.as_of)) for i in range(log.n_buckets))
    ids = [lead.lead_id for lead in scored.leads]
    assert len(ids) == len(set(ids)) == expected > 100
    order = [(-lead.probability, lead.lead_id) for lead in scored.leads]
    assert order == sorted(order)


def test_the_columns_are_those_of_the_contract(scored: ScoredLog, tmp_path: Path) -> None:
    assert list(scored.leads[0].row()) == COLUMNS
    for name in ("scores.csv", "scores.parquet"):
        write_scores(scored, tmp_path / name, Ledger(tmp_path / "erased.db"))
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    assert [float(row["probability"]) for row in rows] == [lead.probability for lead in scored.leads]
    assert pq.read_table(tmp_path / "scores.parquet").to_pylist() == [lead.row() for lead in scored.leads]
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".parquet", ".db"}


def test_a_row_says_how_sure_it_is_in_words(scored: ScoredLog) -> None:
    for lead in scored.leads:
        assert 0 <= lead.low < lead.high <= 1
        assert lead.in_words == conversion(lead.probability, lead.low, lead.high, 30)
        assert lead.as_of.endswith("Z")
        assert f"  {lead.in_words}; fit " in lead.lines()
        assert f"; Passung {percent(lead.fit_share, 0, 'de')}" in lead.lines("de")


def cells(text: str, delimiter: str) -> list[str]:
    """The cells that a spreadsheet makes of a file when it splits at this delimiter."""
    return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) for cell in row]


def is_live(cell: str) -> bool:
    return cell.lstrip(' "\n')[:1] in set(LIVE) and not _is_number(cell)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def written(text: str, folder: Path) -> str:
    """A file of one lead whose id and words are this text."""
    lead = scored_lead(text, in_words=text, fit=-0.25)
    write_scores(ScoredLog([lead], 0), folder / "x.csv", Ledger(folder / "erased.db"))
    return (folder / "x.csv").read_bytes().decode()


PAYLOADS = [
    "=cmd|'/c calc'!A1",
    "+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    " =1",
    "a;=1+1",
    "a,=1+1",
    "a\n=1",
    "＝1",
    '";=1+1',
    "x\t@A1",
]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_cell_is_a_formula_wherever_the_file_is_split(payload: str, delimiter: str, tmp_path: Path) -> None:
    written_cells = cells(written(payload, tmp_path), delimiter)
    assert len(written_cells) >= 2
    assert not [cell for cell in written_cells if is_live(cell)], written_cells


@given(value=HOSTILE)
def test_no_text_comes_to_life(value: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert not is_live(cells(written(value.replace("\0", ""), tmp_path_factory.getbasetemp()), ",")[len(COLUMNS)])


def test_a_writer_that_lets_formulas_through_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "inert", lambda value: value)
    assert [cell for cell in cells(written("=1+1", tmp_path), ",") if is_live(cell)]


def test_numbers_stay_numbers_and_plain_words_stay_as_they_are(tmp_path: Path) -> None:
    text = written("Müller & Co. (2024-01-01), a = b", tmp_path)
    words = '"Müller & Co. (2024-01-01), a = b"'
    assert text.splitlines()[1] == f"{words},0.5,0.4,0.6,MQL,{words},,,,,,,-0.25,0.0,0.5,conversion,1,2024-05-01Z,"


def test_a_write_that_fails_keeps_the_old_file_and_leaves_no_draft(
    scored: ScoredLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "scores.csv"
    out.write_text("old")

    def full(scored: ScoredLog, path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(batch, "WRITERS", {".csv": full})
    with pytest.raises(OSError, match="No space left"):
        write_scores(scored, out, Ledger(tmp_path / "erased.db"))
    assert out.read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {out.name, "erased.db"}


def test_nobody_to_score_is_told(trained: Workspace) -> None:
    with pytest.raises(DataError, match=r"no lead of .* is open at 1970-01-01"):
        score_log(trained.event_log(), Scorer(Predictor.of(trained.champion())), "1", as_of=0)


@pytest.mark.parametrize("text", ["2024-13-01", "soon", "2024-05-01T12:00:00", "", "2024-05-01 25:00Z"])
def test_a_moment_without_a_meaning_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--as-of"):
        parse_time(text)


def test_a_moment_is_the_same_in_every_zone() -> None:
    assert parse_time("2024-05-01T02:00:00+02:00") == parse_time("2024-05-01T00:00:00Z") == parse_time("2024-05-01")
