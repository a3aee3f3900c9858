"""What a lead may ask for, however it is asked: to object to being scored, and to be erased."""

from __future__ import annotations

from serving.http.services import Services
from serving.messages.problems import Refused
from serving.store.privacy.erasure import NOWHERE
from serving.store.privacy.receipts import Receipt
from serving.store.privacy.workspace_files import WorkspaceFiles


def note_objection(services: Services, lead_id: str, objects: bool, who: str) -> None:
    """Notes that a lead objects, or no longer does. Raises Refused for a lead that the store does not know."""
    store, files, now = services.store, files_of(services), services.clock()
    if store.leads.get(lead_id) is None:
        raise Refused("not_found", "there is no such lead in the store")
    if files is not None:
        files.note_objection(lead_id, objects, now)
    store.leads.object(lead_id, objects, now)
    store.audit.add(who, "objection on" if objects else "objection off", now, lead_id)


def forget(services: Services, lead_id: str, who: str) -> Receipt:
    """Erases a lead from the store and from the files of the workspace; raises as `Erasure.forget` does."""
    return services.store.erasure.forget(lead_id, who, services.clock(), files_of(services) or NOWHERE)


def files_of(services: Services) -> WorkspaceFiles | None:
    """The files of the server's workspace, None for none."""
    return None if services.workspace is None else WorkspaceFiles(services.workspace, services.workspace / "log")
