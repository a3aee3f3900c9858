"""A file that is made while it is sent: step by step in a thread, undone when the client leaves or stops taking it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

SLOW_CLIENT_S = 60.0
"""A client that takes nothing for so long is given up: it would keep others from their turn."""


class Download(StreamingResponse):
    """content: pieces, made when they are wanted. undo: closed when all is sent, or nobody waits for it any more."""

    def __init__(
        self, content: Iterator[bytes], undo: ExitStack, name: str, media_type: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(content, headers=headers, media_type=media_type)
        self.headers["content-disposition"] = f'attachment; filename="{name}"'
        self._undo = undo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def patient(message: Message) -> None:
            async with asyncio.timeout(SLOW_CLIENT_S):
                await send(message)

        try:
            await super().__call__(scope, receive, patient)
        finally:
            self._undo.close()
