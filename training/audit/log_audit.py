"""The leakage audit of an event log and the training set made of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.contract import DataError
from data.log.eventlog import EventLog
from data.vocabulary import ANY
from features.kinds import Count, DistinctTypes, Profile, ProfileNumber
from features.numbers_in_words import number
from features.recipe import Recipe
from features.training_set import TrainingSet
from features.views import still_held
from training.audit.column_checks import filled_late, known_by_columns, later_states, missing_values, probed, settles
from training.audit.duplicate_leads import Acts, fingerprints
from training.audit.findings import Finding
from training.audit.probe import is_words
from training.audit.table_audit import MOST_ROWS, ordering_ids
from training.audit.truncation_check import changed_by_the_future
from training.audit.undone import Undone
from training.audit.winners_words import WinnersWords
from training.samples.folds import newest_slice
from training.samples.independent import one_per_lead
from training.samples.log_odds import Array
from training.samples.sample import Sample, read_sample
from training.samples.thinning import MOST_MOMENTS

QUICK_BUCKETS = 2
"""Buckets in which the future is cut off when there is little time; leads are hashed into them, so any will do."""
FEWEST_EVENTS, ONE_ACT = 20, 0.5
"""An event type of which half the events, and that many, happen within seconds of the outcome is part of it."""
REPEATED = 0.01
CONFLICT = "another profile version of this lead starts at the same time"
Progress = Callable[[int, int], None]


@dataclass
class _Seen:
    """What one walk over the log gathers."""

    acts: Acts = field(default_factory=Acts)
    words: WinnersWords = field(default_factory=WinnersWords)
    leads: list[NDArray[np.str_]] = field(default_factory=list)
    prints: list[NDArray[np.uint64]] = field(default_factory=list)
    versions: int = 0


def audit(
    log: EventLog,
    training_set: TrainingSet,
    stages: Collection[str] = (),
    quick: bool = False,
    progress: Progress = lambda done, of: None,
) -> list[Finding]:
    """All findings; `quick` cuts the future off in few buckets only. Raises DataError when the two do not fit.

    stages: event types through which leads are known to come to the outcome. That they tell much of it, or come with
    it, is no leak; that they come after it, or that it is sure wherever there is one, still is.
    """
    mature, seen = read_sample(training_set, MOST_MOMENTS).known, _Seen()
    undone = Undone(training_set.recipe.target, training_set.recipe.observed_until)
    findings = list(_cut(log, training_set, range(min(QUICK_BUCKETS, log.n_buckets) if quick else log.n_buckets)))
    for bucket in range(log.n_buckets):
        histories = still_held(log.bucket(bucket), training_set.recipe.observed_until)
        undone.add(histories)
        seen.acts.add(histories, training_set.recipe.target.events)
        seen.words.add(histories, training_set.recipe.target.events)
        seen.leads.append(histories.lead_ids.to_numpy(zero_copy_only=False).astype(np.str_))
        seen.prints.append(fingerprints(histories))
        seen.versions += len(histories.profiles.valid_from)
        progress(bucket + 1, log.n_buckets)
    follows = list(_follows(seen.acts, training_set, stages))
    words = (finding for finding in seen.words.findings() if finding.name not in {act.name for act in follows})
    findings += [*follows, *words, *_overwritten(log), *undone.findings()]
    if 0 < mature.y.sum() < len(mature):
        columns = _columns(mature, training_set.recipe, stages, seen.versions > log.n_leads)
        findings += [*_doubles(seen, mature), *columns]
    elif not quick:  # training, which comes next, says more exactly what is missing
        raise DataError(f"{number(len(mature))} mature moments with one outcome only: check target and horizon")
    return findings


def _columns(mature: Sample, recipe: Recipe, stages: Collection[str], has_versions: bool) -> Iterator[Finding]:
    """What features give away at one moment per lead, and what profiles and ids give away of a lead's whole story."""
    rows = _thinned(np.sort(one_per_lead(mature.lead, mature.as_of)))
    chosen = mature.of(np.isin(np.arange(len(mature)), rows))
    findings = dict[str, Finding]()
    if 0 < chosen.y.sum() < len(chosen):
        features = chosen.features
        known, of_stages = known_by_columns(features, chosen.y), _columns_of(stages, recipe)
        findings = {
            finding.name: finding
            for finding in probed(features, chosen.y, known)
            if finding.name not in of_stages or _is_sure(mature, finding.name)
        }
    findings |= {finding.name: finding for finding in _certain(mature, recipe) if finding.name not in findings}
    leads, ever, since = _stories(mature)
    plain = {
        definition.name: definition.column
        for definition in recipe.catalogue
        if isinstance(definition, Profile | ProfileNumber)
    }
    profile = leads.features.select([name for name in leads.columns if name in plain])
    known = known_by_columns(profile, ever)
    findings |= {finding.name: finding for finding in probed(profile, ever, known) if finding.name not in findings}
    yield from findings.values()
    yield from filled_late(profile, ever)
    yield from [] if has_versions else later_states(known, "warn", plain)
    evidence = ordering_ids(leads.lead.tolist(), ever, since)
    if evidence is not None:
        yield Finding("ids", "lead_id", "fail", evidence)


