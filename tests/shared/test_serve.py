"""A server that is told to stop: what was accepted is answered, on kept connections too, and nothing new is taken."""

import gc
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from http.client import HTTPConnection
from typing import Any

import pytest
import uvicorn

from shared.auth import PUBLIC
from shared.edge import router
from shared.serve import HttpServer, keep_to_one_processor, load
from tests.specimen import dry_runtime, specimen

PATIENCE = 20


class Slow:
    """An app whose address /slow waits until the test lets it go on."""

    def __init__(self) -> None:
        self.in_hand, self.go_on = threading.Event(), threading.Event()
        api = router("/hotline/specimen")
        api.get("/slow", openapi_extra=PUBLIC)(self.wait)
        api.get("/fast", openapi_extra=PUBLIC)(self.answer)
        self.app = specimen(dry_runtime(), [api])

    def wait(self) -> str:
        """Take long."""
        self.in_hand.set()
        self.go_on.wait(PATIENCE)
        return "slow"

    def answer(self) -> str:
        """Answer at once."""
        return "fast"


@contextmanager
def serving(slow: Slow, answer_seconds: int = PATIENCE) -> Iterator[tuple[HttpServer, int, threading.Thread]]:
    """Serve on a free port; yield the server, its port and its thread."""
    config = uvicorn.Config(slow.app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=answer_seconds)
    server = HttpServer(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        yield server, server.servers[0].sockets[0].getsockname()[1], thread
    finally:
        server.should_exit = True
        slow.go_on.set()
        thread.join(PATIENCE)


def stop_listening(server: HttpServer, port: int) -> None:
    """Tell the server to stop and return once nobody is let in any more."""
    server.should_exit = True
    for _ in range(PATIENCE * 100):
        if not server.servers[0].sockets:
            break
        threading.Event().wait(0.01)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()


def kept(port: int) -> HTTPConnection:
    """Open a connection, use it once, and keep it."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", "/hotline/specimen/fast")
    connection.getresponse().read()
    return connection


def test_a_kept_connection_is_answered_once_more_and_told_to_close() -> None:
    with serving(Slow()) as (server, port, thread):
        connection = kept(port)

        stop_listening(server, port)
        connection.request("GET", "/hotline/specimen/fast")
        answer = connection.getresponse()
        body = answer.read()
        thread.join(PATIENCE)
        connection.close()

    assert (answer.status, body) == (200, b'"fast"')
    assert answer.getheader("connection") == "close"
    assert not thread.is_alive()


def test_a_request_in_flight_is_answered_before_the_end() -> None:
    slow = Slow()
    with serving(slow) as (server, port, thread):
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", "/hotline/specimen/slow")
        slow.in_hand.wait(PATIENCE)

        stop_listening(server, port)
        thread.join(2)
        waited = thread.is_alive()
        slow.go_on.set()
        body = connection.getresponse().read()
        thread.join(PATIENCE)
        connection.close()

    assert waited
    assert body == b'"slow"'
    assert not thread.is_alive()


def test_a_silent_connection_and_a_request_that_never_ends_hold_nobody() -> None:
    slow = Slow()
    with serving(slow, answer_seconds=1) as (server, port, thread):
        silent = kept(port)
        endless = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        endless.request("GET", "/hotline/specimen/slow")
        slow.in_hand.wait(PATIENCE)

        stop_listening(server, port)
        answer = endless.getresponse()
        problem = json.loads(answer.read())
        slow.go_on.set()
        thread.join(PATIENCE)
        for connection in (silent, endless):
            connection.close()

    assert (answer.status, answer.getheader("retry-after")) == (503, "2")
    assert problem["type"] == "urn:baoho:problem:unavailable"
    assert not thread.is_alive()


def test_a_crowd_at_the_door_is_let_in_and_answered_or_refused_when_the_server_stops() -> None:
    answers: list[bytes] = []
    for _ in range(3):
        with serving(Slow()) as (server, port, thread):
            crowd = [threading.Thread(target=come_again, args=(port, answers)) for _ in range(6)]
            for caller in crowd:
                caller.start()
            threading.Event().wait(0.2)
            server.should_exit = True
            for caller in crowd:
                caller.join(PATIENCE)
            thread.join(PATIENCE)

    assert len(answers) > 50
    assert set(answers) == {b"200"}


def come_again(port: int, answers: list[bytes]) -> None:
    """Ask on one new connection after another until nobody is let in any more; note each status, none for a connection torn."""
    while True:
        try:
            door = socket.create_connection(("127.0.0.1", port), PATIENCE)
        except ConnectionRefusedError:
            return
        told = b""
        with door, suppress(ConnectionError):
            door.sendall(b"GET /hotline/specimen/fast HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while part := door.recv(4096):
                told += part
        answers.append(told[9:12])


@pytest.mark.parametrize("fails", [False, True])
def test_the_collector_rests_while_an_app_is_loaded_and_works_afterwards(*, fails: bool) -> None:
    worked = []

    def create() -> Any:
        worked.append(gc.isenabled())
        if fails:
            raise SystemExit("it does not start")
        return Slow().app

    with pytest.raises(SystemExit) if fails else nullcontext():
        load(uvicorn.Config(create, factory=True, log_config=None))

    assert worked == [False]
    assert gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds nothing to a processor")
def test_neighbours_keep_to_different_processors() -> None:
    usable = sorted(os.sched_getaffinity(0))
    kept: list[set[int]] = []

    def keep(port: int) -> None:
        keep_to_one_processor(port)
        kept.append(os.sched_getaffinity(0))

    for port in range(8101, 8101 + len(usable)):
        thread = threading.Thread(target=keep, args=(port,))
        thread.start()
        thread.join(PATIENCE)

    assert sorted(min(one) for one in kept) == usable
    assert {len(one) for one in kept} == {1}
