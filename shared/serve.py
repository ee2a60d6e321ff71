"""A service's HTTP process, which ends well: `python -m shared.serve services.intake.app:create --port N`."""

import argparse
import asyncio
import contextlib
import ctypes
import gc
import os
import socket
import struct
from types import FrameType

import uvicorn

from shared.ending import end_in_time
from shared.wire import HttpProtocol

ANSWER_SECONDS = 10
"""How long requests in flight may take once the process is told to stop."""
LINGER_SECONDS = 1.0
"""How long kept connections stay open then, so that whoever uses one is answered and told to close it."""
STEP = 0.05
SO_ATTACH_FILTER = 26
"""Linux, `asm-generic/socket.h`: Python has no name for it."""
NO_NEWCOMERS = b"".join(
    struct.pack("HBBI", *step)
    for step in (
        (0x30, 0, 0, 13),  # load the flags of the TCP segment (RFC 9293, section 3.1)
        (0x54, 0, 0, 0x12),  # of them SYN and ACK
        (0x15, 0, 1, 0x02),  # SYN alone, which opens a connection?
        (0x06, 0, 0, 0),  # then drop it
        (0x06, 0, 0, 0xFFFFFFFF),  # else let it pass
    )
)
"""A filter for a socket (classic BPF): it overlooks who asks for a connection, and lets pass what belongs to one."""


class HttpServer(uvicorn.Server):
    """A server that, told to stop, answers whatever was accepted.

    uvicorn closes a kept connection at once, also when the next request is already on its way there, which is then
    answered by a reset. Here it lingers: the answer bears `Connection: close`, and only a silent connection is closed.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, wait for those in use, then end the rest as uvicorn does."""
        for server in self.servers:
            for listener in server.sockets:
                let_in_no_more(listener.fileno())
        await asyncio.sleep(STEP)  # Whoever the kernel has let in is accepted.
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        self.server_state.default_headers.append((b"connection", b"close"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while self.server_state.connections and not self.force_exit:  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(STEP)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, and be gone in time."""
        end_in_time()
        super().handle_exit(sig, frame)


def let_in_no_more(listener: int) -> None:
    """Let the kernel overlook who asks for a connection from now on; it asks again after a second, and is refused.

    Without this a listener always has someone behind its door when it closes, who is let in and then reset.
    """
    program = ctypes.create_string_buffer(NO_NEWCOMERS)
    steps = len(NO_NEWCOMERS) // struct.calcsize("HBBI")
    # A system that knows no such filter, or forbids it, closes its door in somebody's face as it did before.
    with socket.socket(fileno=os.dup(listener)) as door, contextlib.suppress(OSError):
        door.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", steps, ctypes.addressof(program)))


def load(config: uvicorn.Config) -> None:
    """Load the app, with no search for garbage meanwhile: there is none, and it would take a sixth of a start."""
    gc.disable()
    try:
        config.load()
    finally:
        gc.enable()


def keep_to_one_processor(port: int) -> None:
    """Keep this process to one of the processors it may use, chosen by its port: neighbours keep to different ones.

    One thread of a CPython process runs at a time. Where they are spread over processors, each handing-over wakes
    another one and finds its caches cold, which costs more than the second processor gives.
    """
    if hasattr(os, "sched_setaffinity"):
        usable = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {usable[port % len(usable)]})


def main() -> None:
    """Serve one app until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("app", help="the function that makes it, such as services.intake.app:create")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--one-processor", action="store_true", help="keep to one processor, chosen by the port")
    arguments = parser.parse_args()
    if arguments.one_processor:
        keep_to_one_processor(arguments.port)
    config = uvicorn.Config(
        arguments.app,
        factory=True,
        host=arguments.host,
        port=arguments.port,
        loop="uvloop",
        http=HttpProtocol,
        access_log=False,
        server_header=False,
        # What a caller's address is, is decided in one place, by the service and its TRUSTED_PROXIES.
        proxy_headers=False,
        timeout_graceful_shutdown=ANSWER_SECONDS,
    )
    load(config)
    HttpServer(config).run()


if __name__ == "__main__":
    main()