def _columns_of(stages: Collection[str], recipe: Recipe) -> set[str]:
    """Features that speak of stages, of them alone or among others."""
    names = set()
    for definition in recipe.catalogue:
        events = ANY if isinstance(definition, DistinctTypes) else getattr(definition, "events", None)
        if events is not None and {*recipe.vocabulary.members(events)} & {*stages}:
            names.add(definition.name)
    return names


def _certain(mature: Sample, recipe: Recipe) -> Iterator[Finding]:
    """Event types that only those have had who will have won, in however few moments: dated back once it is known."""
    for definition in recipe.catalogue:
        if isinstance(definition, Count) and definition.days is None:
            types = recipe.vocabulary.members(definition.events)
            if len(types) == 1 and _is_sure(mature, definition.name):
                evidence = (
                    f"leads that have had {types[0]!r} convert for sure, others do not: it is dated back to before an "
                    "outcome that was known, or it is the outcome"
                )
                yield Finding("certain", definition.name, "fail", evidence)


def _is_sure(mature: Sample, name: str) -> bool:
    """Whether leads convert for sure once a moment of theirs has seen something: it is told of those who have won."""
    column = mature.column(name)
    sees = ~missing_values(column)
    if not is_words(column.type):
        sees &= column.cast(pa.float64()).fill_null(0).to_numpy() != 0
    lead = np.unique(mature.lead, return_inverse=True)[1]
    seen, won, won_then = (np.bincount(lead, rows) > 0 for rows in (sees, mature.y, mature.y * sees))
    return settles(won_then[seen].astype(np.float64), won[~seen].astype(np.float64))


def _stories(mature: Sample) -> tuple[Sample, Array, NDArray[np.int64]]:
    """The last moment of each lead, whether it ever converted (0/1), and its first moment (µs UTC)."""
    _, first, code = np.unique(mature.lead, return_index=True, return_inverse=True)  # rows are in order of time
    last = np.zeros(len(first), np.int64)
    np.maximum.at(last, code, np.arange(len(code)))
    ever = np.zeros(len(first))
    np.maximum.at(ever, code, mature.y)
    rows = _thinned(np.sort(last))
    ends = mature.of(np.isin(np.arange(len(mature)), rows))
    return ends, ever[code[rows]], mature.as_of[first[code[rows]]]


def _thinned(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[:: -(-len(rows) // MOST_ROWS) or 1]


def _cut(log: EventLog, training_set: TrainingSet, buckets: range) -> Iterator[Finding]:
    changed, looked_at = dict[str, int](), 0
    for bucket in buckets:
        counts, moments = changed_by_the_future(log, training_set, bucket)
        changed = {name: changed.get(name, 0) + counts.get(name, 0) for name in {**changed, **counts}}
        looked_at += moments
    for name, count in sorted(changed.items()):
        share = f"{number(count)} of {number(looked_at)} moments"
        evidence = f"{name!r} is another at {share} when what came after them is cut off"
        yield Finding("cut", name, "fail", evidence)


def _follows(acts: Acts, training_set: TrainingSet, stages: Collection[str]) -> Iterator[Finding]:
    outcomes = {*training_set.recipe.target.events, *training_set.recipe.target.closed_by}
    for name in sorted(set(acts.events) - outcomes):
        events, near = acts.events[name], (acts.after if name in stages else acts.near)[name]
        if near >= max(FEWEST_EVENTS, ONE_ACT * events):
            when = "just after" if name in stages else "within 10 seconds of"
            evidence = f"{number(near)} of {number(events)} events {name!r} happened {when} the outcome: one act"
            yield Finding("follows", name, "fail", evidence)


def _doubles(seen: _Seen, mature: Sample) -> Iterator[Finding]:
    """Leads with the same life as another one, and on which side of a cut in time they stand."""
    leads, prints = np.concatenate(seen.leads), np.concatenate(seen.prints)
    _, code, count = np.unique(prints, return_inverse=True, return_counts=True)
    double = (count[code] > 1) & (prints > 0)
    newer = np.isin(leads, mature.lead[mature.as_of >= newest_slice(mature.as_of, mature.weight, 0.2)])
    across = np.intersect1d(code[double & newer], code[double & ~newer])
    if double.sum() >= REPEATED * len(leads):
        evidence = (
            f"{number(int(double.sum()))} of {number(len(leads))} leads have the same events at the same times as "
            f"another; {number(len(across))} such lives stand on both sides of a split by time"
        )
        yield Finding("duplicates", "rows", "warn", evidence)


def _overwritten(log: EventLog) -> Iterator[Finding]:
    """Profiles that arrived again with the same time and another content: their source keeps no history."""
    reasons = pa.chunked_array([pq.read_table(path).column("reason").combine_chunks() for path in log.rejected_paths])
    conflicts = log.manifest.n_overwritten + int(pc.sum(pc.equal(reasons, CONFLICT)).as_py() or 0)
    if conflicts >= REPEATED * log.n_leads:
        evidence = (
            f"{number(conflicts)} profile versions came again with another content but the same time: their source "
            "overwrites values in place, so that first exports may hold what was not known then"
        )
        yield Finding("overwritten", "profiles", "warn", evidence)
