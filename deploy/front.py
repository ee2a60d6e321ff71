"""The one address of `make run`: the same paths as behind the gateway, dispatched in process."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HOME = Path(__file__).with_name("home.html")
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Front:
    """Gives each request to the app its first path segment names; only loopback names are answered to."""

    def __init__(self, apps: Mapping[str, ASGIApp], public_url: str) -> None:
        self._apps = apps
        self._hosts = LOOPBACK_NAMES | {urlsplit(public_url).hostname or ""}
        self._home = HTMLResponse(HOME.read_text(encoding="utf-8"), headers=HOME_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch one request."""
        if scope["type"] != "http":
            return
        await self._app(scope)(scope, receive, send)

    def _app(self, scope: Scope) -> ASGIApp:
        if not self._is_ours(scope):
            return _problem(421, "misdirected-request", "Địa chỉ không đúng máy chủ này.")
        first = scope["path"].split("/", 2)[1]
        if first == "":
            return self._home
        return self._apps.get(first) or _problem(404, "not-found", "Không tìm thấy.")

    def _is_ours(self, scope: Scope) -> bool:
        """A web page elsewhere whose name resolves here must not reach us (DNS rebinding)."""
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        return host.rpartition(":")[0] in self._hosts or host in self._hosts


HOME_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _problem(status: int, name: str, title: str) -> JSONResponse:
    body = {"type": f"urn:baoho:problem:{name}", "title": title, "status": status}
    return JSONResponse(body, status, media_type="application/problem+json")
