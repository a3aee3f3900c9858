"""What sales made of the leads that they were given, and how soon they acted on them."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from data.contract import US_PER_DAY, US_PER_SECOND
from serving.pages.rendering.page_context import PageContext
from serving.pages.rendering.page_guard import requires_role

DAYS = 90
US_PER_HOUR = 3600 * US_PER_SECOND


@requires_role("viewer")
def sales(context: PageContext) -> Response:
    """The last ninety days, by band of probability, owner and reason."""
    store, hours = context.services.store, context.services.sales.first_hours
    since = context.now - DAYS * US_PER_DAY
    acceptance = store.acceptances.of(context.services.target_name, since, int(hours * US_PER_HOUR))
    return context.render("sales.html", here="sales", acceptance=acceptance, days=DAYS, hours=hours)


routes = [
    Route("/sales", sales),
]
