"""The door: all who wait at it are let in at once, however busy the event loop is."""

from __future__ import annotations

import asyncio
import io
import socket
import time
from typing import cast

from serving.edge.acceptor import Acceptor
from serving.edge.connection import Connection
from serving.edge.listener import listen
from serving.edge.open_connections import OpenConnections
from serving.messages.limits import Limits
from serving.telemetry.server_log import ServerLog

MANY = 50


class Guest(asyncio.Protocol):
    """A client that is let in and asks for nothing."""

    address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()

    def overdue(self, waited_s: float) -> bool:
        return False

    def send_away(self) -> None:
        raise AssertionError("there is room")


def test_all_who_wait_are_let_in_at_one_turn_of_the_loop() -> None:
    """One at a turn, as uvloop does it, a newcomer waits for as many turns as others came before."""

    async def let_in() -> int:
        listening, connections = listen("127.0.0.1", 0), OpenConnections(Limits(), time.monotonic)
        waiting = [socket.create_connection(listening.getsockname()) for _ in range(MANY)]
        door = Acceptor(listening, lambda peer: cast(Connection, Guest()), connections, ServerLog(io.StringIO()))
        door.accept()
        at_once = len(connections.clients)
        door.close()
        await door.wait_closed()
        for client in (*waiting, listening):
            client.close()
        return at_once

    assert asyncio.run(let_in()) == MANY
