"""Receivers on loopback, kind and hostile: what a partner's server may do with a webhook."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from shared.webhooks import Outcome, Sender

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """A running receiver, with what it was sent and how many bytes it got rid of."""

    port: int
    scheme: str
    requests: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    arrival: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def has(self, count: int) -> None:
        """Wait until so many requests have come, half a minute at most."""
        async with asyncio.timeout(30), self.arrival:
            await self.arrival.wait_for(lambda: len(self.requests) >= count)

    def url(self, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}/hook"


@asynccontextmanager
async def receiver(
    behave: Behaviour, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Receiver]:
    """Run a server that reads one request per connection and then behaves."""
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                running.bodies.append(await reader.readexactly(length))
                async with running.arrival:
                    running.requests.append(head)
                    running.arrival.notify_all()
                await behave(writer)
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.CancelledError):
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(converse(reader, writer))
        conversations.add(task)
        task.add_done_callback(conversations.discard)

    server = await asyncio.start_server(accept, host, 0, ssl=tls)
    running = Receiver(server.sockets[0].getsockname()[1], "https" if tls else "http")
    try:
        yield running
    finally:
        server.close()
        for task in tuple(conversations):
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)


def answers(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Behaviour:
    """Behave as one should: a whole HTTP answer."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode("latin-1")
    return says(head + body)


def says(data: bytes) -> Behaviour:
    """Say just these bytes and close."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return behave


async def hangs(_: asyncio.StreamWriter) -> None:
    """Say nothing, for ever."""
    await asyncio.Event().wait()


async def resets(writer: asyncio.StreamWriter) -> None:
    """Break the connection off."""
    writer.transport.abort()


def trickles(beginning: bytes) -> Behaviour:
    """Begin well, then send one byte every 0.3 s for ever."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.3)

    return behave


class Floods:
    """Begins so, then repeats a piece for as long as it is taken."""

    def __init__(self, beginning: bytes, piece: bytes) -> None:
        self.beginning = beginning
        self.piece = piece
        self.sent = 0

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        writer.write(self.beginning)
        while True:
            writer.write(self.piece)
            await writer.drain()
            self.sent += len(self.piece)
            await asyncio.sleep(0)  # A drain alone need not let anybody else run.


async def attempt(sender: Sender, behave: Behaviour, deadline: timedelta = timedelta(seconds=15)) -> Outcome:
    """Send one webhook to a receiver that behaves so."""
    async with receiver(behave) as partner:
        return await sender.send(partner.url(), {}, b"{}", deadline=deadline)
