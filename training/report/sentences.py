"""What report and model card say of a model in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.typed_json import to_json
from features.dates import day
from features.numbers_in_words import Language, chance, number, percent, signed, span, within
from training.artifact.manifest import ThinnedFrom
from training.calibration.calibrator import IDENTITY
from training.measuring.evaluation import Bin, Estimate
from training.measuring.metrics import TOP
from training.monitoring.data_profile import DataProfile
from training.recipe.learning_curve import SURE, LearningCurve
from training.report.account import TrainingAccount
from training.report.texts import named, t
from training.thresholds.model_warning import model_warning

FEWEST = 20
"""A band of fewer leads is no example."""
LIMITS = 6
SHOWN = (0.02, 0.1, 0.3, 0.6)
"""Probabilities by which a calibrator is shown."""
NAMED = 6
"""Names that a sentence lists; of the others it says how many."""


def summary(account: TrainingAccount) -> str:
    """What the model is and on what it was judged, in two sentences."""
    language = account.language
    return t(
        "summary",
        language,
        events=t("or", language).join(account.target.events),
        within=within(account.target.horizon_days, language),
        rows=number(account.evaluation.rows, 0, language),
        leads=number(account.evaluation.leads, 0, language),
        begin=date(account.judged_from, language),
        end=date(account.judged_to, language),
    )


def date(iso: str, language: Language) -> str:
    """A date as people read it.

    >>> date("2024-03-05", "en"), date("2024-03-05", "de")
    ('5 Mar 2024', '05.03.2024')
    """
    return day(int(np.datetime64(iso, "us").astype(np.int64)), language)


def plain_words(account: TrainingAccount) -> list[str]:
    """What the model is good for, for somebody who knows nothing of models."""
    evaluation, language = account.evaluation, account.language
    lift, base = evaluation.judgements[0].metrics["top_decile_lift"], evaluation.base_rate
    warning = model_warning(account.trained_on.small, language, account.trained_on.lags)
    top_tenth = t(
        "top_tenth",
        language,
        top=_chance(lift, base, language),
        within=within(account.target.horizon_days, language),
        base=chance(base, language),
        met=percent(TOP * (lift.value or 0.0), 0, language),
    )
    examples = [band for band in evaluation.bands if band.leads >= FEWEST]
    example = [_example(max(examples, key=lambda band: band.predicted), language)] if examples else []
    return [*([warning] if warning else []), top_tenth, *example]


def limits(language: Language) -> list[str]:
    """What no such model can do."""
    return [t(f"limit_{at}", language) for at in range(LIMITS)]


def calibration_told(account: TrainingAccount) -> str:
    """What the calibrator makes of probabilities."""
    calibrator, language = account.calibration, account.language
    if calibrator == IDENTITY:
        return t("not_calibrated", language)
    made = [
        t("calibrated_as", language, before=number(100 * p, 0, language), after=number(100 * float(q), 1, language))
        for p, q in zip(SHOWN, calibrator(np.array(SHOWN)), strict=True)
    ]
    return t("calibrated", language, name=calibrator.name, made=", ".join(made))


def trained_on_told(account: TrainingAccount) -> list[str]:
    """The training data in words."""
    trained_on, language = account.trained_on, account.language
    facts = {**to_json(trained_on), "artifact": account.digest, **account.code}
    facts["versions"] = ", ".join(f"{name} {version}" for name, version in (trained_on.versions or {}).items())
    named = {key: value for key, value in facts.items() if not key.endswith("_us") and key not in ("small", "thinned")}
    lines = [
        t("fact", language, name=t.known(key.replace("_", " ").strip(), language), value=_fact(key, value, language))
        for key, value in named.items()
    ]
    lines += [] if trained_on.thinned is None else [thinned_told(trained_on.thinned, language)]
    return lines + [trial.in_words(language) for trial in account.trials]


def thinned_told(thinned: ThinnedFrom, language: Language = "en") -> str:
    """What of a large training set was read.

    >>> thinned_told(ThinnedFrom(2_900_000, 8, 14)).partition(";")[0]
    'thinned: of 2,900,000 moments one lead in 8 was read whole, to measure by'
    """
    return t(
        "thinned", language, moments=number(thinned.moments, 0, language), every=thinned.every, one_of=thinned.one_of
    )


def curve_told(curve: LearningCurve, language: Language) -> str:
    """What more data would bring."""
    if curve.still_falls is None:
        return t("curve_none", language)
    last = curve.points[-1]
    saved, se = last.saved or 0.0, last.se or 0.0
    whole = max(curve.base - last.log_loss, 1e-12)
    return t(
        "curve_falls" if curve.still_falls else "curve_flat",
        language,
        leads=number(last.leads, 0, language),
        saved=signed(saved, 4, language),
        low=signed(saved - SURE * se, 4, language),
        high=signed(saved + SURE * se, 4, language),
        **({"share": percent(saved / whole, 0, language)} if curve.still_falls else {}),
    )


def moved_told(profile: DataProfile, account: TrainingAccount) -> str:
    """Which features are distributed otherwise in the newest slice."""
    names = [account.words.get(feature.name, feature.name) for feature in profile.moved]
    of = number(len(profile.features), 0, account.language)
    if not names:
        return t("none_moved", account.language, of=of)
    count, listed = number(len(names), 0, account.language), listing(names, account.language)
    return t("some_moved", account.language, count=count, of=of, names=listed)


def segments_told(account: TrainingAccount) -> str:
    """In which groups of leads surely more or fewer converted than was said."""
    language = account.language
    wrong = [
        f"{named(name, language)} {named(value, language)}"
        for name, values in account.segments.items()
        for value, judged in values.items()
        if judged.verdict in ("more", "fewer")
    ]
    looks = number(sum(map(len, account.segments.values())), 0, language)
    if not wrong:
        return t("segments_hold", language, looks=looks)
    return t("segments_fail", language, looks=looks, names=listing(wrong, language))


def listing(names: Sequence[str], language: Language) -> str:
    """Names in a sentence.

    >>> listing(list("abcdefgh"), "en")
    'a, b, c, d, e, f and 2 more'
    """
    listed = ", ".join(names[:NAMED])
    rest = len(names) - NAMED
    return t("and_others", language, names=listed, count=number(rest, 0, language)) if rest > 0 else listed


def _fact(key: str, value: object, language: Language) -> str:
    if key in ("from_", "to", "from") and value:
        return date(str(value), language)
    return number(value, 0, language) if isinstance(value, int) else t.known(str(value), language)


def _chance(lift: Estimate, base: float, language: Language) -> str:
    if lift.value is None or lift.low is None or lift.high is None:
        return t("top_unknown", language)
    return f"{chance(lift.value * base, language)} ({span(lift.low * base, lift.high * base, language)})"


def _example(band: Bin, language: Language) -> str:
    value, low, high = (share or 0.0 for share in (band.observed.value, band.observed.low, band.observed.high))
    return t(
        "example",
        language,
        said=chance(band.predicted, language),
        leads=number(band.leads, 0, language),
        low=number(100 * band.start, 0, language),
        high=percent(band.end, 0, language),
        came=chance(value, language),
        span=span(low, high, language),
    )
