"""Runs the server: opens the store, watches for the champion, answers, and stops without dropping a request."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from zoneinfo import ZoneInfo

import pyarrow as pa
import uvicorn

from data.contract import UsageError
from data.erasure.ledger import Ledger
from data.temporary import sweep
from serving.app import create_app
from serving.champion.artifact_cache import ArtifactCache
from serving.champion.artifact_sources import ArtifactSource
from serving.champion.champion import Champion
from serving.champion.threshold_overlay import ThresholdOverlay
from serving.champion.watcher import Watcher
from serving.collector import seldom_collected
from serving.edge.acceptor import Acceptor
from serving.edge.connection import Connection
from serving.edge.kinds_of_work import KindsOfWork
from serving.edge.listener import begin_no_more, listen
from serving.edge.open_connections import OpenConnections
from serving.edge.proxies import Proxies, is_loopback
from serving.first_scores import FirstScores
from serving.http.authentication import Authenticator, Caller, KeyAuthenticator, NoAuthentication
from serving.http.host_rules import HostRules
from serving.http.services import SalesDesk, Services, now_us
from serving.messages.limits import Limits
from serving.scoring.served_model import ServedModel
from serving.store.database.failures import StoreError
from serving.store.store import Store, open_store
from serving.telemetry.metrics import Metrics
from serving.telemetry.server_log import ServerLog

DRAIN_S = 0.5
"""From the signal on, answers end their connection for so long before the socket is closed."""
SETTLE_S = 0.3
"""So long handshakes may take that are under way by then."""
SPEAK_S = 1.0
"""So long a client that was let in may take to begin its request."""
GRACE_S = 7
"""So long requests in flight may take after that."""

LOOPBACK = ("127.0.0.1", "::1")
SWITCH_S = 0.0005
"""A thread that reads gives the interpreter away at each row; for so long it waits until it has it back. With Python's
5 ms, a thousand clients who are turned away would take half of what the others get."""


@dataclass(frozen=True)
class Options:
    """How to serve. source: where the champion comes from. cache: folder for its copies. store: a database URL.

    workspace: the folder of event log and exports, from which an erased lead is taken too. tracking: see `Services`.
    personal_ids: see `open_store`. sales, target, zone: see `Services`.
    score_new: whether leads that services send for the first time are scored at once.
    trusted_proxies: see `Proxies`, beside this machine's own. plain_http, hosts: see `HostRules`; () for any host, with
    insecure_local for none but this machine.
    """

    source: ArtifactSource
    cache: Path
    store: str
    host: str = "127.0.0.1"
    port: int = 8000
    insecure_local: bool = False
    look_s: float = 10.0
    trusted_proxies: tuple[str, ...] = ()
    plain_http: bool = False
    hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    workspace: Path | None = None
    tracking: str = ""
    personal_ids: bool = False
    sales: SalesDesk = field(default_factory=SalesDesk)
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    target: str = "conversion"
    score_new: bool = True
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))


class Server(uvicorn.Server):
    """On a signal it first says goodbye: ready turns 503, and every answer asks the client to come by anew."""

    def __init__(
        self, config: uvicorn.Config, services: Services, proxies: Proxies, once_open: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self.services, self.proxies, self.once_open = services, proxies, once_open
        self.open_connections = OpenConnections(services.limits, time.monotonic)
        services.metrics.connections.set_function(lambda: len(self.open_connections.clients))
        services.metrics.sent_away.set_function(lambda: self.open_connections.sent_away)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Opens the door: as uvicorn does, with an acceptor and connections of our own."""
        await self.lifespan.startup()
        self.servers = [
            Acceptor(listening, self._connection, self.open_connections, self.services.log)  # type: ignore[misc]
            for listening in sockets or []
        ]
        self.started = True
        self.once_open()

    async def on_tick(self, counter: int) -> bool:
        """Once a second, clients that keep the server waiting for too long are sent away."""
        if counter % 10 == 0:
            self.open_connections.sweep()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, a second one stops at once."""
        if self.services.draining.is_set():
            self.force_exit = True
            return
        self.services.draining.set()
        timer = threading.Timer(DRAIN_S, self._shut)
        timer.daemon = True
        timer.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes the socket to new clients first, and lets those who are connected send their request."""
        for listening in sockets or []:
            begin_no_more(listening)
        await asyncio.sleep(SETTLE_S)
        for server in self.servers:
            server.close()
        try:
            async with asyncio.timeout(SPEAK_S):
                while any(getattr(connection, "cycle", None) is None for connection in self.server_state.connections):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            self.services.log.write("silent_connections_closed")
        await super().shutdown(sockets)

    def _connection(self, peer: str) -> Connection:
        address = "" if self.proxies.trusts(peer) else peer
        return Connection(
            self.config, self.server_state, self.lifespan.state, self.open_connections, self.services.limits, address
        )

    def _shut(self) -> None:
        self.services.log.write("stopping")
        self.should_exit = True


