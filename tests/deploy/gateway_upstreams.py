"""What stands around the gateway in its tests: small real servers, and a client that sends what it is told."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deploy.gateway import Gateway, compose_site

PROBLEM = b'{"type":"urn:baoho:problem:illegal-transition","title":"x","status":409,"allowed":["accept"]}'

OWN_HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-Correlation-Id": "the-services-own",
    "Location": "http://intake/intake/v1/cases",
    "X-Request-Id": "the-services-own",
}


class EchoHandler(BaseHTTPRequestHandler):
    """Tells what it was sent; some words in the path make it answer otherwise."""

    protocol_version = "HTTP/1.1"
    server: "Upstream"

    def answer(self) -> None:
        """Answer any method."""
        body = self._body()
        self.server.seen.append(f"{self.command} {self.path}")
        if "/refuse" in self.path:
            self._send(409, PROBLEM, {"Content-Type": "application/problem+json", **OWN_HEADERS})
        elif "/overloaded" in self.path:
            self._send(503, b"busy", {"Retry-After": "17"})
        elif "/vanish" in self.path:
            self.close_connection = True
        else:
            time.sleep(1.5 if "/slow" in self.path else 0)
            told = {"service": self.server.name, "method": self.command, "path": self.path, "length": len(body)}
            headers = [[name.lower(), value] for name, value in self.headers.items()]
            self._send(200, json.dumps(told | {"headers": headers}).encode(), {"Content-Type": "application/json"})

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815 - http.server's names

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Upstream(ThreadingHTTPServer):
    """One service behind the gateway, at a free port of the loopback address; `seen` lists method and path."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), EchoHandler)
        self.name = name
        self.seen: list[str] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, *_args: object) -> None:
        """Keep quiet: a connection that the gateway dropped is no news."""


@contextmanager
def upstream(name: str) -> Iterator[Upstream]:
    with Upstream(name) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def name_server(names: Mapping[str, str]) -> Iterator[str]:
    """Answer DNS questions for addresses from `names`, which may change meanwhile; yield its own address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_answer_names, args=(endpoint, names))
        thread.start()
        yield f"127.0.0.1:{endpoint.getsockname()[1]}"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", endpoint.getsockname())
        thread.join()


def _answer_names(endpoint: socket.socket, names: Mapping[str, str]) -> None:
    while True:
        query, client = endpoint.recvfrom(512)
        if not query:
            return
        end = query.index(b"\0", 12)
        address = names.get(_name(query[12:end]))
        question = query[12 : end + 5]
        flags, count = (0x8180, 1) if address else (0x8183, 0)
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(address) if address else b""
        endpoint.sendto(query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question + record, client)


def _name(labels: bytes) -> str:
    parts = []
    while labels:
        length = labels[0]
        parts.append(labels[1 : length + 1].decode())
        labels = labels[length + 1 :]
    return ".".join(parts)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the one value of a header; two are a mistake."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, values
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)

    def told(self, name: str) -> list[str]:
        """Return what the service behind saw of a header."""
        return [value for key, value in self.json()["headers"] if key == name]


def send(
    connection: HTTPConnection, method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None
) -> Answer:
    """Send one request, its path exactly as given; an iterable body goes in chunks."""
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}), encode_chunked=_in_chunks(body))
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def _in_chunks(body: Any) -> bool:
    return body is not None and not isinstance(body, bytes)


def send_raw(port: int, data: bytes) -> Answer:
    """Send bytes that need not be HTTP."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as endpoint:
        endpoint.sendall(data)
        received = b""
        while b"\r\n\r\n" not in received or len(received) < _whole(received):
            part = endpoint.recv(65536)
            if not part:
                break
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = [(line.partition(": ")[0], line.partition(": ")[2]) for line in lines]
    return Answer(int(first.split()[1]), headers, body)


def _whole(received: bytes) -> int:
    head, _, _ = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return len(head) + 4 + int(lengths[0].split(b":")[1]) if lengths else 1 << 30


def ask(
    gateway: Gateway, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: Any = None
) -> Answer:
    """Send one request over a connection of its own."""
    return send(HTTPConnection("127.0.0.1", gateway.port, timeout=30), method, path, headers, body)


def with_doors_of_compose(gateway: Gateway, inner_port: int) -> Gateway:
    """Let in what the gateway of Compose lets in; the administrator's door is at 127.0.0.1:`inner_port`."""
    compose = compose_site()
    assert compose.inner is not None
    inner = replace(compose.inner, listen=(f"127.0.0.1:{inner_port}",))
    gateway.site = replace(gateway.site, passes=compose.passes, inner=inner, sign_in=compose.sign_in)
    return gateway


def is_problem(answer: Answer, status: int, name: str) -> bool:
    """Tell whether this is that problem, as RFC 9457 has it."""
    told = answer.json()
    expected = (status, "application/problem+json", f"urn:baoho:problem:{name}", status)
    return (answer.status, answer.header("Content-Type"), told["type"], told["status"]) == expected


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
