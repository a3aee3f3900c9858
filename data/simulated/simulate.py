"""Writes a simulated funnel: events.csv, leads.csv, the true probabilities and the model behind them.

events.csv, in order of receipt: event_id (shared by duplicates, which stand after their first), lead_id, event_type,
occurred_at (ISO 8601, UTC), channel, value, received_at (empty where not later than occurred_at), source.
leads.csv, one row per version: lead_id, valid_from, account_id, the invented personal data full_name, email and
phone, then has_phone, industry, company_size, employees, seniority, country and lead_source.
Beside them exports/, the same funnel as a sequence of exports, where the options ask for any mess: see exports.py.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from data.contract import US_PER_DAY, UsageError
from data.simulated import funnel
from data.simulated.cohort import SimulatedCohort, draw_cohort
from data.simulated.exports import Exports, draw_exports, write_exports
from data.simulated.files import PLAIN, garbage_lines, write_csv
from data.simulated.funnel import CODE, EVENT_TYPES, FILE_TYPES, HORIZONS, START, funnel_tables
from data.simulated.lives import Lives, live
from data.simulated.options import FunnelOptions
from data.simulated.profiles import lead_ids, profile_table
from data.simulated.returns import returning_rows
from data.simulated.rows import (
    EVENT_FILE_COLUMNS,
    ROWS_AT_ONCE,
    EventRows,
    bot_rows,
    duplicate_rows,
    event_tables,
    human_rows,
    in_order,
    joined,
)
from data.simulated.truth import TrueProbabilities, true_probabilities

__all__ = ["FunnelOptions", "Simulated", "simulate"]

STREAMS = (
    "cohort", "behaviour", "lateness", "rows", "people", "bots", "duplicates", "garbage", "returns", "mistakes",
    "merges", "projects",
)  # fmt: skip
"""Chance comes in separate streams, so that a trouble switched off changes nothing else."""
MODEL = (
    "PERSONAS", "INTENTS", "BEHAVIOURS", "ANSWERS", "PERSONA_FACTORS", "STEPS", "WON", "LOST", "CUSTOMER", "WEEK",
    "GROWTH", "SEASON", "TREND", "GATES", "TIERS", "TIER_SCALE", "TIER_PATIENCE", "WEARINESS", "LATE", "LATENESS",
)  # fmt: skip
TRUTH_ROWS_AT_ONCE = 200_000


@dataclass(frozen=True)
class Simulated:
    """What was written: the files, and what is in them.

    rows: data lines of events.csv, made of human + bots + duplicates + broken. won, lost: deals that ended so.
    by_type: human events by type. exports: the folder of the sequence of exports, where there is one.
    """

    events: Path
    leads: Path
    truth: Path
    funnel: Path
    rows: int
    human: int
    bots: int
    duplicates: int
    broken: int
    won: int
    lost: int
    by_type: dict[str, int]
    exports: Path | None = None


@dataclass(frozen=True)
class Drawn:
    """A funnel before it is written. good: rows of events.csv by what they are; garbage: broken lines of it."""

    options: FunnelOptions
    cohort: SimulatedCohort
    lives: Lives
    good: dict[str, EventRows]
    garbage: list[str]
    people: pa.Table
    chance: dict[str, np.random.Generator]

    @property
    def exports(self) -> Exports:
        """The sequence of exports."""
        return draw_exports(self.options, self.cohort, self.good, self.people, _streams(self.options.seed))


def draw(options: FunnelOptions, progress: Callable[[float], None] = lambda done: None) -> Drawn:
    """The funnel of a scenario, the same for the same options. `progress` is told the share done, 0 to 1."""
    chance = _streams(options.seed)
    cohort = draw_cohort(options, chance["cohort"])
    behaviour, lateness, projects = (chance[name] for name in ("behaviour", "lateness", "projects"))
    lives = live(options, funnel_tables(options), cohort, behaviour, lateness, projects, progress)
    good = _good_rows(options, cohort, lives, chance)
    garbage = garbage_lines(options.leads, len(lives), chance["garbage"]) if options.broken else []
    return Drawn(options, cohort, lives, good, garbage, profile_table(options, cohort, chance["people"]), chance)


def simulate(out: Path, options: FunnelOptions, progress: Callable[[float], None] = lambda done: None) -> Simulated:
    """Write events.csv, leads.csv, truth.parquet and funnel.json into the folder `out`, replacing older ones.

    The same options give the same bytes. truth.parquet has lead_id, as_of (timestamp µs UTC: every Monday 00:00 at
    which the lead exists and its deal is open), horizon_days (int32) and probability (float64): the chance of
    deal_won in [as_of, as_of + horizon) given all rows with max(occurred_at, received_at) < as_of, broken rows,
    duplicates and bots aside. `progress` is told the share done, 0 to 1. Raises UsageError if `out` is no folder.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder to write the funnel into")
    drawn = draw(options, lambda done: progress(0.3 * done))
    mondays, step = np.arange(7, options.days + 1, 7), lambda done: progress(0.3 + 0.4 * done)
    truth = true_probabilities(funnel_tables(options), drawn.cohort, drawn.lives, mondays, HORIZONS, step)
    report = _report(out, drawn)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        part = Path(folder)
        _write(part, drawn, truth, report)
        if report.exports is not None:
            shutil.rmtree(report.exports, ignore_errors=True)
        for path in sorted(part.iterdir()):
            os.replace(path, out / path.name)
    progress(1.0)
    return report


