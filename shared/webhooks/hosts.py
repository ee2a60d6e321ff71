"""Resolves the host names of partners, and refuses a name as soon as one of its addresses is not to be dialled."""

import asyncio
import errno
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult

RESOLVING_THREADS = 32
# When every address fails, aiohttp comes back to the remaining ones again and again; a name with
# hundreds of them would make us knock tens of thousands of times at somebody else's door.
MOST_ADDRESSES = 8


class RefusedAddressError(OSError):
    """An address is not to be dialled. An OSError, because that is what aiohttp takes as one address failing."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "the address is not one a webhook may be sent to")


class CheckedHosts(AbstractResolver):
    """Asks another resolver and refuses the whole name if a single answer is refused.

    A name that is public and private at once is an attack or a mistake; trying the public half would only hide it.
    """

    def __init__(self, hosts: AbstractResolver, permits: Callable[[str], bool]) -> None:
        self._hosts = hosts
        self._permits = permits

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return at most eight addresses; raise OSError if there is none, RefusedAddressError if one is refused."""
        found = await self._hosts.resolve(host, port, family)
        if not found:
            raise OSError("the name has no address")
        if not all(self._permits(answer["host"]) for answer in found):
            raise RefusedAddressError
        return found[:MOST_ADDRESSES]

    async def close(self) -> None:
        """Close the resolver asked."""
        await self._hosts.close()


class SystemHosts(AbstractResolver):
    """Asks the operating system, in threads of its own.

    aiohttp's resolver uses the event loop's few threads, the very ones that run handlers and sessions: a partner whose
    name server never answers would hold them up.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVING_THREADS, thread_name_prefix="webhook-hosts")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses in the system's order; raise OSError if the name is none or has none."""
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except UnicodeError as error:
            raise OSError("this is not a host name") from error
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Let go of the threads without waiting for name servers."""
        self._threads.shutdown(wait=False, cancel_futures=True)
