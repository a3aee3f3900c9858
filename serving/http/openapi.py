"""The OpenAPI document: FastAPI knows the routes, msgspec the bodies, and each route says what belongs together."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.routing import APIRoute

from data.contract import NAME_LIMIT
from serving.http.authentication import needed_by
from serving.messages import schemas
from serving.messages.problems import STATUS

JSON = "application/json"
REF = "#/components/schemas/{name}"
SECURITY = {"key": {"type": "http", "scheme": "bearer", "description": "made by `leadscore keys create`"}}
COMMON = ("unauthorized", "forbidden", "busy", "internal")
QUERY = {"type": "boolean", "default": False}


def describe(
    answer: Any,
    body: Any = None,
    example: Any = None,
    refusals: Sequence[str] = (),
    status: int = 200,
    parameters: Sequence[dict[str, Any]] = (),
    media: str = JSON,
) -> dict[str, Any]:
    """`openapi_extra` of a route: its body and answer are structs, its refusals keys of STATUS."""
    content = {media: {"schema": _ref(answer)}}
    responses: dict[str, Any] = {str(status): {"description": "the answer", "content": content}}
    for code in dict.fromkeys((*refusals, *COMMON)):
        known = responses.setdefault(str(STATUS[code]), {"description": "", "content": {}})
        known["description"] = ", ".join(filter(None, (known["description"], code)))
        known["content"] = {JSON: {"schema": _ref(schemas.Problem)}}
    found: dict[str, Any] = {"responses": responses, "parameters": list(parameters)}
    if body is not None:
        sent: dict[str, Any] = {"schema": _ref(body)}
        if example is not None:
            sent["examples"] = {"usual": {"value": example}}
        found["requestBody"] = {"required": True, "content": {JSON: sent}}
    return found


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


def header(name: str, about: str) -> dict[str, Any]:
    """A header that may be sent."""
    schema = {"type": "string", "minLength": 1, "maxLength": NAME_LIMIT, "pattern": "^[!-~]+$"}
    return {"name": name, "in": "header", "required": False, "description": about, "schema": schema}


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document. Made from our own descriptions: FastAPI's would add answers that this server never gives."""
    structs = [each for each in vars(schemas).values() if isinstance(each, type) and issubclass(each, msgspec.Struct)]
    _, components = msgspec.json.schema_components(structs, ref_template=REF)
    paths: dict[str, Any] = {}
    for route in app.routes:
        if isinstance(route, APIRoute) and route.openapi_extra:
            told = inspect.getdoc(route.endpoint) or ""
            operation: dict[str, Any] = {
                "operationId": route.name,
                "summary": told.partition("\n")[0],
                "description": told,
            }
            operation |= route.openapi_extra
            if needed_by(route.endpoint) == "anyone":
                operation["security"] = []
            for method in sorted(route.methods or ()):
                paths.setdefault(route.path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "leadscore", "version": "1", "description": "How likely is this lead to buy, now?"},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SECURITY},
        "security": [{"key": []}],
    }


def _ref(struct: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([struct], ref_template=REF)
    return schema
