"""The file that scores: formulas against slow ones, and artifacts written by hand that it refuses or reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from scipy.special import expit, logit

import training.artifact.standalone
from training.artifact.standalone import (
    EDGE,
    SEAL,
    Array,
    ArtifactError,
    Line,
    Model,
    calibrated,
    explained,
    hazards,
    load,
    read,
    shares,
    within,
)

IDENTITY: Line = {"a": 1.0, "b": 1.0, "c": 0.0}
ENDS, OFFSETS = [3, 7, 10], [-3.0, -2.0, -1.5]
Values = dict[str, Any]
PERIODS: Values = {"ends": ENDS, "offsets": OFFSETS}


def booster(columns: int, seed: int) -> str:
    """A few trees on random labels, as text."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, columns))
    y = rng.random(300) < expit(x.sum(axis=1))
    parameters = {"objective": "binary", "num_leaves": 5, "verbosity": -1, "num_threads": 1, "seed": seed}
    return str(lightgbm.train(parameters, lightgbm.Dataset(x, y.astype(float)), 4).model_to_string())


TEXTS = {periods: [booster(2 + periods, seed) for seed in (1, 2)] for periods in (0, 1)}


def written(folder: Path, timeline: Values | None = None, **changes: Any) -> Path:
    """An artifact of two boosters that read a number and a category, with these entries of model.json changed."""
    folder.mkdir(exist_ok=True)
    entries = []
    for number, text in enumerate(TEXTS[timeline is not None]):
        content = text.encode()
        (folder / f"booster-{number}.txt").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        entries.append({"file": f"booster-{number}.txt", "bytes": len(content), "sha256": sha256})
    about = {
        "format": 1,
        "target": {"horizon_days": 10},
        "features": [{"name": "n"}, {"name": "country", "categories": ["DE", "AT"]}],
        "boosters": entries,
        "calibrator": {"a": 1.2, "b": 0.9, "c": 0.1},
        "periods": timeline,
        **changes,
    }
    return sealed(folder, json.dumps(about))


def sealed(folder: Path, text: str) -> Path:
    (folder / "model.json").write_text(text)
    (folder / SEAL).write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  model.json\n")
    return folder


MATRIX = np.random.default_rng(3).normal(size=(20, 2))


def raw_of(text: str, matrix: Array) -> Array:
    return np.asarray(lightgbm.Booster(model_str=text).predict(matrix, raw_score=True))


def test_a_fixed_model_is_the_mean_of_its_boosters_in_log_odds_calibrated(tmp_path: Path) -> None:
    model = load(written(tmp_path / "a"))
    mean = (raw_of(TEXTS[0][0], MATRIX) + raw_of(TEXTS[0][1], MATRIX)) / 2
    np.testing.assert_allclose(model.raw(MATRIX), mean, rtol=1e-12)
    p = expit(mean)
    expected = expit(1.2 * np.log(p) - 0.9 * np.log(1 - p) + 0.1)
    np.testing.assert_allclose(model.predict(MATRIX), expected, rtol=1e-12)
    np.testing.assert_array_equal(model.predict_within(MATRIX, 10), model.predict(MATRIX))
    with pytest.raises(ValueError, match="knows a horizon of 10 days alone"):
        model.predict_within(MATRIX, 9)
    np.testing.assert_allclose(model.contributions(MATRIX).sum(axis=1), mean, rtol=1e-9)


def test_a_model_of_periods_multiplies_what_it_takes_to_stay(tmp_path: Path) -> None:
    model = load(written(tmp_path / "a", PERIODS))
    stays = np.ones(len(MATRIX))
    for period, (end, offset) in enumerate(zip(ENDS, OFFSETS, strict=True)):
        rows = np.column_stack([MATRIX, np.full(len(MATRIX), float(period))])
        stays *= 1 - expit((raw_of(TEXTS[1][0], rows) + raw_of(TEXTS[1][1], rows)) / 2 + offset)
        expected = calibrated(logit(1 - stays), {"a": 1.2, "b": 0.9, "c": 0.1})
        np.testing.assert_allclose(model.predict_within(MATRIX, end), expected, rtol=1e-9)
    np.testing.assert_allclose(model.raw(MATRIX), logit(1 - stays), rtol=1e-9)
    np.testing.assert_allclose(model.predict(MATRIX), expected, rtol=1e-9)
    contributions = model.contributions(MATRIX)
    assert contributions.shape == (20, 3)
    np.testing.assert_allclose(contributions.sum(axis=1), model.raw(MATRIX), rtol=1e-9)