def serve(options: Options) -> None:
    """Serves until a signal comes. Raises UsageError for options that would let everybody in, and StoreAway."""
    _check_address(options)
    proxies = Proxies([*options.trusted_proxies, *LOOPBACK])
    sweep()
    # Arrow's own allocator keeps what was freed; a server asks it for little and seldom.
    pa.set_memory_pool(pa.system_memory_pool())
    sys.setswitchinterval(SWITCH_S)
    listening = listen(options.host, options.port)
    log, metrics, champion = ServerLog(), Metrics(), Champion()
    with open_store(options.store, options.personal_ids) as store:
        champion.on_swap = partial(_swapped, metrics, store)
        if options.workspace is not None and options.workspace.exists():
            store.erasure.join(Ledger.beside(options.workspace / "log"), now_us())
        champion.overlay = ThresholdOverlay(store)
        watcher = Watcher(options.source, ArtifactCache(options.cache), champion, metrics, log, options.look_s)
        watcher.start()
        first_scores = FirstScores(store, champion, log, now_us)
        if options.score_new:
            first_scores.start()
        authenticator: Authenticator = (
            NoAuthentication() if options.insecure_local else KeyAuthenticator(verifier(store))
        )
        hosts = frozenset(options.hosts) if options.hosts or options.insecure_local else None
        services = Services(
            champion,
            store,
            authenticator,
            metrics,
            log,
            options.limits,
            workspace=options.workspace,
            tracking=options.tracking,
            sales=options.sales,
            costs=options.costs,
            target=options.target,
            host_rules=HostRules(hosts, options.plain_http),
            zone=options.zone,
            work=KindsOfWork(is_far=not store.database.is_sqlite),
        )
        log.write("listening", host=options.host, port=listening.getsockname()[1])
        with seldom_collected():
            Server(_config(services, proxies), services, proxies, watcher.watch).run(sockets=[listening])
            first_scores.stop()
            watcher.stop()
        log.write("stopped")


def _check_address(options: Options) -> None:
    if options.insecure_local and not is_loopback(options.host):
        raise UsageError(f"--insecure-local asks for no key, so --host must be a loopback address, not {options.host}")
    if not (is_loopback(options.host) or options.trusted_proxies or options.plain_http):
        raise UsageError(
            f"--host {options.host} can be reached from other machines, and keys and passwords would come unencrypted: "
            "name the proxy that ends TLS by --trusted-proxy ADDRESS (or LEADSCORE_TRUSTED_PROXY in the environment), "
            "or say --plain-http (or LEADSCORE_PLAIN_HTTP=1) where that is meant"
        )


def _swapped(metrics: Metrics, store: Store, live: ServedModel) -> None:
    """Tells of the model that is in place now: the metrics, and the audit trail, whoever has promoted it."""
    metrics.serves(live)
    with suppress(StoreError):  # a store that is away keeps no model from being put in place
        store.audit.note_change(
            "server", f"serve {live.model.name} version {live.model.version}", time.time_ns() // 1000
        )


def _config(services: Services, proxies: Proxies) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(services),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=proxies.given,
        timeout_keep_alive=int(services.limits.idle_s),
        timeout_graceful_shutdown=GRACE_S,
    )


def verifier(store: Store) -> Callable[[str], Caller | None]:
    """Who holds a key, as the store knows it."""

    def verify(secret: str) -> Caller | None:
        key = store.keys.verify(secret)
        return None if key is None else Caller(key.prefix, key.role)

    return verify
