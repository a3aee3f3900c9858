"""Which version an alias of the model registry points at, asked without importing MLflow, which takes seconds."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from data.contract import DataError

TIMEOUT_S = 5.0
QUERY = text("SELECT version FROM registered_model_aliases WHERE name = :name AND alias = :alias")


def version_of(uri: str, name: str, alias: str) -> str | None:
    """The version, None when the alias points nowhere. `uri` is a tracking server's or its database's.

    Raises DataError when the registry does not answer.
    """
    if urlsplit(uri).scheme in ("http", "https"):
        return _ask_server(uri, name, alias)
    return _ask_database(uri, name, alias)


def _ask_server(uri: str, name: str, alias: str) -> str | None:
    # Imported late: a registry in a database is asked without it.
    import httpx

    try:
        answer = httpx.get(
            f"{uri.rstrip('/')}/api/2.0/mlflow/registered-models/alias",
            params={"name": name, "alias": alias},
            headers=_token(),
            auth=_password(),
            timeout=TIMEOUT_S,
        )
        if answer.status_code in (400, 404):
            return None
        return str(answer.raise_for_status().json()["model_version"]["version"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise DataError(
            f"the model registry does not answer ({type(error).__name__}); the model in place stays"
        ) from None


def _ask_database(uri: str, name: str, alias: str) -> str | None:
    try:
        engine = create_engine(uri)
        try:
            with engine.connect() as connection:
                found = connection.execute(QUERY, {"name": name, "alias": alias}).scalar()
        finally:
            engine.dispose()
    except SQLAlchemyError as error:
        raise DataError(
            f"the model registry cannot be read ({type(error).__name__}); the model in place stays"
        ) from None
    return None if found is None else str(found)


def _token() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _password() -> tuple[str, str] | None:
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{each}") for each in ("USERNAME", "PASSWORD"))
    return (user, password) if user and password else None