def test_nested_models_have_a_period_each(tmp_path: Path) -> None:
    """What a period's own booster adds is a matter of that period alone."""
    nested: Values = {"ends": [3, 10], "offsets": [-3.0, -2.0], "models": [0, 1]}
    model = load(written(tmp_path / "a", nested))
    numbered = [np.column_stack([MATRIX, np.full(len(MATRIX), float(period))]) for period in (0, 1)]
    odds = [raw_of(text, rows) + offset for text, rows, offset in zip(TEXTS[1], numbered, [-3.0, -2.0], strict=True)]
    np.testing.assert_allclose(model.raw(MATRIX), logit(1 - (1 - expit(odds[0])) * (1 - expit(odds[1]))), rtol=1e-9)
    np.testing.assert_allclose(
        model.predict_within(MATRIX, 3), calibrated(odds[0], {"a": 1.2, "b": 0.9, "c": 0.1}), rtol=1e-9
    )
    np.testing.assert_allclose(model.contributions(MATRIX).sum(axis=1), model.raw(MATRIX), rtol=1e-9)


@pytest.mark.parametrize("models", [[0, 1, 2], [1, 1, 1], [0, 1], [0, 1, 0], [0, 0, 2], [0.0, 0.0, 0.0]])
def test_models_of_periods_follow_each_other_and_share_boosters_evenly(models: list[float], tmp_path: Path) -> None:
    read(written(tmp_path / "good", {**PERIODS, "models": [0, 1, 1]}))
    with pytest.raises(ArtifactError, match="do not share 2 boosters evenly"):
        read(written(tmp_path / "bad", {**PERIODS, "models": models}))


def test_half_of_a_period_is_half_of_its_hazard() -> None:
    odds = np.array([[-1.0, 0.5, 2.0]])
    rate = np.log1p(np.exp(odds[0]))
    expected = 1 - np.exp(-(rate[0] + rate[1] / 4))
    assert expit(within(odds, ENDS, 4)[0]) == pytest.approx(expected, rel=1e-12)
    assert expit(within(odds, ENDS, 10)[0]) == pytest.approx(1 - np.exp(-rate.sum()), rel=1e-12)
    with pytest.raises(ValueError, match="up to 10 days"):
        within(odds, ENDS, 10.001)


def test_hazards_ask_every_booster_for_every_period_and_start_from_its_base_rate() -> None:
    boosters = [lightgbm.Booster(model_str=text) for text in TEXTS[1]]
    plain, moved = (hazards([boosters] * 2, MATRIX, offsets) for offsets in ([0.0, 0.0], [1.0, -2.0]))
    np.testing.assert_allclose(moved - plain, np.tile([1.0, -2.0], (20, 1)))
    assert plain.shape == (20, 2)


def test_shares_are_slopes_of_the_whole_averaged_along_the_way() -> None:
    base, added = np.array([[-2.0, -1.0]]), np.array([[1.5, -0.5]])
    steps = (np.arange(20_000) + 0.5) / 20_000
    odds = base + steps[:, np.newaxis] * added
    total = np.log1p(np.exp(odds)).sum(axis=1, keepdims=True)
    slopes = expit(odds) / (1 - np.exp(-total))
    np.testing.assert_allclose(shares(base, added)[0], slopes.mean(axis=0), rtol=1e-6)


def test_what_features_add_and_the_base_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(1)
    shap, offsets = rng.normal(size=(5, 3, 7)), [-2.0, -1.0, 0.5]
    contributions = explained(shap, offsets)
    odds = shap.sum(axis=2) + np.array(offsets)
    np.testing.assert_allclose(contributions.sum(axis=1), within(odds, [1, 2, 3], 3), rtol=1e-12)
    share = shares(shap[:, :, -2:].sum(axis=2) + np.array(offsets), shap[:, :, :-2].sum(axis=2))
    for feature in range(5):
        np.testing.assert_allclose(contributions[:, feature], (share * shap[:, :, feature]).sum(axis=1))


@pytest.mark.parametrize(("raw", "p"), [(0.0, 0.5), (1e4, 1 - EDGE), (-1e4, EDGE), (np.log(3), 0.75)])
def test_without_a_calibrator_log_odds_are_probabilities_that_are_never_certain(raw: float, p: float) -> None:
    assert calibrated(np.array([raw]), IDENTITY)[0] == pytest.approx(p, rel=1e-12)


def test_encoding_takes_numbers_codes_and_nothing_for_what_is_unknown(tmp_path: Path) -> None:
    model = load(written(tmp_path / "a"))
    rows: list[Values] = [{"n": 3, "country": "AT"}, {"country": "DE", "other": 1}, {"n": 0.0, "country": "FR"}]
    expected = [[3, 1], [np.nan, 0], [0, np.nan]]
    np.testing.assert_array_equal(model.encode(rows), expected)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("place", ["a", "c"])
