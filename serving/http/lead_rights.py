"""What a lead may ask for, however it is asked: to object to being scored, and to be erased."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from data.log.exported_tables import erase_from_files
from serving.http.services import Services
from serving.messages.problems import Refused
from serving.store.privacy.receipts import Receipt


def note_objection(services: Services, lead_id: str, objects: bool, who: str) -> None:
    """Notes that a lead objects, or no longer does. Raises Refused for a lead that the store does not know."""
    if services.store.leads.get(lead_id) is None:
        raise Refused("not_found", "there is no such lead in the store")
    services.store.leads.object(lead_id, objects, services.clock())
    services.store.audit.add(who, "objection on" if objects else "objection off", services.clock(), lead_id)


def forget(services: Services, lead_id: str, who: str) -> Receipt:
    """Erases a lead from the store and from the files of the workspace; raises as `Erasure.forget` does."""
    elsewhere = partial(_from_files, services.workspace)
    return services.store.erasure.forget(lead_id, who, services.clock(), elsewhere)


def _from_files(workspace: Path | None, lead_id: str) -> dict[str, int]:
    return {} if workspace is None else erase_from_files(workspace, workspace / "log", lead_id)
