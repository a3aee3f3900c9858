"""The listening socket at a stop: no handshake begins any more; where the kernel forbids to say so, nothing fails."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from serving.edge.listener import begin_no_more, listen

SO_LOCK_FILTER = 44
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="packet filters are Linux's")


@pytest.mark.skipif(os.geteuid() != 0, reason="some kernels let nobody but root filter packets")
def test_a_client_that_was_let_in_is_accepted_and_none_after_it() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        begin_no_more(listening)
        with pytest.raises(TimeoutError):
            socket.create_connection(listening.getsockname(), timeout=0.3)
        listening.accept()[0].close()


def test_a_stop_goes_on_where_the_kernel_forbids_a_filter() -> None:
    """As some do to whoever is not root: a socket whose filter is locked answers the same."""
    with listen("127.0.0.1", 0) as listening:
        listening.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
        begin_no_more(listening)
        with socket.create_connection(listening.getsockname()):
            listening.accept()[0].close()
