"""The door: all who wait at it are let in at each turn of the event loop, as far as there is room.

uvloop lets in one client for each turn, so that behind 256 busy clients one more waits for 256 turns before a byte of
its request is read.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

from serving.edge.connection import Connection
from serving.edge.listener import BACKLOG
from serving.edge.open_connections import OpenConnections
from serving.telemetry.server_log import ServerLog

SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""The machine has no room for one more connection."""
REST_S = 0.05
MADE_ROOM = 16


class Acceptor:
    """Accepts connections of a listening socket; looks to uvicorn like one of asyncio's servers.

    connection: what becomes of a peer's socket, by the peer's address.
    """

    def __init__(
        self,
        listening: socket.socket,
        connection: Callable[[str], Connection],
        connections: OpenConnections,
        log: ServerLog,
    ) -> None:
        self.listening, self.connection, self.open_connections, self.log = listening, connection, connections, log
        self.loop = asyncio.get_running_loop()
        self.sockets = [listening]
        self.entering: set[asyncio.Task[None]] = set()
        listening.setblocking(False)
        # Accepted sockets inherit it: an answer is not held back for another one.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.loop.add_reader(listening.fileno(), self.accept)

    def accept(self) -> None:
        """Lets in all who wait."""
        for _ in range(BACKLOG):
            try:
                connected, peer = self.listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in SHORT:
                    self._rest(error.strerror)
                    return
                continue  # the client has gone before it was let in
            self._enter(connected, str(peer[0]))

    def close(self) -> None:
        """Lets those in who have been let into the machine already, and nobody else."""
        if self.listening.fileno() >= 0:
            self.accept()
            self.loop.remove_reader(self.listening.fileno())

    async def wait_closed(self) -> None:
        """Waits until all who were let in are connected."""
        await asyncio.gather(*self.entering, return_exceptions=True)

    def _enter(self, connected: socket.socket, peer: str) -> None:
        connection = self.connection(peer)
        if not self.open_connections.let_in(connection):
            connected.close()
            return
        entering = self.loop.create_task(self._connect(connected, connection))
        self.entering.add(entering)
        entering.add_done_callback(self.entering.discard)

    async def _connect(self, connected: socket.socket, connection: Connection) -> None:
        try:
            await self.loop.connect_accepted_socket(lambda: connection, connected)
        except OSError:
            self.open_connections.leave(connection)
            connected.close()

    def _rest(self, why: str | None) -> None:
        """Room is made, and used a moment later, when the connections that were ended have given it back."""
        self.open_connections.make_room(MADE_ROOM)
        self.log.write("no_room_to_connect", why=why, connections=len(self.open_connections.clients))
        self.loop.remove_reader(self.listening.fileno())
        self.loop.call_later(REST_S, self._go_on)

    def _go_on(self) -> None:
        if self.listening.fileno() >= 0:
            self.loop.add_reader(self.listening.fileno(), self.accept)
