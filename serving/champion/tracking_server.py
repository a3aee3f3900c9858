"""The champion of a tracking server: which version that is says MLflow's public REST API, in milliseconds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from data.contract import DataError
from serving.champion.artifact_cache import ArtifactCache, CachedArtifact
from serving.champion.fetch import fetch, into_cache

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class TrackingServerSource:
    """The version that an alias of the server at `uri` points at; `workspace` is where it is copied to first."""

    workspace: Path
    uri: str
    name: str
    alias: str

    def mark(self) -> str | None:
        """The version, None when the alias points nowhere. Raises DataError when the server does not answer."""
        # Imported late: a registry in a database is asked without it.
        import httpx

        try:
            answer = httpx.get(
                f"{self.uri.rstrip('/')}/api/2.0/mlflow/registered-models/alias",
                params={"name": self.name, "alias": self.alias},
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

    def bring(self, cache: ArtifactCache) -> CachedArtifact:
        """Raises DataError also when model.json is not the one that was registered."""
        return into_cache(fetch(self.workspace, self.name, self.alias), self.name, cache)


def _token() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _password() -> tuple[str, str] | None:
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    return (user, password) if user and password else None
