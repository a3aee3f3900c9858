"""The OpenAPI document: Starlette knows the routes, msgspec the bodies, and each handler says what belongs together.

Hand-written, because Starlette reads operations from YAML in docstrings and FastAPI from Pydantic models; both would
add a second description of what msgspec's structs and STATUS already say.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.routing import Route

from data.contract import NAME_LIMIT
from serving.http.authentication import Handler, needed_by
from serving.http.lead_paths import LeadQueryRoute
from serving.messages import cohort_schemas, company_schemas, event_schemas, lead_schemas, schemas, work_schemas
from serving.messages.problems import STATUS

JSON = "application/json"
REF = "#/components/schemas/{name}"
SECURITY = {"key": {"type": "http", "scheme": "bearer", "description": "made by `leadscore keys create`"}}
COMMON = ("unauthorized", "forbidden", "busy", "internal")
QUERY = {"type": "boolean", "default": False}
BODIES = (schemas, lead_schemas, event_schemas, work_schemas, company_schemas, cohort_schemas)


def documented(
    answer: Any,
    body: Any = None,
    example: Any = None,
    refusals: Sequence[str] = (),
    status: int = 200,
    parameters: Sequence[dict[str, Any]] = (),
    media: str = JSON,
) -> Callable[[Handler], Handler]:
    """Declares what the document says of a handler: its body and answer are structs, its refusals keys of STATUS."""
    operation: dict[str, Any] = {
        "responses": _responses(answer, refusals, status, media),
        "parameters": list(parameters),
    }
    if body is not None:
        content: dict[str, Any] = {"schema": _ref(body)}
        if example is not None:
            content["examples"] = {"usual": {"value": example}}
        operation["requestBody"] = {"required": True, "content": {JSON: content}}

    def declare(handler: Handler) -> Handler:
        handler.operation = operation  # type: ignore[attr-defined]
        return handler

    return declare


def operation_of(route: Route) -> dict[str, Any] | None:
    """What a route's handler declares, None for a page, which is not in the document."""
    return getattr(route.endpoint, "operation", None)


def methods_of(route: Route) -> list[str]:
    """The methods that a route was given; HEAD comes along with GET and is not told of."""
    return sorted((route.methods or set()) - {"HEAD"})


def query(name: str, about: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """A query parameter; true or false unless a schema says otherwise."""
    return {"name": name, "in": "query", "required": False, "description": about, "schema": schema or QUERY}


EXTRAS = (
    query("features", "whether to show the features"),
    query("reasons", "whether to give reasons, slower"),
    query(
        "horizons",
        "also the probabilities within so many days, e.g. 7,30; 409 where the model does not know them",
        {"type": "string", "pattern": "^[1-9][0-9]{0,3}(,[1-9][0-9]{0,3}){0,7}$"},
    ),
)
"""What a route that scores may be asked for besides the score."""


def lead_id() -> dict[str, Any]:
    """The path parameter of a lead."""
    (schema,), _ = msgspec.json.schema_components([schemas.Name], ref_template=REF)
    return {
        "name": "lead_id",
        "in": "path",
        "required": True,
        "description": "opaque; percent-encoded as one part of the path: a slash is %2F, and . and .. have %20 behind",
        "schema": schema,
    }


def in_query(parameter: dict[str, Any]) -> dict[str, Any]:
    """The same parameter in the query where it is an id in the path, which proxies and clients may change there."""
    told = "opaque, percent-encoded; for ids with slashes or only dots"
    return {**parameter, "in": "query", "description": told} if parameter["in"] == "path" else parameter


def header(name: str, about: str) -> dict[str, Any]:
    """A header that may be sent."""
    schema = {"type": "string", "minLength": 1, "maxLength": NAME_LIMIT, "pattern": "^[!-~]+$"}
    return {"name": name, "in": "header", "required": False, "description": about, "schema": schema}


def document(app: Starlette) -> dict[str, Any]:
    """The whole document."""
    bodies = [item for module in BODIES for item in vars(module).values()]
    structs = dict.fromkeys(item for item in bodies if isinstance(item, type) and issubclass(item, msgspec.Struct))
    _, components = msgspec.json.schema_components(structs, ref_template=REF)
    paths: dict[str, Any] = {}
    for route in app.routes:
        if isinstance(route, Route) and (operation := operation_of(route)):
            for method in methods_of(route):
                paths.setdefault(route.path, {})[method.lower()] = _described(route) | _placed(route, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "leadscore", "version": "1", "description": "How likely is this lead to buy, now?"},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SECURITY},
        "security": [{"key": []}],
    }


def _described(route: Route) -> dict[str, Any]:
    """What the handler itself says: its name, its words, and whether it asks for a key."""
    words = inspect.getdoc(route.endpoint) or ""
    description = {"operationId": route.name, "summary": words.partition("\n")[0], "description": words}
    return description | ({"security": []} if needed_by(route.endpoint) == "anyone" else {})


def _placed(route: Route, operation: dict[str, Any]) -> dict[str, Any]:
    """An operation, with the id in the query where the route has it there."""
    if not isinstance(route, LeadQueryRoute):
        return operation
    return operation | {"parameters": [in_query(parameter) for parameter in operation["parameters"]]}


def _responses(answer: Any, refusals: Sequence[str], status: int, media: str) -> dict[str, Any]:
    responses: dict[str, Any] = {
        str(status): {"description": "the answer", "content": {media: {"schema": _ref(answer)}}}
    }
    for code in dict.fromkeys((*refusals, *COMMON)):
        response = responses.setdefault(str(STATUS[code]), {"description": "", "content": {}})
        response["description"] = ", ".join(filter(None, (response["description"], code)))
        response["content"] = {JSON: {"schema": _ref(schemas.Problem)}}
    return responses


def _ref(struct: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([struct], ref_template=REF)
    return schema
