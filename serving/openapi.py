"""The OpenAPI document: FastAPI knows the routes, msgspec the bodies, and each route says what belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import FastAPI

from serving import schemas
from serving.problems import STATUS

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
) -> dict[str, Any]:
    """`openapi_extra` of a route: its body and answer are structs, its refusals keys of STATUS."""
    content = {"application/json": {"schema": _ref(answer)}}
    responses: dict[str, Any] = {str(status): {"description": "the answer", "content": content}}
    for code in dict.fromkeys((*refusals, *COMMON)):
        known = responses.setdefault(str(STATUS[code]), {"description": "", "content": {}})
        known["description"] = ", ".join(filter(None, (known["description"], code)))
        known["content"] = {"application/json": {"schema": _ref(schemas.Problem)}}
    found: dict[str, Any] = {"responses": responses, "parameters": list(parameters)}
    if body is not None:
        media: dict[str, Any] = {"schema": _ref(body)}
        if example is not None:
            media["examples"] = {"usual": {"value": example}}
        found["requestBody"] = {"required": True, "content": {"application/json": media}}
    return found


def query(name: str, about: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """A query parameter; true or false unless a schema says otherwise."""
    return {"name": name, "in": "query", "required": False, "description": about, "schema": schema or QUERY}


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document, made once."""
    from fastapi.openapi.utils import get_openapi

    made = get_openapi(title="leadscore", version="1", description=__doc__ or "", routes=app.routes)
    _, components = msgspec.json.schema_components(_structs(), ref_template=REF)
    made["components"] = {"schemas": components, "securitySchemes": SECURITY}
    made["security"] = [{"key": []}]
    for route in app.routes:
        needed = getattr(getattr(route, "endpoint", None), "needs", None)
        for operation in made["paths"].get(getattr(route, "path", ""), {}).values():
            # FastAPI adds its own 200 and 422, which are not ours.
            operation["responses"] = operation.pop("x-responses", operation["responses"])
            if needed == "anyone":
                operation["security"] = []
    return made


def _structs() -> list[type]:
    return [each for each in vars(schemas).values() if isinstance(each, type) and issubclass(each, msgspec.Struct)]


def _ref(struct: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([struct], ref_template=REF)
    return schema
