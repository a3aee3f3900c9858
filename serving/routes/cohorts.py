"""Which sources bring leads that buy, as the last scoring counted them."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.http.answers import json
from serving.http.authentication import needs
from serving.http.openapi import documented
from serving.http.services import Services
from serving.messages.cohort_schemas import CohortCounts, CohortsAnswer, SourceRow
from serving.messages.times import at
from serving.scoring.source_cohorts import Cohort, SourceCohorts, source_cohorts
from serving.store.scores.entrants import TIME_DAYS


@needs("read")
@documented(CohortsAnswer, refusals=("store_away",))
async def cohorts(request: Request) -> Response:
    """Leads that came to MQL and SQL in the newest quarter and the one before, by channel, campaign and asset."""
    services: Services = request.app.state.services
    target = services.target_name
    entrants = await services.read(services.store.entrants.read, target)
    if entrants is None:
        return json(CohortsAnswer(target, None, TIME_DAYS, []))
    rows = [_row(row) for row in source_cohorts(entrants, services.costs)]
    return json(CohortsAnswer(target, at(entrants.until), TIME_DAYS, rows))


def _row(row: SourceCohorts) -> SourceRow:
    costs = row.cost, row.cost_per_lead, row.cost_per_win
    return SourceRow(
        row.stage, row.kind or None, row.name, row.reason or None, _counts(row.newest), _counts(row.before), *costs
    )


def _counts(cohort: Cohort | None) -> CohortCounts | None:
    return None if cohort is None else CohortCounts(**asdict(cohort))


routes = [
    Route("/v1/cohorts", cohorts),
]
