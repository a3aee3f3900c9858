"""Pages of an endpoint, one after the other, each with the request that goes on after it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import APIKeyAuth, AuthConfigBase, BearerTokenAuth, OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.paginators import (
    BasePaginator,
    JSONLinkPaginator,
    JSONResponseCursorPaginator,
    SinglePagePaginator,
)
from requests import Request, Response

from data.contract import DataError
from data.pull.connection import PatientSession
from data.pull.connector import Auth, ClientPart, Endpoint, Paginator
from data.pull.placeholders import filled
from data.pull.record_columns import at


@dataclass(frozen=True)
class Page:
    """Records, and the request for the next ones: path, params, json; None on the last page."""

    records: list[Any]
    next: Mapping[str, Any] | None


class KeysetPaginator(BasePaginator):  # type: ignore[misc]
    """Goes on after the id of the last row, until a page is empty: no page moves when rows come, change or go, and no
    list is too long. `place` is where the id stands in the body; a number in it is a place in a list."""

    def __init__(self, row_id: str, place: str) -> None:
        super().__init__()
        self.row_id, self.place = row_id, place.split(".")
        self.last: str | None = None

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Notes the last id of a page."""
        self._has_next_page = bool(data)
        if data:
            self.last = str(at(data[-1], self.row_id))

    def update_request(self, request: Request) -> None:
        """Asks for what comes after it."""
        inner: Any = request.json
        for part in self.place[:-1]:
            inner = inner[int(part)] if isinstance(inner, list) else inner[part]
        inner[self.place[-1]] = self.last


def client_of(client: ClientPart, session: PatientSession, values: Mapping[str, Any]) -> RESTClient:
    """The vendor as dlt asks it, by our session."""
    base_url = filled(client.base_url, values)
    auth = _auth(client.auth, session, values, base_url)
    headers = filled(client.headers, values)
    return RESTClient(base_url, headers=headers, auth=auth, session=session, config=RuntimeConfiguration())


def pages(
    client: RESTClient, endpoint: Endpoint, values: Mapping[str, Any], after: Mapping[str, Any] | None
) -> Iterator[Page]:
    """All pages, or those that come `after` another one. Raises DataError for an answer without the records."""
    first = {"path": endpoint.path, "params": endpoint.params, "json": endpoint.body}
    start = filled(first, values) if after is None else copy.deepcopy(dict(after))
    for page in client.paginate(
        start["path"],
        method=endpoint.method,
        params=start["params"] or None,
        json=start["json"] or None,
        paginator=_paginator(endpoint.paginator),
        data_selector=endpoint.data_selector,
        hooks={"response": []},
    ):
        request = page.request
        following = {"path": request.url, "params": request.params, "json": request.json}
        goes_on = page.paginator.has_next_page
        yield Page(_records(page.response, endpoint), copy.deepcopy(following) if goes_on else None)


def _records(response: Response, endpoint: Endpoint) -> list[Any]:
    """What stands at data_selector; that it is missing is no empty page."""
    answer, parts = response.json(), endpoint.data_selector.split(".")
    inner = at(answer, ".".join(parts[:-1])) if len(parts) > 1 else answer
    if not isinstance(inner, dict) or parts[-1] not in inner:
        raise DataError(f"{endpoint.path}: the answer has no {endpoint.data_selector!r}; correct data_selector")
    records = inner[parts[-1]]
    return records if isinstance(records, list) else [] if records is None else [records]


def _paginator(paginator: Paginator) -> BasePaginator:
    if paginator.type == "cursor":
        return JSONResponseCursorPaginator(cursor_path=paginator.cursor_path, cursor_param=paginator.cursor_param)
    if paginator.type == "link":
        return JSONLinkPaginator(next_url_path=paginator.next_url_path)
    return KeysetPaginator(paginator.id, paginator.place) if paginator.type == "keyset" else SinglePagePaginator()


def _auth(auth: Auth, session: PatientSession, values: Mapping[str, Any], base_url: str) -> AuthConfigBase:
    if auth.type == "bearer":
        return BearerTokenAuth(token=filled(auth.token, values))
    if auth.type == "api_key":
        return APIKeyAuth(name=auth.header, api_key=filled(auth.token, values), location="header")
    return OAuth2ClientCredentials(
        access_token_url=base_url + auth.access_token_url,
        client_id=filled(auth.client_id, values),
        client_secret=filled(auth.client_secret, values),
        session=session,
    )