def test_no_number_in_the_calibrator_is_refused(text: str, place: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "a", calibrator={**IDENTITY, place: 77.5})
    damaged = (folder / "model.json").read_text().replace("77.5", text)
    with pytest.raises(ArtifactError, match=r"model.json holds|no number"):
        read(sealed(folder, damaged))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_no_number_anywhere_in_the_manifest_is_refused(text: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "a", thresholds=[{"probability": 77.5}])
    damaged = (folder / "model.json").read_text().replace("77.5", text)
    for refuses in (read, load):
        with pytest.raises(ArtifactError, match=f"a: model.json holds {text}, which is no number"):
            refuses(sealed(folder, damaged))


REFUSED: dict[str, tuple[Values, str]] = {
    "format": ({"format": 2}, "format 2, this reads 1"),
    "no booster": ({"boosters": []}, "names no booster"),
    "slope 0": ({"calibrator": {"a": 0.0, "b": 1.0, "c": 0.0}}, "would turn the ranking around"),
    "slope b 0": ({"calibrator": {"a": 1.0, "b": 0.0, "c": 0.0}}, "would turn the ranking around"),
    "falling": ({"calibrator": {"a": 1.0, "b": -1.0, "c": 0.0}}, "would turn the ranking around"),
    "no calibrator": ({"calibrator": {"a": 1.0}}, "no readable artifact"),
    "one feature": ({"features": [{"name": "n"}]}, "does not read the 1 features"),
    "three features": ({"features": [{"name": name} for name in "nop"]}, "does not read the 3 features"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_together_is_refused(name: str, tmp_path: Path) -> None:
    changes, message = REFUSED[name]
    with pytest.raises(ArtifactError, match=message):
        read(written(tmp_path / "a", **changes))


@pytest.mark.parametrize(
    ("ends", "offsets"),
    [
        ([3, 3, 10], OFFSETS),
        ([0, 3, 10], OFFSETS),
        ([7, 3, 10], OFFSETS),
        (ENDS, OFFSETS[:2]),
        ([], []),
        ([3], OFFSETS),
    ],
)
def test_periods_follow_each_other_and_each_has_its_base_rate(
    ends: list[int], offsets: list[float], tmp_path: Path
) -> None:
    read(written(tmp_path / "good", PERIODS))
    with pytest.raises(ArtifactError, match="do not follow each other"):
        read(written(tmp_path / "bad", {"ends": ends, "offsets": offsets}))


def entry(**changes: object) -> Callable[[Path], Path]:
    """Another entry for the first booster."""

    def damage(folder: Path) -> Path:
        about = json.loads((folder / "model.json").read_text())
        about["boosters"][0].update(changes)
        return sealed(folder, json.dumps(about))

    return damage


def flipped(folder: Path) -> Path:
    path = folder / "booster-0.txt"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"0", b"1", 1))
    assert len(path.read_bytes()) == len(content)
    return folder


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (entry(file="../booster-0.txt"), "which is no booster of this folder"),
        (entry(file="booster-12345.txt"), "which is no booster of this folder"),
        (entry(file="xbooster-0.txt"), "which is no booster of this folder"),
        (entry(bytes=1), "its size is not the one"),
        (entry(sha256="0" * 64), "its sha256 is not the one"),
        (flipped, "its sha256 is not the one"),
    ],
)
def test_a_booster_is_read_only_as_the_manifest_announces_it(
    damage: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=message):
        read(damage(written(tmp_path / "a")))


def test_no_file_is_larger_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "a")
    manifest, largest = (folder / "model.json").stat().st_size, max(len(text) for text in TEXTS[0])
    monkeypatch.setattr(training.artifact.standalone, "MOST_BYTES", max(manifest, largest))
    about, texts = read(folder)
    assert texts == TEXTS[0]
    monkeypatch.setattr(training.artifact.standalone, "MOST_BYTES", largest - 1)
    with pytest.raises(ArtifactError, match="its size is not the one"):
        read(folder)
    monkeypatch.setattr(training.artifact.standalone, "MOST_BYTES", manifest - 1)
    with pytest.raises(ArtifactError, match=r"model.json has .* bytes, at most"):
        read(folder)
    assert Model(about, []).ends == [10]


def test_the_limit_is_a_quarter_of_a_gibibyte() -> None:
    assert training.artifact.standalone.MOST_BYTES == 268_435_456
