"""What report and model card tell of a model in tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap

from features.dates import day
from features.numbers_in_words import Language, number, percent, signed
from training.measuring.evaluation import Estimate
from training.measuring.tables import Table, apart, share, shown, tables
from training.model.permutation import Shuffled
from training.monitoring.data_profile import DataProfile, FeatureProfile
from training.recipe.learning_curve import SURE, LearningCurve, SharePoint
from training.report.account import TrainingAccount
from training.report.texts import named, t
from training.thresholds.promise_check import CheckedCell


def tables_of(account: TrainingAccount) -> list[Table]:
    """All tables about the newest slice."""
    return tables(account.evaluation, account.by_age, account.language)


def segment_tables(account: TrainingAccount) -> list[Table]:
    """What was said of the leads of each value of a segment, and what came; a table for each segment."""
    return list(starmap(lambda name, values: _segment(name, values, account.language), account.segments.items()))


def curve_table(curve: LearningCurve, language: Language) -> Table:
    """Log-loss by the share of the leads, and what each doubling saved."""
    rows = [
        [
            percent(point.share, 1 if point.share < 0.2 else 0, language),
            number(point.leads, 0, language),
            number(point.converted, 0, language),
            number(point.log_loss, 4, language),
            _saved(point, language),
        ]
        for point in curve.points
    ]
    return Table(t("curve_table", language), t.head("curve_head", language), rows)


def shuffled_table(shuffled: Sequence[Shuffled], account: TrainingAccount) -> Table:
    """What is lost without each feature, with its spread over the folds."""
    language = account.language
    rows = [
        [
            account.words.get(result.feature, result.feature),
            *(signed(lost, 5, language) for lost in (result.mean, min(result.by_fold), max(result.by_fold))),
            t("yes" if result.is_steady else "no", language),
        ]
        for result in shuffled
    ]
    return Table(t("shuffled_table", language), t.head("shuffled_head", language), rows)


def months_table(profile: DataProfile, language: Language) -> Table:
    """Moments, leads and conversions by month."""
    rows = [
        [
            month.month,
            *(number(count, 0, language) for count in (month.moments, month.leads, month.known, month.converted)),
            percent(month.converted / month.known, 1, language) if month.known else "-",
        ]
        for month in profile.months
    ]
    return Table(t("months_table", language), t.head("months_head", language), rows)


def sources_table(profile: DataProfile, language: Language) -> Table:
    """From when to when each source told of how much."""
    rows = [
        [
            source.source or t("no_source", language),
            *(day(at, language) if at else "-" for at in (source.first, source.last)),
            number(source.events, 0, language) if source.events else "-",
            number(source.types, 0, language),
        ]
        for source in profile.sources
    ]
    return Table(t("sources_table", language), t.head("sources_head", language), rows)


def features_table(features: Sequence[FeatureProfile], account: TrainingAccount) -> Table:
    """What is missing of each feature, and how far it has moved."""
    language = account.language
    rows = [
        [
            account.words.get(feature.name, feature.name),
            number(feature.distinct, 0, language),
            feature.most or "",
            *(percent(missing, 0, language) for missing in (feature.missing, feature.missing_now)),
            number(feature.shift.psi, 3, language) if feature.shift else "-",
            t("moved" if feature.shift and feature.shift.shifted else "no", language),
        ]
        for feature in features
    ]
    return Table(t("features_table", language), t.head("features_head", language), rows)


def _segment(name: str, values: dict[str, CheckedCell], language: Language) -> Table:
    rows = []
    for value, judged in values.items():
        came = Estimate(judged.came / judged.leads, judged.low, judged.high)
        rows.append(
            [
                named(value, language),
                number(judged.leads, 0, language),
                percent(judged.promised / judged.leads, 1, language),
                number(judged.came, 0, language),
                share(came, language),
                shown(Estimate(*judged.ratio), 2, language),
                t(judged.verdict, language),
            ]
        )
    by = named(name, language)
    return Table(t("segment", language, name=by), t.head("segment_head", language, name=by), rows)


def _saved(point: SharePoint, language: Language) -> str:
    if point.saved is None or point.se is None:
        return ""
    spread = SURE * point.se
    return apart(Estimate(point.saved, point.saved - spread, point.saved + spread), language)
