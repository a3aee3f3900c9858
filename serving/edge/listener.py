"""The socket that clients connect to, and how it is closed without turning away a client that was let in.

The packet filter is hand-written, because nothing that can be set does the same: whoever accepts all that wait and then
closes resets a client that connects in between. A supervisor that keeps the socket (systemd) would; not all have one.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from contextlib import suppress

from data.contract import UsageError

BACKLOG = 2048
SO_ATTACH_FILTER = 26
NO_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 2), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
"""Packet filter: load the byte of TCP's flags; if SYN is set drop the packet, else let it through."""


def listen(host: str, port: int) -> socket.socket:
    """A socket on which clients may connect from now on. Raises UsageError when the address is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"--host {host} --port {port} cannot be listened on ({error.strerror}); take another"
        ) from None
    return listening


def begin_no_more(listening: socket.socket) -> None:
    """From now on no handshake begins, while those under way end and can be accepted.

    Closing a socket resets connections that the kernel has made and nobody has accepted yet: their clients were let
    in and would get no answer. A client whose first packet is dropped sends it again after a second, and is refused
    then, which is safe to retry elsewhere. Only Linux can do this, and some kernels allow it to root alone; elsewhere
    nothing happens, for a stop is not to fail on it.
    """
    if sys.platform != "linux":
        return
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in NO_SYN))
    with suppress(OSError):
        listening.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(NO_SYN), ctypes.addressof(code))
        )
