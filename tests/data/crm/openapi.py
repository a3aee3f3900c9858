"""Requests held against the vendors' own OpenAPI descriptions, where they are present."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.conftest import REPOSITORY

HERE = "urn:description"


class NotAllowed(Exception):
    """A request that the description does not allow."""


def described(vendor: str) -> Path:
    """The folder of a vendor's descriptions, named by LEADSCORE_CRM or lying beside the repository; else skips."""
    folder = Path(os.environ.get("LEADSCORE_CRM", REPOSITORY.parent / "shared" / "crm")) / vendor
    if not folder.is_dir():
        pytest.skip(f"the OpenAPI descriptions of {vendor} are not in {folder}; set LEADSCORE_CRM to where they are")
    return folder


class Description:
    """What a vendor's files say of paths, parameters and bodies."""

    def __init__(self, folder: Path) -> None:
        self.operations: list[tuple[re.Pattern[str], int, str, dict[str, Any], Registry[Any]]] = []
        for file in sorted(folder.iterdir()):
            document = _loaded(file)
            registry = Registry().with_resource(HERE, DRAFT202012.create_resource(document))
            base = urlsplit(document["servers"][0]["url"]).path
            for path, methods in document["paths"].items():
                pattern = re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(base + path)))
                for method in methods.keys() & {"get", "post"}:
                    self.operations.append((pattern, path.count("{"), method.upper(), methods[method], registry))
        self.operations.sort(key=lambda one: one[1])  # what is written out comes before what has placeholders

    def check(self, method: str, path: str, params: Mapping[str, str], body: Any) -> None:
        """Raises NotAllowed: what is wrong with a request."""
        for pattern, _, verb, operation, registry in self.operations:
            if verb == method and pattern.fullmatch(path):
                _check_params(operation, params)
                _check_body(operation, registry, body)
                return
        raise NotAllowed(f"there is no {method} {path}")


@cache
def description(folder: Path) -> Description:
    """Read once."""
    return Description(folder)


def _loaded(file: Path) -> Any:
    return json.loads(file.read_text()) if file.suffix == ".json" else yaml.load(file.read_text(), yaml.CSafeLoader)


def _check_params(operation: Mapping[str, Any], params: Mapping[str, str]) -> None:
    known = {one["name"]: one for one in operation.get("parameters", ()) if one["in"] == "query"}
    for name, one in known.items():
        if one.get("required") and name not in params:
            raise NotAllowed(f"parameter {name} is missing")
    for name, text in params.items():
        if name not in known:
            raise NotAllowed(f"there is no parameter {name}")
        _check_text(name, known[name]["schema"], text)


def _check_text(name: str, schema: Mapping[str, Any], text: str) -> None:
    kinds = {"integer": r"-?\d+", "boolean": "true|false", "number": r"-?\d+(\.\d+)?"}
    if not re.fullmatch(kinds.get(schema.get("type", ""), ".*"), text):
        raise NotAllowed(f"parameter {name} is no {schema['type']}: {text}")
    if "enum" in schema and not set(text.split(",")) <= set(schema["enum"]):
        raise NotAllowed(f"parameter {name} is none of {schema['enum']}: {text}")


def _check_body(operation: Mapping[str, Any], registry: Registry[Any], body: Any) -> None:
    if "requestBody" not in operation:
        if body is not None:
            raise NotAllowed("no body is expected")
        return
    # Imported late: it compiles grammars for seconds, and most tests that are collected ask for no bodies.
    import jsonschema

    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    try:
        jsonschema.Draft202012Validator({"$ref": HERE + reference}, registry=registry).validate(body)
    except jsonschema.ValidationError as error:
        raise NotAllowed(error.message) from None
    schema = registry[HERE].contents["components"]["schemas"][reference.rpartition("/")[2]]
    if unknown := body.keys() - schema["properties"].keys():
        raise NotAllowed(f"the body has no {', '.join(unknown)}")
