"""What a page knows of its request: who asks, in which language, what the form says; what every template may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from data.contract import US_PER_DAY
from features.dates import ago, date, day, minute, since
from features.numbers_in_words import LANGUAGES, Language, chance, number, percent, span
from features.outlook import departure
from serving.http.answers import language_of
from serving.http.lead_paths import SENT
from serving.http.queries import Pairs, query_pairs
from serving.http.services import Services
from serving.http.time_zone import local
from serving.messages.times import iso
from serving.pages.rendering.flow_banner import flow_banner
from serving.pages.rendering.templates import environment
from serving.pages.rendering.texts import known, text
from serving.sentences.telling import Telling
from serving.store.access.accounts import Account
from serving.store.access.roles import PageRole, may_act, may_see
from serving.store.flow import FlowReport
from training.thresholds.model_warning import model_warning

COOKIE = "leadscore"
LANGUAGE = "language"
YEAR_S = 365 * 86_400
PAGES = ("today", "leads", "sales", "funnel", "thresholds", "trust")
"""What the head of each page offers, by its path."""
FIRST = "/today"
"""Where people are sent who have not said where they want to go."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}


@dataclass(frozen=True)
class PageContext:
    """One request for a page. account: who is signed in, None for nobody. token: that of the session, "" for none."""

    request: Request
    language: Language
    token: str = ""
    account: Account | None = None
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def services(self) -> Services:
        """What the server is made of."""
        services: Services = self.request.app.state.services
        return services

    @cached_property
    def asked(self) -> Pairs:
        """The parts behind the question mark. Raises Refused for what no page can mean."""
        return query_pairs(self.request)

    @property
    def lead_in_path(self) -> str:
        """The part of the path that names a lead, as it was sent."""
        lead_id: str = self.request.path_params["lead_id"]
        return lead_id

    @property
    def now(self) -> int:
        """The clock, µs UTC."""
        return self.services.clock()

    @property
    def who(self) -> str:
        """What the audit says of whoever acts."""
        return "" if self.account is None else f"account {self.account.name}"

    def local(self, moment: int) -> int:
        """A moment as the clocks of the settings' time zone say it, see `serving/http/time_zone.py`."""
        return local(moment, self.services.zone)

    @cached_property
    def telling(self) -> Telling:
        """How what happened is told to the visitor now."""
        return Telling(self.language, self.now, self.local)

    @cached_property
    def flow(self) -> FlowReport:
        """Whether data arrives, and leads are scored, as usual."""
        return self.services.store.flow.read(self.services.target_name, self.now)

    def may(self, role: PageRole) -> bool:
        """Whether the visitor has a role, or one that includes it."""
        return may_see(self.account.role if self.account else None, role)

    def may_act(self, worker: str) -> bool:
        """Whether the visitor may act on a lead that is somebody's."""
        account = self.account
        is_own = account is not None and worker == self.services.sales.owner_of(account.name)
        return may_act(account.role if account else None, is_own)

    def t(self, key: str, **values: Any) -> str:
        """A sentence in the visitor's language."""
        return text(key, self.language, **values)

    def render(self, template: str, status: int = 200, **values: Any) -> Response:
        """A rendered page."""
        body = environment().get_template(template).render(_words(self) | values)
        return HTMLResponse(body, status, headers=HEADERS)

    def redirect(self, path: str) -> Response:
        """Sends the browser to another page of ours, so that to load it again repeats nothing."""
        return RedirectResponse(path, 303, headers=HEADERS)


def by_session(context: PageContext, form: Mapping[str, str]) -> PageContext:
    """The context of whoever is signed in, with what the form says."""
    token = context.request.cookies.get(COOKIE, "")
    account = context.services.store.accounts.visitor(token, context.now) if token else None
    return PageContext(context.request, context.language, token if account else "", account, form)


def inside(path: str) -> str:
    """A path of our own, else that of the first page: nobody is sent elsewhere.

    >>> inside("/leads?stage=SQL"), inside("//evil.example"), inside("https://evil.example"), inside("/\\\\evil")
    ('/leads?stage=SQL', '/today', '/today', '/today')
    """
    fine = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable() and path.isascii()
    return path if fine else FIRST


def came_from(context: PageContext, *lists: str) -> str:
    """The list from which a visitor came, with its filters, as the browser says it; the first of `lists` otherwise."""
    address = _page_before(context.request)
    return address if address.partition("?")[0] in lists else lists[0]


def address_of(request: Request) -> str:
    """Where the visitor is or wanted to go; what a form would have done is not done by going there."""
    if request.method != "GET":
        return _page_before(request) or FIRST  # who signs in anew has the form before them
    if SENT in request.scope:
        return str(request.scope[SENT])
    # As it was sent: what an id has of its own, such as a slash or a question mark, is written in numbers there.
    path = request.scope["raw_path"].decode("latin1")
    return f"{path}?{request.url.query}" if request.url.query else path


def _page_before(request: Request) -> str:
    """The page of ours on which a link or form stood, as the browser says it; "" for none."""
    address = urlsplit(request.headers.get("referer", ""))
    if address.netloc != request.headers.get("host") or not address.path:
        return ""
    return inside(f"{address.path}?{address.query}" if address.query else address.path)


def visitor_language(request: Request) -> Language:
    """The language that a visitor has chosen, else that of the browser."""
    chosen: Any = request.cookies.get(LANGUAGE)
    return chosen if chosen in LANGUAGES else language_of(request.headers.get("accept-language"))


def _words(context: PageContext) -> dict[str, Any]:
    """What every template may use."""
    language = context.language
    token = context.services.store.accounts.form_token(context.token) if context.account else ""
    live = context.services.champion.live
    return {
        "context": context,
        "pages": PAGES,
        "address": address_of(context.request),
        "language": language,
        "t": context.t,
        "known": lambda key, otherwise: known(key, language, otherwise),
        "form_token": token,
        "alarm": flow_banner(context.flow, language) if context.account else "",
        "caution": model_warning(
            live.predictor.manifest.trained_on.small, language, live.predictor.manifest.trained_on.lags
        )
        if live
        else "",
        "ago": lambda moment: ago(_day_of(context, moment), _day_of(context, context.now), language),
        "since": lambda moment: since(moment, context.now, language),
        "iso": iso,
        "departure": departure,
        **wording_of(language),
        "day": lambda moment: day(context.local(moment), language),
        "minute": lambda moment: minute(context.local(moment), language),
    }


def _day_of(context: PageContext, moment: int) -> int:
    """When the day of a moment begins, in the time zone of the settings."""
    return context.local(moment) // US_PER_DAY * US_PER_DAY


def wording_of(language: Language) -> dict[str, Callable[..., str]]:
    """How templates put numbers and times into a language."""
    functions = (number, percent, chance, span, date, day, minute)
    return {function.__name__: partial(function, language=language) for function in functions}
