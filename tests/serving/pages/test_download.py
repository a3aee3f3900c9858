"""A file made while it is sent: its turn is given back whatever happens, and nothing looks whole that is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.types import Message

from serving.pages.exports import download
from serving.pages.exports.download import Download
from serving.store.database.failures import StoreAway

SCOPE: dict[str, Any] = {"type": "http", "asgi": {"spec_version": "2.3"}}


class Client:
    """Takes what is sent. stays: how many pieces it waits for before it leaves. takes: whether it takes anything."""

    def __init__(self, stays: int = 10**9, takes: bool = True) -> None:
        self.stays, self.takes = stays, takes
        self.left = asyncio.Event()
        self.messages: list[Message] = []

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if not self.takes:
            await asyncio.sleep(3600)
        self.messages.append(message)
        if sum(bool(message.get("body")) for message in self.messages) >= self.stays:
            self.left.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def is_whole(self) -> bool:
        return bool(self.messages) and self.messages[-1].get("more_body") is False


def sent(content: Iterator[bytes], client: Client) -> list[str]:
    """Sends a download to a client; what was undone."""
    undone: list[str] = []
    undo = ExitStack()
    undo.callback(undone.append, "turn")
    try:
        asyncio.run(Download(content, undo, "leads.csv", "text/csv", {})(SCOPE, client.receive, client.send))
    finally:
        assert undone == ["turn"]
    return undone


def test_all_is_sent_and_the_turn_given_back() -> None:
    client = Client()
    sent(iter([b"a", b"b"]), client)
    assert (client.body, client.is_whole) == (b"ab", True)


def test_when_a_client_leaves_no_more_is_made() -> None:
    made: list[int] = []

    def endless() -> Iterator[bytes]:
        for n in range(1_000_000):
            made.append(n)
            yield b"row"

    client = Client(stays=3)
    sent(endless(), client)
    assert 3 <= len(made) < 1_000
    assert not client.is_whole


def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SLOW_CLIENT_S", 0.05)
    with pytest.RaisesGroup(TimeoutError, allow_unwrapped=True, flatten_subgroups=True):
        sent(iter([b"a"]), Client(takes=False))


def test_what_breaks_off_does_not_look_whole() -> None:
    """A list cut off by a failing store must not pass for the whole list."""

    def breaks() -> Iterator[bytes]:
        yield b"L1"
        raise StoreAway("the store is away")

    client = Client()
    with pytest.RaisesGroup(StoreAway, allow_unwrapped=True, flatten_subgroups=True):
        sent(breaks(), client)
    assert (client.body, client.is_whole) == (b"L1", False)
