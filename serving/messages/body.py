"""The body of a request: read with a limit, decoded into what it must be; refusals never repeat the input.

Starlette's own limit (`max_body_size`) is not used: it answers in plain text around our middleware, and knows no time.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable
from typing import TypeVar

import msgspec
from starlette.requests import Request

from features.numbers_in_words import number
from serving.messages.limits import Limits
from serving.messages.problems import Refused

T = TypeVar("T")
PLACE = re.compile(r" - at `(\$[\w.\[\]]{0,100})`$")
CONTROL = re.compile(rb"\\(?:[bfnrt]|u00(?:[01].|7[fF]))")
"""A control character as JSON writes it; only the last one, DEL, may also stand there as it is."""


class Bodies:
    """Bodies on their way, bounded in number and bytes: who takes too long loses a place to newcomers, as if the time
    for a body were over, so that nobody is shut out by half-sent bodies."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.arriving: dict[asyncio.Timeout, None] = {}
        self.size = 0

    async def json(self, request: Request) -> bytes:
        """The whole body. Raises Refused when it is no JSON, too large or too slow."""
        kind = request.headers.get("content-type", "application/json")
        if kind.partition(";")[0].strip().lower() != "application/json":
            raise Refused("not_json", "send the header Content-Type: application/json")
        return await self.take(request, self.limits.body)

    async def take(self, request: Request, most: int) -> bytes:
        """The whole body, of `most` bytes at most. Raises Refused when it is too large or too slow, or too much is on
        its way already."""
        declared = request.headers.get("content-length", "")
        # A declared length only saves reading: what counts is what arrives.
        if declared.isdecimal() and (len(declared) > 15 or int(declared) > most):
            raise _too_large(most)
        try:
            async with asyncio.timeout(self.limits.body_s) as time:
                return await self._take(request, most, time)
        except TimeoutError:
            raise Refused("too_slow", f"the body did not arrive within {self.limits.body_s:g} seconds") from None

    async def _take(self, request: Request, most: int, time: asyncio.Timeout) -> bytes:
        if len(self.arriving) >= self.limits.bodies:
            slowest = next(iter(self.arriving))
            del self.arriving[slowest]
            if not slowest.expired():
                slowest.reschedule(0)
        self.arriving[time] = None
        chunks, size = [], 0
        try:
            inflate = _inflating(request.headers.get("content-encoding", "identity").strip().lower())
            async for part in request.stream():
                if not part:
                    continue
                # No more is made of it than is taken, however much is in it.
                chunks.append(inflate(part, most + 1 - size))
                size += len(chunks[-1])
                self.size += len(chunks[-1])
                if size > most:
                    raise _too_large(most)
                if self.size > self.limits.bodies_bytes:
                    raise Refused("busy", "too many large bodies at once; try again in a second", 1)
            return b"".join([*chunks, inflate(b"", 0)])
        finally:
            self.arriving.pop(time, None)
            self.size -= size


def _inflating(encoding: str) -> Callable[[bytes, int], bytes]:
    """From a part of a body, and how many bytes of what is in it to take, to these; no part is its end.

    Raises Refused for another encoding than gzip.
    """
    if encoding in ("", "identity"):
        return lambda part, most: part
    if encoding != "gzip":
        raise Refused("not_encoded", "send the body as it is, or with Content-Encoding: gzip")
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def inflate(part: bytes, most: int) -> bytes:
        if inflater.eof == bool(part) or inflater.unused_data:
            raise Refused("malformed", "the body is not one whole gzip stream, as its Content-Encoding says")
        try:
            return inflater.decompress(part, most) if part else b""
        except zlib.error:
            raise Refused("malformed", "the body is no gzip stream, as its Content-Encoding says") from None

    return inflate


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """As `decode_raw`, for bodies in which no text may have a control character."""
    decoded = decode_raw(decoder, body)
    if b"\x7f" in body or (b"\\" in body and CONTROL.search(body.replace(b"\\\\", b""))):
        raise Refused("invalid", "a text of the body has a control character; remove it")
    return decoded


def decode_raw(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """What the decoder makes of a body. Raises Refused: which field, what was expected."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Refused("invalid", explained(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused("malformed", "the body is no JSON in UTF-8; NaN and Infinity are no JSON either") from None
    except RecursionError:
        raise Refused("malformed", "the body is nested too deeply") from None


def explained(message: str) -> str:
    """What was expected where, without the names of fields that the sender made up.

    >>> explained("Object contains unknown field `x` - at `$.events[0]`")
    '$.events[0] has a field that is not known; see /openapi.json'
    """
    match = PLACE.search(message)
    place = match[1] if match else "$"
    if message.startswith("Object contains unknown field"):
        return f"{place} has a field that is not known; see /openapi.json"
    reason = message.partition(" - at ")[0]
    return f"{place}: {reason[:1].lower()}{reason[1:]}"


def _too_large(most: int) -> Refused:
    return Refused("too_large", f"the body has more than {number(most)} bytes; send less at once")
