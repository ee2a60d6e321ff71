"""The text of the gateway's configuration, made from the templates beside this file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from deploy import topology
from deploy.nginx.doors import Door, alternatives
from deploy.nginx.problems import PROBLEMS, Problem
from deploy.nginx.template import fill

KEEP_SECONDS = 4
"""How long an idle connection to a service is kept: less than the 5 s after which uvicorn closes it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gateway bears.

    `rate` (requests per second) and `burst` (requests) limit one address, `client_rate` and `client_burst` one token,
    `sign_in_rate` and `sign_in_burst` one address where people sign in: an office that begins its day passes.
    `busy` is how many requests of one address may go on at once. `patience` is how many seconds a service may take,
    `hurry` how many a caller may take for its header, and between two parts of its body.
    """

    rate: int = 200
    burst: int = 400
    client_rate: int = 50
    client_burst: int = 100
    sign_in_rate: int = 5
    sign_in_burst: int = 60
    busy: int = 200
    patience: int = 60
    hurry: int = 10


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Site:
    """What the configuration depends on.

    `listen` are arguments of nginx's directive of that name. `upstreams` maps the first segment of a path to the
    `host:port` behind it; of a name in `passes` only the paths there pass (see `Door`), and `inner` is a second door,
    to a few of the names. `sign_in` are the beginnings of the paths where people sign in. With a `resolver` (an address
    of a name server) names are looked up while running, without one at start. `tls` is a certificate chain and its
    key, two PEM files for the `ssl` listeners. `user` is whom the workers run as when nginx is started by root: a
    user's name and a group's.
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
    passes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inner: Door | None = None
    sign_in: tuple[str, ...] = ()

    @property
    def doors(self) -> tuple[Door, ...]:
        """Every door, the one that is open to all first."""
        outer = Door("outer", self.listen, tuple(self.upstreams), self.passes)
        return (outer, self.inner) if self.inner else (outer,)


def render(site: Site) -> str:
    """Return the text of the nginx configuration for a site."""
    return fill(
        "gateway",
        user=f"user {site.user};\n" if site.user else "",
        workers=site.workers,
        folder=site.folder,
        access_log=_quoted(site.access_log),
        error_log=_quoted(site.error_log),
        **{name: str(value) for name, value in asdict(site.limits).items()},
        names="|".join(site.upstreams),
        doors="".join(door.rules() for door in site.doors),
        knocking=_knocking(site),
        upstreams=_upstreams(site),
        problem_bodies="".join(_problem_body(problem) for problem in PROBLEMS),
        servers="".join(_server(door, site) for door in site.doors),
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
        passes={topology.IDENTITY: topology.KEYCLOAK_PASSES},
        inner=Door(
            "inner",
            (f"{topology.GATEWAY_ADMIN_PORT} ssl",),
            (topology.IDENTITY,),
            {topology.IDENTITY: topology.KEYCLOAK_ADMIN_PASSES},
        ),
        sign_in=topology.KEYCLOAK_SIGN_IN,
    )


def _server(door: Door, site: Site) -> str:
    return fill(
        "server",
        listen=_listeners(door, site),
        routes="".join(_route(name, door, site) for name in door.names),
        index=_index(door),
        headers=fill("headers", indent="        ").rstrip(),
        error_pages="\n".join(_error_page(problem) for problem in PROBLEMS),
        problems="".join(_problem(problem) for problem in PROBLEMS),
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _listeners(door: Door, site: Site) -> str:
    lines = [f"        listen {argument};" for argument in door.listen]
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
        fill("upstream", name=name, address=address, seconds=str(KEEP_SECONDS))
        for name, address in site.upstreams.items()
    )


def _knocking(site: Site) -> str:
    paths = alternatives(site.sign_in)
    return f'        "~^/({paths})" $binary_remote_addr;\n' if paths else ""


def _route(name: str, door: Door, site: Site) -> str:
    # A variable makes nginx ask the resolver again; a plain name in a Compose network is looked up once, at start.
    by_name = f"set ${name} {site.upstreams[name]};\n            proxy_pass http://${name};"
    shut = (
        f"            if (${door.shut(name)}) {{\n                return 404;\n            }}\n"
        if door.shut(name)
        else ""
    )
    return fill("route", name=name, shut=shut, target=by_name if site.resolver else f"proxy_pass http://{name};")


def _index(door: Door) -> str:
    return json.dumps({"name": "Bảo Hộ", "services": {name: f"/{name}/" for name in door.names}}, ensure_ascii=False)


def _error_page(problem: Problem) -> str:
    return f"        error_page {problem.caught or problem.status} /_problem/{problem.status};"


def _problem_body(problem: Problem) -> str:
    bodies = (("default", problem.body("vi")), ("en", problem.body("en")))
    lines = "".join(f"        {selector} {_quoted(body)};\n" for selector, body in bodies)
    return f"    map $language $problem_{problem.status} {{\n{lines}    }}\n"


def _problem(problem: Problem) -> str:
    retry = f"Retry-After {problem.retry_after}" if problem.retry_after is not None else ""
    extra = "".join(f"            add_header {header} always;\n" for header in (problem.header, retry) if header)
    headers = fill("headers", indent="            ") + extra
    return fill("problem", status=str(problem.status), headers=headers.rstrip())
