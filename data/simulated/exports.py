"""The funnel as a sequence of exports: what a company's systems hand over, again and again, with all that goes wrong.

exports/exports.json     what is to be ingested, in order: mapping, as_of, and the files of each kind
exports/01/events.csv    what all sources but the CRM have received since the export before
exports/01/crm.csv       the same of the CRM, and corrections; retracted says true where an event is taken back
exports/01/leads.csv     profiles: all of them as they stand, or the dated versions that are new
exports/01/identities.csv  second ids that were merged: alias, lead_id, valid_from
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.intake.ingest import ingest
from data.intake.next_part import IngestReport
from data.log.manifest import BUCKETS
from data.simulated.cohort import SimulatedCohort
from data.simulated.export_rows import DEALS, Calendar, ExportRows, all_rows, by_day
from data.simulated.files import write_csv
from data.simulated.merges import Merges, draw_merges, under_second_ids
from data.simulated.mistakes import what_never_happened, with_mistakes
from data.simulated.options import FunnelOptions
from data.simulated.profiles import iso_times, lead_ids
from data.simulated.rows import SOURCE_OF_TYPE, EventRows, event_tables, in_order
from data.simulated.states import States, micros, states_of
from data.sources.mapping import read_mapping
from data.times import time_from_text

LIST = "exports.json"
CLEAN, CRM = "simulated", "simulated_crm"
"""Mappings: of all sources but the CRM, and of what the CRM exports."""


@dataclass(frozen=True)
class Exports:
    """All that is exported. names: ids, by index, of leads and then of second ids. states: None where versions are
    dated. people: dated versions of profiles, as in leads.csv."""

    options: FunnelOptions
    calendar: Calendar
    names: NDArray[np.str_]
    told: ExportRows
    merges: Merges
    people: pa.Table
    states: States | None


def draw_exports(
    options: FunnelOptions,
    cohort: SimulatedCohort,
    good: dict[str, EventRows],
    people: pa.Table,
    chance: dict[str, np.random.Generator],
) -> Exports:
    """What is exported of good rows (by what they are: human, bots, duplicates) and of profiles."""
    calendar = Calendar.of(options)
    merges = draw_merges(options, cohort, int(calendar.ends[max(calendar.crm - 1, 0)]), chance["merges"])
    names = np.concatenate([lead_ids(len(cohort)), merges.names])
    versions = _told(options, cohort, good, merges, calendar, chance["mistakes"])
    rows, ends = good["human"], calendar.ends[: calendar.crm]
    states = states_of(people, rows, merges, names, ends) if options.snapshots else None
    return Exports(options, calendar, names, versions, merges, people, states)


def _told(
    options: FunnelOptions,
    cohort: SimulatedCohort,
    good: dict[str, EventRows],
    merges: Merges,
    calendar: Calendar,
    rng: np.random.Generator,
) -> ExportRows:
    rows = in_order([some for name, some in good.items() if name != "duplicates"])
    copies = good.get("duplicates", rows.take(np.empty(0, np.int64)))
    dated = (by_day(some) if options.dates else some for some in (rows, copies))
    rows, copies = (under_second_ids(some, merges, len(cohort)) for some in dated)
    parts = [ExportRows.first(rows, calendar), ExportRows.first(copies, calendar, again=True)]
    if options.corrected:
        parts[:1] = with_mistakes(parts[0], copies.number, calendar, rng)
        parts += what_never_happened(options, cohort, int(rows.number.max()) + 1, calendar, rng)
    return all_rows(parts).exported(calendar)


def write_exports(folder: Path, exports: Exports, garbage: Sequence[str]) -> None:
    """Writes all exports; broken lines stand in the events of one after another."""
    steps: list[dict[str, str]] = []
    ends = exports.calendar.ends
    for export, as_of in enumerate(iso_times(ends).to_pylist()):
        own = folder / f"{export + 1:02d}"
        own.mkdir(parents=True)
        files: dict[str, dict[str, str]] = {CLEAN: {}, CRM: {}}
        for mapping, kind, name, table in _tables(exports, export):
            if len(table):
                lines = garbage[export :: len(ends)] if (mapping, kind) == (CLEAN, "events") else ()
                write_csv(own / name, table, lines)
                files[mapping][kind] = f"{own.name}/{name}"
        steps += [{"mapping": mapping, "as_of": as_of, **kinds} for mapping, kinds in files.items() if kinds]
    (folder / LIST).write_text(json.dumps(steps, indent=1) + "\n", encoding="utf-8")


def ingest_exports(folder: Path, log_path: Path, buckets: int = BUCKETS) -> list[IngestReport]:
    """Brings a sequence of exports into a log, each as of its time. Raises DataError or UsageError as `ingest` does."""
    reports = []
    for step in json.loads((folder / LIST).read_text(encoding="utf-8")):
        files = ([str(folder / step[kind])] if kind in step else [] for kind in ("events", "leads", "identities"))
        as_of = time_from_text(step["as_of"])
        reports.append(ingest(log_path, read_mapping(step["mapping"]), *files, as_of=as_of, buckets=buckets))
    return reports


def _tables(exports: Exports, export: int) -> Iterator[tuple[str, str, str, pa.Table]]:
    """Mapping, kind, name and content of the files of an export."""
    versions, has_crm = exports.told.of(exports.told.export == export), export < exports.calendar.crm
    is_crm = SOURCE_OF_TYPE[versions.rows.code] == "crm"
    yield CLEAN, "events", "events.csv", _event_table(exports.names, versions.of(~is_crm).rows)
    if has_crm:
        yield CRM, "events", "crm.csv", _crm_table(exports, versions.of(is_crm))
        yield CRM, "identities", "identities.csv", _merged(exports, export)
    if exports.states is None:
        known = exports.calendar.first_with(micros(exports.people.column("valid_from"))) == export
        yield CLEAN, "leads", "leads.csv", exports.people.filter(pa.array(known))
    elif has_crm:
        yield CRM, "leads", "leads.csv", exports.states.table(export)


def _event_table(names: NDArray[np.str_], rows: EventRows) -> pa.Table:
    return pa.concat_tables(event_tables(names, rows)) if len(rows) else pa.table({})


def _crm_table(exports: Exports, versions: ExportRows) -> pa.Table:
    """Deals with their day alone, where the options say so."""
    table = _event_table(exports.names, versions.rows)
    if not len(table):
        return table
    at = table.column("occurred_at")
    if exports.options.dates:
        at = pc.if_else(
            pa.array(np.isin(versions.rows.code, DEALS)), pc.utf8_slice_codeunits(at, 0, len("2024-01-31")), at
        )
    table = table.set_column(table.schema.get_field_index("occurred_at"), "occurred_at", at)
    return table.append_column("retracted", pa.array(np.where(versions.retracted, "true", "")))


def _merged(exports: Exports, export: int) -> pa.Table:
    """Second ids whose merge is known by an export, and was not by the one before."""
    merges, names = exports.merges, exports.names
    now = exports.calendar.first_with(merges.merged_at) == export
    columns = merges.names[now], names[merges.lead[now]], iso_times(merges.merged_at[now])
    return pa.table(dict(zip(("alias", "lead_id", "valid_from"), map(pa.array, columns), strict=True)))
