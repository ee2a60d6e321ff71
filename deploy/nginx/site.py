"""The text of the gateway's configuration, made from the templates beside this file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template

from deploy import topology
from deploy.nginx.problems import PROBLEMS, Problem

TEMPLATES = Path(__file__).parent
KEEP_SECONDS = 4
"""How long an idle connection to a service is kept: less than the 5 s after which uvicorn closes it."""


class _Template(Template):
    delimiter = "@@"
    idpattern = "(?a:[a-z_]+)"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gateway bears.

    `rate` (requests per second) and `burst` (requests) limit one address, `client_rate` and `client_burst` one token;
    `busy` is how many requests of one address may go on at once. `patience` is how many seconds a service may take,
    `hurry` how many a caller may take for its header, and between two parts of its body.
    """

    rate: int = 200
    burst: int = 400
    client_rate: int = 50
    client_burst: int = 100
    busy: int = 200
    patience: int = 60
    hurry: int = 10


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Site:
    """What the configuration depends on.

    `listen` are arguments of nginx's directive of that name. `upstreams` maps the first segment of a path to the
    `host:port` behind it. With a `resolver` (an address of a name server) names are looked up while running, without
    one at start. `tls` is a certificate chain and its key, two PEM files for the `ssl` listeners.
    `user` is whom the workers run as when nginx is started by root: a user's name and a group's.
    """

    listen: tuple[str, ...]
    upstreams: Mapping[str, str]
    folder: str
    access_log: str
    error_log: str
    resolver: str | None = None
    tls: tuple[str, str] | None = None
    user: str | None = None
    workers: str = "1"
    limits: Limits = USUAL


def render(site: Site) -> str:
    """Return the text of the nginx configuration for a site."""
    return _fill(
        "gateway",
        user=f"user {site.user};\n" if site.user else "",
        workers=site.workers,
        folder=site.folder,
        access_log=_quoted(site.access_log),
        error_log=_quoted(site.error_log),
        **{name: str(value) for name, value in asdict(site.limits).items()},
        names="|".join(site.upstreams),
        listen=_listeners(site),
        upstreams=_upstreams(site),
        routes="".join(_route(name, address, site) for name, address in site.upstreams.items()),
        index=_index(site),
        headers=_fill("headers", indent="        ").rstrip(),
        error_pages="\n".join(_error_page(problem) for problem in PROBLEMS),
        problem_bodies="".join(_problem_body(problem) for problem in PROBLEMS),
        problems="".join(_problem(problem) for problem in PROBLEMS),
    )


def compose_site() -> Site:
    """Describe the gateway of Docker Compose: TLS towards the outside, plain HTTP for the health check inside."""
    return Site(
        listen=(f"{topology.GATEWAY_TLS_PORT} ssl", f"{topology.LOOPBACK}:{topology.GATEWAY_PORT}"),
        upstreams=topology.compose_upstreams(),
        folder="/tmp",  # noqa: S108 - a tmpfs of the container's own
        access_log="/dev/stdout",
        error_log="stderr",
        resolver="127.0.0.11",
        tls=("/run/secrets/tls_certificate", "/run/secrets/tls_key"),
        workers="auto",
    )


def _fill(template_name: str, /, **values: str) -> str:
    template = (TEMPLATES / f"{template_name}.conf.template").read_text(encoding="utf-8")
    return _Template(template).substitute(values)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _listeners(site: Site) -> str:
    lines = [f"        listen {argument};" for argument in site.listen]
    if site.tls:
        certificate, key = site.tls
        lines += [
            f"        ssl_certificate {certificate};",
            f"        ssl_certificate_key {key};",
            "        ssl_protocols TLSv1.2 TLSv1.3;",
            "        ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;",
            "        ssl_prefer_server_ciphers off;",
            "        ssl_session_cache shared:tls:10m;",
            "        ssl_session_tickets off;",
        ]
    return "\n".join(lines)


def _upstreams(site: Site) -> str:
    if site.resolver:
        return f"    resolver {site.resolver} valid=10s ipv6=off;\n    resolver_timeout 3s;\n"
    return "".join(
        _fill("upstream", name=name, address=address, seconds=str(KEEP_SECONDS))
        for name, address in site.upstreams.items()
    )


def _route(name: str, address: str, site: Site) -> str:
    # A variable makes nginx ask the resolver again; a plain name in a Compose network is looked up once, at start.
    by_name = f"set ${name} {address};\n            proxy_pass http://${name};"
    return _fill("route", name=name, target=by_name if site.resolver else f"proxy_pass http://{name};")


def _index(site: Site) -> str:
    return json.dumps(
        {"name": "Bảo Hộ", "services": {name: f"/{name}/" for name in site.upstreams}}, ensure_ascii=False
    )


def _error_page(problem: Problem) -> str:
    return f"        error_page {problem.caught or problem.status} /_problem/{problem.status};"


def _problem_body(problem: Problem) -> str:
    bodies = (("default", problem.body("vi")), ("en", problem.body("en")))
    lines = "".join(f"        {selector} {_quoted(body)};\n" for selector, body in bodies)
    return f"    map $language $problem_{problem.status} {{\n{lines}    }}\n"


def _problem(problem: Problem) -> str:
    retry = f"Retry-After {problem.retry_after}" if problem.retry_after is not None else ""
    extra = "".join(f"            add_header {header} always;\n" for header in (problem.header, retry) if header)
    headers = _fill("headers", indent="            ") + extra
    return _fill("problem", status=str(problem.status), headers=headers.rstrip())
