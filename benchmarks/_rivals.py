"""The same features by other engines, each in the best form that we know, bucket by bucket like ours.

They compute what they can express plainly: counts, sums, recencies, decays, touches, active days; not sessions,
contact pressure and profiles. So they do less than we do. Events made by bots are left out by all: the others are given
files without them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl

from benchmarks._funnel import people_file
from data.contract import US_PER_DAY
from data.log.eventlog import EventLog
from data.vocabulary import ANY, Vocabulary
from features import kinds as of

COLUMNS = "lead, known_at, occurred_at, event_type, channel, value"


def duckdb_plain(log: EventLog, catalogue: Sequence[of.Definition], moments: Path, out: Path) -> int:
    """A range join and one filtered aggregate per feature."""
    features = [(feature.name, _aggregate(feature, log.vocabulary)) for feature in catalogue]
    return _by_duckdb(log, [pair for pair in features if pair[1]], moments, out, "true AS nothing", "")


def duckdb_packed(log: EventLog, catalogue: Sequence[of.Definition], moments: Path, out: Path) -> int:
    """The same with counts packed by hand: one sum per event type holds the counts of three windows, 20 bits each."""
    counts = [feature for feature in catalogue if isinstance(feature, of.Count)]
    others = [
        (feature.name, _aggregate(feature, log.vocabulary))
        for feature in catalogue
        if not isinstance(feature, of.Count)
    ]
    packs = [
        (f"pack_{i}", f"sum(pack) FILTER (WHERE event_type = '{name}')") for i, name in enumerate(log.vocabulary.types)
    ]
    packs += [(f"any_{days}", f"count(*) FILTER (WHERE age <= {days * US_PER_DAY})") for days in (1, 90)]
    age = f"CASE WHEN age <= {7 * US_PER_DAY} THEN 0 WHEN age <= {30 * US_PER_DAY} THEN 20 ELSE 40 END"
    unpacked = ", ".join(f"{_unpacked(count, log.vocabulary)} AS {count.name}" for count in counts)
    features = [*packs, *(pair for pair in others if pair[1])]
    _by_duckdb(log, features, moments, out, f"1::BIGINT << ({age}) AS pack", unpacked)
    return len(features) - len(packs) + len(counts)


def _by_duckdb(
    log: EventLog, features: Sequence[tuple[str, str]], moments: Path, out: Path, extra: str, unpacked: str
) -> int:
    columns = ", ".join(f"{aggregate} AS {name}" for name, aggregate in features)
    names = ", ".join(name for name, _ in features if not name.startswith(("pack_", "any_")))
    database = duckdb.connect(":memory:", config={"threads": 2})
    for bucket in range(log.n_buckets):
        database.execute(
            f"""COPY (
            WITH event AS (SELECT lead, epoch_us(known_at) AS known_at, epoch_us(occurred_at) AS occurred_at,
                event_type, channel, value FROM '{people_file(log, bucket)}'),
            seen AS (SELECT m, as_of, event.*, as_of - occurred_at AS age, {extra}
                FROM '{moments / f"{bucket}.parquet"}' moment LEFT JOIN event
                ON event.lead = moment.lead AND event.known_at < moment.as_of),
            wide AS (SELECT m, as_of, {columns} FROM seen GROUP BY m, as_of)
            SELECT m, {", ".join(part for part in (unpacked, names) if part)} FROM wide
            ) TO '{out / f"{bucket}.parquet"}'"""
        )
    return len(features)


def _aggregate(feature: of.Definition, vocabulary: Vocabulary) -> str:
    """SQL of a feature; empty for those that need more than one plain aggregate."""
    where = _where(feature, vocabulary)
    match feature:
        case of.Count():
            return f"count(lead) {where}"
        case of.Sum():
            return f"coalesce(sum(value) {where}, 0)"
        case of.Mean():
            return f"avg(value) {where}"
        case of.Max():
            return f"max(value) {where}"
        case of.Recency():
            return f"min(age) {where} / {US_PER_DAY}"
        case of.Age():
            return f"max(age) / {US_PER_DAY}"
        case of.Decayed():
            return f"coalesce(sum(exp(-age * {math.log(2) / (feature.half_life * US_PER_DAY)!r})) {where}, 0)"
        case of.Trend():
            short, long = (_where(of.Count(feature.events, days), vocabulary) for days in (feature.short, feature.long))
            return f"count(lead) {short} / nullif(count(lead) {long}, 0)"
        case of.ActiveDays():
            return f"count(DISTINCT occurred_at // {US_PER_DAY}) {where}"
        case of.DistinctTypes():
            return f"count(DISTINCT event_type) {where}"
        case of.Cadence():
            return f"(max(age) {where} - min(age) {where}) / nullif(count(lead) {where} - 1, 0) / {US_PER_DAY}"
        case of.FirstTouch():
            return f"arg_max({feature.of}, age)"
        case of.LastTouch():
            return f"arg_min({feature.of}, age)"
    return ""


def _where(feature: of.Definition, vocabulary: Vocabulary) -> str:
    events, days = getattr(feature, "events", ANY), getattr(feature, "days", None)
    names = ", ".join(f"'{name}'" for name in vocabulary.members(events))
    parts = [f"event_type IN ({names})"] if events != ANY else []
    parts += [f"age <= {days * US_PER_DAY}"] if days else []
    return f"FILTER (WHERE {' AND '.join(parts)})" if parts else ""


def _unpacked(count: of.Count, vocabulary: Vocabulary) -> str:
    if count.events == ANY and count.days in (1, 90):
        return f"any_{count.days}"
    registers = [vocabulary.types.index(name) for name in vocabulary.members(count.events)]
    shifts = {7: (0,), 30: (0, 20), None: (0, 20, 40)}[count.days]
    parts = [f"((coalesce(pack_{i}, 0)::BIGINT >> {shift}) & 1048575)" for i in registers for shift in shifts]
    return " + ".join(parts)


def polars(log: EventLog, catalogue: Sequence[of.Definition], moments: Path, out: Path) -> int:
    """A join, one narrow column per condition, and sums of them: faster than filters within the aggregation."""
    columns = 0
    for bucket in range(log.n_buckets):
        events = pl.scan_parquet(people_file(log, bucket))
        moment = pl.scan_parquet(moments / f"{bucket}.parquet")
        needed = ("lead", "occurred_at", "known_at", "event_type", "channel", "value")
        times = [pl.col(name).cast(pl.Int64) for name in ("occurred_at", "known_at")]
        seen = (
            moment.join(events.select(needed).with_columns(times), on="lead")
            .filter(pl.col("known_at") < pl.col("as_of"))
            .with_columns(age=pl.col("as_of") - pl.col("occurred_at"))
        )
        pairs = [_polars_pair(feature, log.vocabulary) for feature in catalogue]
        present = [pair for pair in pairs if pair is not None]
        wide = seen.select("m", *(before for before, _ in present)).group_by("m").agg(*(after for _, after in present))
        result = moment.select("m").join(wide, on="m", how="left").collect()
        result.write_parquet(out / f"{bucket}.parquet", compression="lz4")
        columns = len(present)
    return columns


def _polars_pair(feature: of.Definition, vocabulary: Vocabulary) -> tuple[pl.Expr, pl.Expr] | None:
    """A column per event, and how a moment's events are brought together."""
    here, name, age = pl.col(feature.name), feature.name, pl.col("age")
    chosen = _polars_chosen(feature, vocabulary)
    match feature:
        case of.Count():
            return chosen.cast(pl.UInt8).alias(name), here.cast(pl.UInt32).sum()
        case of.Sum():
            return pl.when(chosen).then("value").alias(name), here.sum()
        case of.Mean():
            return pl.when(chosen).then("value").alias(name), here.mean()
        case of.Max():
            return pl.when(chosen).then("value").alias(name), here.max()
        case of.Recency():
            return pl.when(chosen).then(age).alias(name), here.min() / US_PER_DAY
        case of.Age():
            return age.alias(name), here.max() / US_PER_DAY
        case of.Decayed():
            power = (age * (-np.log(2) / (feature.half_life * US_PER_DAY))).exp()
            return pl.when(chosen).then(power).otherwise(0.0).alias(name), here.sum()
        case of.ActiveDays():
            return pl.when(chosen).then(pl.col("occurred_at") // US_PER_DAY).alias(name), here.drop_nulls().n_unique()
        case of.DistinctTypes():
            return pl.when(chosen).then("event_type").alias(name), here.drop_nulls().n_unique()
        case of.FirstTouch() | of.LastTouch():
            return pl.col(feature.of).alias(name), here.first() if isinstance(feature, of.FirstTouch) else here.last()
    return None


def _polars_chosen(feature: of.Definition, vocabulary: Vocabulary) -> pl.Expr:
    events, days = getattr(feature, "events", ANY), getattr(feature, "days", None)
    chosen = pl.lit(True) if events == ANY else pl.col("event_type").is_in(list(vocabulary.members(events)))
    return chosen & (pl.col("age") <= days * US_PER_DAY) if days else chosen


def pandas(log: EventLog, catalogue: Sequence[of.Definition], moments: Path, out: Path) -> int:
    """A merge, one narrow column per condition, and grouped sums, extremes and last values."""
    columns = 0
    for bucket in range(log.n_buckets):
        events = pd.read_parquet(people_file(log, bucket), columns=COLUMNS.split(", "))
        for name in ("occurred_at", "known_at"):
            events[name] = events[name].astype("int64")
        moment = pd.read_parquet(moments / f"{bucket}.parquet")
        seen = moment.merge(events, on="lead")
        seen = seen[seen["known_at"] < seen["as_of"]].reset_index(drop=True)
        seen["age"] = seen["as_of"] - seen["occurred_at"]
        made = {how: dict(columns) for how, columns in _pandas_columns(seen, catalogue, log.vocabulary)}
        parts = [pd.DataFrame(values).groupby(seen["m"], sort=False).agg(how) for how, values in made.items()]
        wide = pd.concat(parts, axis=1).reindex(moment["m"])
        wide.to_parquet(out / f"{bucket}.parquet", compression="lz4")
        columns = wide.shape[1]
    return columns


def _pandas_columns(
    seen: pd.DataFrame, catalogue: Sequence[of.Definition], vocabulary: Vocabulary
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """How to bring a moment's events together, and the columns for that."""
    age, value = seen["age"].to_numpy(), seen["value"].to_numpy()
    masks = _Masks(seen, vocabulary)
    yield (
        "sum",
        {feature.name: masks.of(feature).astype(np.uint32) for feature in catalogue if isinstance(feature, of.Count)}
        | {
            feature.name: np.where(masks.of(feature), np.exp2(-age / (feature.half_life * US_PER_DAY)), 0)
            for feature in catalogue
            if isinstance(feature, of.Decayed)
        }
        | {feature.name: np.where(masks.of(feature), value, 0) for feature in catalogue if isinstance(feature, of.Sum)},
    )
    yield (
        "min",
        {
            feature.name: np.where(masks.of(feature), age, np.nan)
            for feature in catalogue
            if isinstance(feature, of.Recency)
        },
    )
    yield (
        "max",
        {
            feature.name: np.where(masks.of(feature), value, np.nan)
            for feature in catalogue
            if isinstance(feature, of.Max)
        },
    )
    yield (
        "mean",
        {
            feature.name: np.where(masks.of(feature), value, np.nan)
            for feature in catalogue
            if isinstance(feature, of.Mean)
        },
    )
    yield "first", {feature.name: seen[feature.of] for feature in catalogue if isinstance(feature, of.FirstTouch)}
    yield "last", {feature.name: seen[feature.of] for feature in catalogue if isinstance(feature, of.LastTouch)}
    day = seen["occurred_at"].to_numpy() // US_PER_DAY
    yield (
        "nunique",
        {
            feature.name: np.where(
                masks.of(feature), day if isinstance(feature, of.ActiveDays) else masks.codes, np.nan
            )
            for feature in catalogue
            if isinstance(feature, of.ActiveDays | of.DistinctTypes)
        },
    )


class _Masks:
    """Which events a feature speaks of."""

    def __init__(self, seen: pd.DataFrame, vocabulary: Vocabulary) -> None:
        self.age = seen["age"].to_numpy()
        self.codes = pd.Index(vocabulary.types).get_indexer(pd.Index(seen["event_type"]))
        self.vocabulary = vocabulary

    def of(self, feature: of.Definition) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        events, days = getattr(feature, "events", ANY), getattr(feature, "days", None)
        members = [self.vocabulary.types.index(name) for name in self.vocabulary.members(events)]
        chosen = np.ones(len(self.age), np.bool_) if events == ANY else np.isin(self.codes, members)
        return chosen & (self.age <= days * US_PER_DAY) if days else chosen


Rival = Callable[[EventLog, Sequence[of.Definition], Path, Path], int]
RIVALS: dict[str, Rival] = {
    "DuckDB, filtered aggregates": duckdb_plain,
    "DuckDB, packed counters": duckdb_packed,
    "Polars": polars,
    "pandas": pandas,
}
