"""The one address of `make run`: the same paths as behind the gateway, dispatched in process."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import NotFound, Sentence
from shared.problems import preferred_language

HOME = Path(__file__).with_name("home.html")
HOME_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
MISDIRECTED = Sentence("Địa chỉ này không phải của máy chủ này.", "This address is not of this server.")


class Front:
    """Gives each request to the app its first path segment names; only loopback names are answered to."""

    def __init__(self, apps: Mapping[str, ASGIApp], public_url: str) -> None:
        self._apps = apps
        self._hosts = LOOPBACK_NAMES | {urlsplit(public_url).hostname or ""}
        page = HOME.read_text(encoding="utf-8").replace("{public_url}", public_url)
        self._home = HTMLResponse(page, headers=HOME_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch one request."""
        if scope["type"] == "http":
            await self._app(scope)(scope, receive, send)

    def _app(self, scope: Scope) -> ASGIApp:
        headers = Headers(scope=scope)
        language = preferred_language(headers.get("accept-language", ""))
        # A web page elsewhere whose name resolves to this machine must not reach us (DNS rebinding).
        host = headers.get("host", "")
        if host not in self._hosts and host.rpartition(":")[0] not in self._hosts:
            return _problem(421, "misdirected-request", MISDIRECTED, language)
        first = scope["path"].lstrip("/").partition("/")[0]
        if first == "":
            return self._home
        return self._apps.get(first) or _problem(NotFound.status, NotFound.name, NotFound.sentence, language)


def _problem(status: int, name: str, sentence: Sentence, language: str) -> JSONResponse:
    body = {"type": f"urn:baoho:problem:{name}", "title": sentence.in_language(language), "status": status}
    return JSONResponse(body, status, media_type="application/problem+json")
