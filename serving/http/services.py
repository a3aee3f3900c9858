"""All that a server is made of: what the routes may use, passed in once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack
from urllib.parse import quote
from zoneinfo import ZoneInfo

from serving.champion.champion import Champion
from serving.edge.kinds_of_work import KindsOfWork
from serving.edge.pulse import Pulse
from serving.edge.starts_per_turn import Starts
from serving.http.authentication import Authenticator
from serving.http.host_rules import HostRules
from serving.messages.body import Bodies
from serving.messages.limits import Limits
from serving.store.flow import FlowReport
from serving.store.scores.sections import REJECTIONS
from serving.store.store import Store
from serving.telemetry.metrics import Metrics
from serving.telemetry.server_log import ServerLog

A = TypeVarTuple("A")
T = TypeVar("T")


def now_us() -> int:
    """The clock: µs UTC."""
    return time.time_ns() // 1000


@dataclass(frozen=True)
class SalesDesk:
    """How sales work with leads. reasons: for which a lead may be rejected. crm_link: the address of a lead in the CRM,
    with `{lead_id}`, "" for none. owners: by account the name that the CRM has for its owner, where it is another.
    first_hours: within which a lead that is new for sales shall be acted on."""

    reasons: tuple[str, ...] = REJECTIONS
    crm_link: str = ""
    owners: Mapping[str, str] = field(default_factory=dict)
    first_hours: float = 24.0

    def owner_of(self, account: str) -> str:
        """As whom an account has leads."""
        return self.owners.get(account, account)

    def address(self, lead_id: str) -> str:
        """Where a lead is in the CRM, "" where that is not known."""
        return self.crm_link.replace("{lead_id}", quote(lead_id, safe="")) if self.crm_link else ""


@dataclass(frozen=True)
class Services:
    """champion: the model that answers. store: leads and events. draining: set when the server is about to stop.

    workspace: the folder of event log and exports, from which an erased lead is taken too; None for none.
    tracking: the address of MLflow, without a password; "" when the model comes from a folder.
    sales: how leads are worked. target: what is predicted, as the settings say; a model in place says it itself.
    costs: what sources cost a quarter, by kind and name. zone: in which days begin and times are told.
    host_rules: which requests are heard.
    exporting: turns at making exports; side by side they would only wait for the interpreter.
    work: kinds of work, each with threads and a queue of its own. starts: how many requests begin at once. bodies:
    those on their way. pulse: that of the store.
    """

    champion: Champion
    store: Store
    authenticator: Authenticator
    metrics: Metrics
    log: ServerLog = field(default_factory=ServerLog)
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], int] = now_us
    draining: threading.Event = field(default_factory=threading.Event)
    workspace: Path | None = None
    tracking: str = ""
    sales: SalesDesk = field(default_factory=SalesDesk)
    target: str = "conversion"
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    host_rules: HostRules = field(default_factory=HostRules)
    exporting: threading.Semaphore = field(default_factory=lambda: threading.BoundedSemaphore(2))
    work: KindsOfWork = field(default_factory=KindsOfWork)
    starts: Starts = field(default_factory=Starts)

    @cached_property
    def bodies(self) -> Bodies:
        """Of this server, within its limits."""
        return Bodies(self.limits)

    @cached_property
    def pulse(self) -> Pulse[FlowReport]:
        """Whether the store answers, and how data arrives by what it holds."""
        return Pulse(self.work.health)

    @property
    def target_name(self) -> str:
        """What the scores are about that are shown, with and without a model."""
        live = self.champion.live
        return self.target if live is None else live.target.name

    async def read(self, work: Callable[[Unpack[A]], T], *args: *A) -> T:
        """What `work` reads of the store, when it is its turn: all of it is of one moment. Raises Refused, busy."""
        return await self.work.reads.run(self.store.database.snapshot()(work), *args)
