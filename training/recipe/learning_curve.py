"""What more data would bring: the log-loss on the newest slice by the share of the leads that was learnt from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.calibration.calibrator import gain_and_error
from training.model.classifier import LeadConversionClassifier
from training.model.members import Hyperparameters
from training.recipe.plan import TrainingPlan
from training.recipe.train import Split
from training.samples.folds import hash_of_lead
from training.samples.log_odds import Array, logit, row_losses
from training.samples.sample import Sample
from training.samples.subsample import subsample
from training.samples.weighting import weighed

SHARES = (0.125, 0.25, 0.5, 1.0)
MOST_ROWS = 10_000
"""Moments that are learnt from at the whole share, those that converted first; so it costs little."""
MOST_JUDGED = 30_000
"""Moments that judge."""
FEWEST = 20
"""Converted leads of a share; with fewer nothing is learnt."""
SMALL: Hyperparameters = {"n_folds": 2, "learning_rate": 0.1, "max_rounds": 150, "twin": False, "rates": False}
"""What makes the learner of the curve cheap; all else is as the plan has it."""
SURE = 1.96
"""Standard errors that make a gain sure."""


@dataclass(frozen=True)
class SharePoint:
    """What a share of the leads brought. converted: leads. saved: log-loss less than with half as many leads, with its
    standard error; None for the first point."""

    share: float
    leads: int
    converted: int
    log_loss: float
    saved: float | None = None
    se: float | None = None


@dataclass(frozen=True)
class LearningCurve:
    """Points by rising share, the last one of all leads; empty where too few converted.

    base: log-loss of saying the same of every lead, which is what a curve falls from.
    """

    points: tuple[SharePoint, ...]
    base: float

    @property
    def still_falls(self) -> bool | None:
        """Whether the last doubling surely helped; None where there was none."""
        last = self.points[-1] if self.points else None
        if last is None or last.saved is None or last.se is None:
            return None
        return last.saved > SURE * last.se


def learning_curve(split: Split, plan: TrainingPlan) -> LearningCurve:
    """Learns from ever larger shares of the leads of the past, the smaller ones within the larger ones.

    The learner is smaller than the model, so that the curve is cheap: two members that learn faster, from no more than
    MOST_ROWS moments. Its level is therefore a little worse; what counts is how it falls.
    """
    rows = _fewer(weighed(split.learn, plan.weighting), MOST_ROWS)
    judged, place = _fewer(split.judged, MOST_JUDGED), _places(rows)
    rate = float(np.average(rows.y, weights=rows.weight))
    base = float(np.average(row_losses(judged.y, logit(np.full(len(judged), rate))), weights=judged.weight))
    points, before = list[SharePoint](), None
    for share in SHARES:
        part = rows.of(place < share)
        converted = len(np.unique(part.lead[part.y > 0]))
        if converted < FEWEST or part.y.all():
            continue
        losses = _losses(part, judged, plan.parameters)
        point = SharePoint(share, _leads(split, share), converted, float(np.average(losses, weights=judged.weight)))
        if before is not None:
            saved, se, _ = gain_and_error(before - losses, judged.weight, judged.lead)
            point = replace(point, saved=saved, se=se)
        points.append(point)
        before = losses
    return LearningCurve(tuple(points), base)


def _fewer(sample: Sample, most: int) -> Sample:
    rows, weight = subsample(sample.y, sample.weight, sample.as_of, most)
    kept = np.zeros(len(sample), np.bool_)
    kept[rows] = True
    order = np.argsort(rows)
    return replace(sample.of(kept), weight=weight[order])


def _losses(part: Sample, judged: Sample, parameters: Hyperparameters) -> Array:
    as_planned = parameters.copy()
    as_planned.update(SMALL)
    small = LeadConversionClassifier(**as_planned)
    small.fit(part.features, part.y.astype(np.int64), part.weight, part.lead, part.as_of, part.since)
    return row_losses(judged.y, logit(small.predict_proba(judged.features)[:, 1]))


def _places(sample: Sample) -> Array:
    """float64[n]: where each row's lead stands between 0 and 1, by a hash of its id."""
    leads, code = np.unique(sample.lead, return_inverse=True)
    places = np.array([hash_of_lead(f"share:{lead}") for lead in leads.tolist()], np.float64) / 2.0**64
    return np.asarray(places[code])


def _leads(split: Split, share: float) -> int:
    """About how many leads of the past such a share is."""
    return round(share * len(np.unique(split.learn.lead)))
