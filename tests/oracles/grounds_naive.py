"""What moves scores, one lead at a time in plain loops; `serving/scoring/explanations.py` does it for many at once."""

from __future__ import annotations

from data.histories import Histories
from data.visibility import is_visible
from features.kernel import Moments
from features.kinds import Definition, FirstTouch
from serving.scoring.explanations import DIGITS, MOST, subject_of, value_of
from serving.scoring.scorer import FeatureScores, Scorer
from serving.store.scores.explanations import Ground


def naive_grounds(scorer: Scorer, histories: Histories, moments: Moments, scores: FeatureScores) -> list[list[Ground]]:
    """For each row what speaks most for the lead, then what against it."""
    added = scorer.model.contributions(scores.matrix)[:, :-1].tolist()
    moments_of = zip(moments.lead.tolist(), moments.as_of.tolist(), strict=True)
    return [_grounds(scorer, histories, at, scores, row, added[row]) for row, at in enumerate(moments_of)]


def _grounds(
    scorer: Scorer, histories: Histories, at: tuple[int, int], scores: FeatureScores, row: int, added: list[float]
) -> list[Ground]:
    columns: dict[str, list[int]] = {}
    for column, definition in enumerate(scorer.catalogue):
        columns.setdefault(subject_of(definition), []).append(column)
    totals = {subject: sum(added[column] for column in of) for subject, of in columns.items()}
    up = sorted((name for name in totals if round(totals[name], DIGITS) > 0), key=lambda name: -totals[name])
    down = sorted((name for name in totals if round(totals[name], DIGITS) < 0), key=lambda name: totals[name])
    found = []
    for subject in (*up[:MOST], *down[:MOST]):
        column = max(columns[subject], key=lambda place: abs(added[place]))
        definition = scorer.catalogue[column]
        value = value_of(scores.features, column, row)
        times = latest_event(scorer, histories, definition, *at) or (None, None)
        found.append(Ground(definition.name, round(totals[subject], DIGITS), value, *times))
    return found


def latest_event(
    scorer: Scorer, histories: Histories, definition: Definition, lead: int, as_of: int
) -> tuple[int, int] | None:
    """When the latest event that a feature speaks of occurred and became known, µs UTC; None for none."""
    group = getattr(definition, "events", None) or getattr(definition, "contacts", None)
    if group is None or isinstance(definition, FirstTouch):
        return None
    members, latest = scorer.plan.vocabulary.members(group), None
    for event in range(int(histories.starts[lead]), int(histories.starts[lead + 1])):
        name = histories.types[histories.event_type[event]]
        counts = group == "any" or name in members
        occurred, known = int(histories.occurred_at[event]), int(histories.known_at[event])
        wrong = histories.superseded_at is not None and is_visible(int(histories.superseded_at[event]), as_of)
        if counts and is_visible(known, as_of) and not wrong and not histories.bot[event]:
            latest = (occurred, known) if latest is None or occurred >= latest[0] else latest
    return latest