def _write(part: Path, drawn: Drawn, truth: TrueProbabilities, report: Simulated) -> None:
    """All files of a funnel into a folder that is still empty."""
    _write_events(part / report.events.name, drawn)
    write_csv(part / report.leads.name, drawn.people)
    _write_truth(part / report.truth.name, drawn.cohort, truth)
    _write_model(part / report.funnel.name, drawn.options, report)
    if report.exports is not None:
        write_exports(part / report.exports.name, drawn.exports, drawn.garbage)


def _streams(seed: int) -> dict[str, np.random.Generator]:
    sequences = np.random.SeedSequence(seed).spawn(len(STREAMS))
    return {name: np.random.default_rng(sequence) for name, sequence in zip(STREAMS, sequences, strict=True)}


def _good_rows(
    options: FunnelOptions, cohort: SimulatedCohort, lives: Lives, chance: dict[str, np.random.Generator]
) -> dict[str, EventRows]:
    """The rows by what they are; the duplicates are of all the others."""
    good = {"human": human_rows(cohort, lives, chance["rows"])}
    if options.reopened:
        good["human"] = joined([good["human"], returning_rows(options, cohort, lives, chance["returns"])])
    if options.bots:
        good["bots"] = bot_rows(cohort, good["human"], chance["bots"])
    if options.duplicates:
        good["duplicates"] = duplicate_rows(options, in_order(list(good.values())), chance["duplicates"])
    return good


def _report(out: Path, drawn: Drawn) -> Simulated:
    good, types = drawn.good, FILE_TYPES if drawn.options.reopened else EVENT_TYPES
    counts = np.bincount(good["human"].code, minlength=len(types)).tolist()
    return Simulated(
        events=out / "events.csv",
        leads=out / "leads.csv",
        truth=out / "truth.parquet",
        funnel=out / "funnel.json",
        rows=sum(map(len, good.values())) + len(drawn.garbage),
        human=len(good["human"]),
        bots=len(good.get("bots", ())),
        duplicates=len(good.get("duplicates", ())),
        broken=len(drawn.garbage),
        won=counts[CODE["deal_won"]],
        lost=counts[CODE["deal_lost"]],
        by_type=dict(zip(types, counts, strict=True)),
        exports=out / "exports" if drawn.options.exported else None,
    )


def _write_events(path: Path, drawn: Drawn) -> None:
    """Good rows in order of receipt; broken lines stand between blocks of them and at the end."""
    rows, garbage, names = in_order(list(drawn.good.values())), drawn.garbage, lead_ids(len(drawn.cohort))
    blocks = -(-len(rows) // ROWS_AT_ONCE)
    after = drawn.chance["garbage"].integers(blocks, size=len(garbage))
    with path.open("wb") as file:
        file.write((",".join(EVENT_FILE_COLUMNS) + "\n").encode())
        for block, table in enumerate(event_tables(names, rows)):
            pa_csv.write_csv(table, file, PLAIN)
            file.writelines(f"{line}\n".encode() for line, place in zip(garbage, after, strict=True) if place == block)


def _write_truth(path: Path, cohort: SimulatedCohort, truth: TrueProbabilities) -> None:
    schema = pa.schema(
        {
            "lead_id": pa.string(),
            "as_of": pa.timestamp("us", "UTC"),
            "horizon_days": pa.int32(),
            "probability": pa.float64(),
        }
    )
    ids, width = pa.array(lead_ids(len(cohort))), len(HORIZONS)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, len(truth.lead), TRUTH_ROWS_AT_ONCE):
            part = slice(first, first + TRUTH_ROWS_AT_ONCE)
            lead, as_of = truth.lead[part], START + truth.day[part] * US_PER_DAY
            columns = [
                ids.take(pa.array(np.repeat(lead, width))),
                pa.array(np.repeat(as_of, width)).cast(schema.field("as_of").type),
                pa.array(np.tile(np.array(HORIZONS, dtype=np.int32), len(lead))),
                pa.array(truth.probability[part].ravel()),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def _write_model(path: Path, options: FunnelOptions, report: Simulated) -> None:
    """Options, counts and every number of the model; the same options make the same truth again."""
    counts = {name: value for name, value in asdict(report).items() if isinstance(value, int | dict)}
    model = {name.lower(): getattr(funnel, name) for name in MODEL}
    content = {"options": options.to_json(), "start_us": START, "horizons": HORIZONS, "counts": counts, "model": model}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
